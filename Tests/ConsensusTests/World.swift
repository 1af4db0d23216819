import Bytes
import Chance
import Consensus
import Identity
import Wire

/// A world of validators, observers and twins, in virtual time. A twin pair shares one key and so equivocates.
struct World {
    struct Plan: Sendable {
        var weights: [UInt64] = [1, 1, 1, 1]
        var observers = 0
        var twins: Set<Int> = []
        var silent: Set<Int> = []
        var epochs: Epoch = 1
        var delta: Duration = .milliseconds(100)
        /// From an epoch's opening to its window's end, drawn anew by each validator.
        var window: ClosedRange<Duration> = .milliseconds(100) ... .milliseconds(100)
        var latency: ClosedRange<Duration> = .milliseconds(1) ... .milliseconds(60)
        /// Until `healsAt`: latency, loss, crashes, jumps of clocks.
        var roughLatency: ClosedRange<Duration> = .milliseconds(1) ... .milliseconds(400)
        var healsAt: Duration = .zero
        var lossPercent = 0
        var crashes = false
        var clockJumps = false
        /// How long an evaluation takes.
        var judging: ClosedRange<Duration> = .milliseconds(5) ... .milliseconds(5)
        /// The host answers builds and ends gathering within the same step.
        var isHostPrompt = false
        /// How long a write takes until it is durable.
        var disk: ClosedRange<Duration> = .zero ... .zero
        var limit: Duration = .seconds(120)
        /// Whether no message passes from one to the other.
        var isCut: (@Sendable (_ from: Int, _ to: Int, _ at: Duration) -> Bool)?
        var judge: (@Sendable (_ judge: Int, Header, _ isSubjective: Bool) -> Simplex.Judgement)?
        /// Whether a validator is switched off.
        var isOff: (@Sendable (_ number: Int, _ at: Duration) -> Bool)?
    }

    struct Actor {
        let number: Int
        let flavour: UInt8
        var machine: Simplex
        var isUp = true
        var life = 0
        /// What the own clock shows above the world's.
        var clockLead: Duration = .zero
        var wakesAt: Instant = .never
        var disk: SafetyState?
        var diskBusyUntil: Instant = .origin
        var finals: [FinalHeader] = []
        /// How many of `finals` are durable.
        var finalsWritten = 0
        var asksAt: Instant = .origin

        var openEpoch: Epoch { Epoch(finals.count) + 1 }
    }

    /// Shared by all who get the message.
    final class Parcel: Sendable {
        let message: Message
        let sender: NodeID

        init(_ message: Message, from sender: NodeID) {
            self.message = message
            self.sender = sender
        }
    }

    enum What {
        case event(Simplex.Event, life: Int)
        case deliver(Parcel)
        case wake
        case restart
        case written(SafetyState, life: Int)
        case writtenFinals(Int, life: Int)
        case released(Parcel, to: NodeID?, life: Int)
    }

    struct Turn: Hashable {
        let voter: NodeID
        let epoch: Epoch
        let view: View
    }

    let plan: Plan
    let members: Committee
    let membersDigest: Digest
    let instances: [Simplex.Instance]
    var chance: Chance
    var actors: [Actor] = []
    var now = Instant.origin
    var agenda = Agenda<What>()
    var said: [Turn: [Ballot]] = [:]
    var decided: [Epoch: Set<Digest>] = [:]
    /// The highest view of a final certificate, by epoch.
    var decidedViews: [Epoch: View] = [:]
    var alarms: [Simplex.Alarm] = []
    var faults: [String] = []
    var deliveries = 0

    init(_ plan: Plan, chance: Chance) {
        self.plan = plan
        self.chance = chance
        let members = committee(plan.weights)
        self.members = members
        membersDigest = members.digest
        // The last one opens, as in a host, and its window never ends.
        instances = (1...plan.epochs + 1).map { instance(members, epoch: $0) }
        for number in 0..<(plan.weights.count + plan.observers) where !plan.silent.contains(number) {
            for flavour in 0..<UInt8(plan.twins.contains(number) ? 2 : 1) {
                actors.append(Actor(number: number, flavour: flavour, machine: machine(number, nil)))
            }
        }
        for index in actors.indices { open(index) }
    }

    var isHealed: Bool { now >= .origin + plan.healsAt }

    var isDone: Bool {
        actors.allSatisfy { plan.twins.contains($0.number) || $0.finals.count == Int(plan.epochs) }
    }

    mutating func run() {
        while !isDone, now <= .origin + plan.limit, let next = agenda.next() {
            now = next.at
            happen(next.what, to: next.to)
        }
    }

