internal import Chance
internal import HeapModule

/// What will happen, in the order of time, and of asking where times are equal: a timing wheel.
///
/// Almost everything in a world happens within a second from now, so that taking and adding cost the same however
/// much waits. What is later lies in a heap and moves onto the wheel when its time comes near.
///
/// What is sorted and moved is only when and where: the elements lie still in a slab until their time comes.
struct Agenda<Element> {
    struct Entry {
        let at: Instant
        let element: Element
    }

    private struct Appointment: Comparable {
        let at: Instant
        let serial: UInt64
        /// In the slab.
        let place: Int

        static func < (left: Appointment, right: Appointment) -> Bool {
            (left.at, left.serial) < (right.at, right.serial)
        }
    }

    /// A slot is 2²⁰ ns, about a millisecond: more and shorter ones would not stay in the processor's cache.
    private static var slotShift: Int64 { 20 }
    private static var slotCount: Int64 { 1_024 }

    /// A slot that held more gives its storage back: else each would keep that of the greatest burst.
    private static var keptCapacityMax: Int { 256 }

    private var serial: UInt64 = 0
    /// The slot that is being emptied.
    private var cursor: Int64 = 0
    /// Its appointments, the next one last.
    private var open: [Appointment] = []
    /// The slots after `cursor`, each in no order.
    private var wheel = [[Appointment]](repeating: [], count: Int(Self.slotCount))
    /// One bit for each slot that has appointments.
    private var filled = [UInt64](repeating: 0, count: Int(Self.slotCount / 64))
    private var wheelCount = 0
    /// Appointments beyond the wheel's turn.
    private var far = Heap<Appointment>()
    private var slab: [Element?] = []
    /// Places of the slab that are free.
    private var free: [Int] = []

    var count: Int { slab.count - free.count }

    mutating func add(_ element: Element, at instant: Instant) {
        serial += 1
        let place = free.popLast() ?? slab.count
        if place == slab.count { slab.append(element) } else { slab[place] = element }
        insert(Appointment(at: instant, serial: serial, place: place))
    }

    mutating func next() -> Entry? {
        while open.isEmpty { guard turn() else { return nil } }
        let appointment = open.removeLast()
        free.append(appointment.place)
        return Entry(at: appointment.at, element: slab[appointment.place].take()!)
    }

    private mutating func insert(_ appointment: Appointment) {
        let slot = Self.slot(of: appointment)
        if slot <= cursor {
            var low = 0
            var high = open.count
            while low < high {
                let middle = (low + high) / 2
                if appointment < open[middle] { low = middle + 1 } else { high = middle }
            }
            open.insert(appointment, at: low)
        } else if slot < cursor + Self.slotCount {
            let index = Int(slot % Self.slotCount)
            wheel[index].append(appointment)
            filled[index / 64] |= 1 << UInt64(index % 64)
            wheelCount += 1
        } else {
            far.insert(appointment)
        }
    }

    private static func slot(of appointment: Appointment) -> Int64 {
        appointment.at.nanoseconds >> slotShift
    }

    /// Opens the next slot that has appointments; false if nothing waits anywhere.
    private mutating func turn() -> Bool {
        if wheelCount == 0 {
            guard let first = far.min else { return false }
            cursor = Self.slot(of: first)
        } else {
            cursor = nextFilled()
            let index = Int(cursor % Self.slotCount)
            swap(&open, &wheel[index])
            if wheel[index].capacity > Self.keptCapacityMax { wheel[index] = [] }
            filled[index / 64] &= ~(1 << UInt64(index % 64))
            wheelCount -= open.count
            open.sort(by: >)
        }
        while let first = far.min, Self.slot(of: first) < cursor + Self.slotCount {
            insert(far.removeMin())
        }
        return true
    }

    /// The slot after `cursor` whose bit is set; the wheel is not empty.
    private func nextFilled() -> Int64 {
        var index = Int((cursor + 1) % Self.slotCount)
        var steps = 1
        while true {
            let rest = filled[index / 64] >> UInt64(index % 64)
            if rest != 0 { return cursor + Int64(steps + rest.trailingZeroBitCount) }
            steps += 64 - index % 64
            index = (index / 64 + 1) * 64 % Int(Self.slotCount)
        }
    }
}
