internal import Chance
internal import HeapModule

/// What will happen, in the order of time, and of asking where times are equal: a timing wheel.
///
/// Almost everything in a world happens within a second from now, so that taking and adding cost the same however
/// much waits. What is later lies in a heap and moves onto the wheel when its time comes near.
struct Agenda<Element> {
    struct Entry {
        let at: Instant
        let serial: UInt64
        let element: Element

        func isLater(than other: Entry) -> Bool { (at, serial) > (other.at, other.serial) }
    }

    private struct Far: Comparable {
        let entry: Entry

        static func < (left: Far, right: Far) -> Bool { right.entry.isLater(than: left.entry) }
        static func == (left: Far, right: Far) -> Bool { left.entry.serial == right.entry.serial }
    }

    /// A slot is 2²⁰ ns, about a millisecond: more and shorter ones would not stay in the processor's cache.
    private static var slotShift: Int64 { 20 }
    private static var slotCount: Int64 { 1_024 }

    private var serial: UInt64 = 0
    /// The slot that is being emptied.
    private var cursor: Int64 = 0
    /// Its entries, the next one last.
    private var open: [Entry] = []
    /// The slots after `cursor`, each in no order.
    private var wheel = [[Entry]](repeating: [], count: Int(Self.slotCount))
    /// One bit for each slot that has entries.
    private var filled = [UInt64](repeating: 0, count: Int(Self.slotCount / 64))
    private var wheelCount = 0
    /// Entries beyond the wheel's turn.
    private var far = Heap<Far>()
    /// The slot of the first of them: a look into the heap copies what it finds.
    private var farSlot = Int64.max

    var count: Int { open.count + wheelCount + far.count }

    mutating func add(_ element: Element, at instant: Instant) {
        serial += 1
        place(Entry(at: instant, serial: serial, element: element))
    }

    mutating func next() -> Entry? {
        while open.isEmpty { guard turn() else { return nil } }
        return open.removeLast()
    }

    private mutating func place(_ entry: Entry) {
        let slot = entry.at.nanoseconds >> Self.slotShift
        if slot <= cursor {
            var low = 0
            var high = open.count
            while low < high {
                let middle = (low + high) / 2
                if open[middle].isLater(than: entry) { low = middle + 1 } else { high = middle }
            }
            open.insert(entry, at: low)
        } else if slot < cursor + Self.slotCount {
            let index = Int(slot % Self.slotCount)
            wheel[index].append(entry)
            filled[index / 64] |= 1 << UInt64(index % 64)
            wheelCount += 1
        } else {
            far.insert(Far(entry: entry))
            farSlot = min(farSlot, slot)
        }
    }

    /// Opens the next slot that has entries; false if nothing waits anywhere.
    private mutating func turn() -> Bool {
        if wheelCount == 0 {
            guard !far.isEmpty else { return false }
            cursor = farSlot
        } else {
            cursor = nextFilled()
            let index = Int(cursor % Self.slotCount)
            swap(&open, &wheel[index])
            filled[index / 64] &= ~(1 << UInt64(index % 64))
            wheelCount -= open.count
            open.sort { $0.isLater(than: $1) }
        }
        while farSlot < cursor + Self.slotCount {
            place(far.removeMin().entry)
            farSlot = far.min.map { $0.entry.at.nanoseconds >> Self.slotShift } ?? .max
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