    private mutating func happen(_ what: What, to index: Int) {
        if case .restart = what { return restart(index) }
        guard actors[index].isUp else { return }
        let current = actors[index].life
        switch what {
        case .event(let event, let life): if life == current { step(index, event) }
        case .deliver(let parcel):
            deliveries += 1
            if plan.isOff?(actors[index].number, now - .origin) == true { return }
            deliver(parcel.message, from: parcel.sender, to: index)
        case .wake:
            guard actors[index].wakesAt == now else { return }
            actors[index].wakesAt = .never
            step(index, .woke)
        case .written(let state, let life): if life == current { actors[index].disk = state }
        case .writtenFinals(let count, let life): if life == current { actors[index].finalsWritten = count }
        case .released(let parcel, let peer, let life):
            if life == current { emit(parcel, to: peer, by: index) }
        case .restart: break
        }
    }

    // MARK: Lives

    mutating func machine(_ number: Int, _ restored: SafetyState?) -> Simplex {
        let isTwin = plan.twins.contains(number)
        return Simplex(
            settings: Simplex.Settings(network: network, delta: plan.delta, resigns: !isTwin),
            signer: key(number),
            chance: chance.split(), restored: restored)
    }

    func clock(_ index: Int) -> Instant { now + actors[index].clockLead }

    mutating func open(_ index: Int) {
        let epoch = actors[index].openEpoch
        let window = epoch > plan.epochs ? .seconds(3_600) : chance.duration(in: plan.window)
        let windowEnds = clock(index) + window
        step(index, .open(instances[Int(epoch) - 1], windowEnds: windowEnds))
    }

    private mutating func crash(_ index: Int) {
        actors[index].isUp = false
        actors[index].life += 1
        agenda.add(
            .restart, to: index, at: now + chance.duration(in: .milliseconds(10) ... .seconds(2)))
    }

    private mutating func restart(_ index: Int) {
        let restored = actors[index].disk.map { try! SafetyState(decoding: $0.encoded()) }
        actors[index].isUp = true
        actors[index].machine = machine(actors[index].number, restored)
        actors[index].wakesAt = .never
        actors[index].diskBusyUntil = now
        actors[index].finals.removeLast(actors[index].finals.count - actors[index].finalsWritten)
        open(index)
    }

    mutating func step(_ index: Int, _ event: Simplex.Event) {
        var actions: [Simplex.Action] = []
        if plan.clockJumps, !isHealed, chance.happens(1, in: 100) {
            actors[index].clockLead += chance.duration(in: .zero ... .seconds(20))
        }
        let clock = clock(index)
        actors[index].machine.handle(event, at: clock, actions: &actions)
        if case .woke = event, actors[index].machine.deadline <= clock { faults.append("wakes for nothing") }
        let isCrashing = plan.crashes && !isHealed && chance.happens(1, in: 80)
        if isCrashing, !actions.isEmpty { actions.removeLast(1 + chance.below(actions.count)) }
        let life = actors[index].life
        for action in actions where actors[index].life == life { carryOut(action, by: index) }
        if isCrashing, actors[index].life == life { return crash(index) }
        let deadline = actors[index].machine.deadline
        guard deadline != .never else { return }
        let wakesAt = max(now, .origin + (deadline - .origin - actors[index].clockLead))
        if wakesAt < actors[index].wakesAt || actors[index].wakesAt < now {
            actors[index].wakesAt = wakesAt
            agenda.add(.wake, to: index, at: wakesAt)
        }
    }
}

/// What happens when: a binary heap, first come first served among equals.
struct Agenda<What> {
    private var heap: [(at: Instant, order: Int, place: Int)] = []
    private var entries: [(to: Int, what: What)?] = []
    private var free: [Int] = []
    private var order = 0

    mutating func add(_ what: What, to index: Int, at: Instant) {
        order += 1
        let place = free.popLast() ?? entries.count
        if place == entries.count { entries.append((index, what)) } else { entries[place] = (index, what) }
        heap.append((at, order, place))
        var child = heap.count - 1
        while child > 0, isEarlier(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func next() -> (at: Instant, to: Int, what: What)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        let entry = entries[first.place]!
        entries[first.place] = nil
        free.append(first.place)
        return (first.at, entry.to, entry.what)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isEarlier(child, least)
            {
                least = child
            }
            if least == parent { return }
            heap.swapAt(least, parent)
            parent = least
        }
    }

    private func isEarlier(_ left: Int, _ right: Int) -> Bool {
        (heap[left].at, heap[left].order) < (heap[right].at, heap[right].order)
    }
}
