internal import Geo
internal import Identity
internal import Wire

/// The authors of a block's evidence, numbered, with what the state says of them.
///
/// Verdicts ask about an author once for each of its reports; the host is asked once for each author.
struct Roster {
    /// The lists of evidence that a block reads: its own and those of the two before.
    enum List: Int {
        case current, previous, earlier
    }

    /// Ascending.
    let ids: [NodeID]
    private(set) var activities: [Activity]

    private let before: [Activity]
    private let devices: [Device?]
    /// By list, beside its evidence.
    private var members: [[Int32]]
    /// The facts at `partiesEpoch`: nil where not asked for yet, nil within where there are none.
    private var parties: [Party??]
    private var partiesEpoch: Epoch = 0
    /// By base cell.
    private var landmarks: [Cell: Cell] = [:]

    init(_ input: JudgeInput) {
        let lists = [input.evidence, input.previousEvidence, input.earlierEvidence]
        let authors = lists.map { $0.map(\.author) }
        var ids: [NodeID] = []
        var members = authors.map { _ in [Int32]() }
        var heads = [0, 0, 0]
        for (index, list) in authors.enumerated() {
            members[index].reserveCapacity(list.count)
            for place in list.indices.dropFirst() {
                precondition(list[place - 1] < list[place], "evidence ascends by author")
            }
        }
        while true {
            var least: NodeID?
            for (index, list) in authors.enumerated() where heads[index] < list.count {
                let head = list[heads[index]]
                least = least.map { min($0, head) } ?? head
            }
            guard let least else { break }
            for (index, list) in authors.enumerated()
            where heads[index] < list.count && list[heads[index]] == least {
                members[index].append(Int32(ids.count))
                heads[index] += 1
            }
            ids.append(least)
        }
        self.ids = ids
        self.members = members
        devices = ids.map { input.device($0) }
        before = ids.map { input.activity($0) }
        activities = before
        parties = [Party??](repeating: nil, count: ids.count)
    }

    func member(_ place: Int, of list: List) -> Int { Int(members[list.rawValue][place]) }

    mutating func change(_ member: Int, _ body: (inout Activity) -> Void) { body(&activities[member]) }

    /// What differs from the block's start, ascending by node.
    var changed: [(id: NodeID, activity: Activity)] {
        ids.indices.compactMap { member in
            activities[member] == before[member] ? nil : (id: ids[member], activity: activities[member])
        }
    }

    /// The member's device as the registry knew it; nil if it did not.
    mutating func party(_ member: Int, at epoch: Epoch) -> Party? {
        if partiesEpoch != epoch {
            parties = [Party??](repeating: nil, count: ids.count)
            partiesEpoch = epoch
        }
        if let known = parties[member] { return known }
        let party = Party(id: ids[member], device: devices[member], epoch: epoch, &landmarks)
        parties[member] = .some(party)
        return party
    }

    /// The rules that a beacon and a report have in common.
    func standing(_ member: Int, _ party: Party?, at epoch: Epoch) -> Reason? {
        guard let party else { return .unregistered }
        if party.location == nil { return .noLocation }
        return epoch < activities[member].suspendedUntil ? .suspended : nil
    }
}

/// A device as the registry knew it in the epoch of a beacon.
struct Party {
    let id: NodeID
    let kind: DeviceKind
    let version: DeviceVersion
    let nearness: Nearness?

    var location: Location? { version.location }

    init?(id: NodeID, device: Device?, epoch: Epoch, _ landmarks: inout [Cell: Cell]) {
        guard let device, let version = device.version(at: epoch) else { return nil }
        self.id = id
        kind = device.kind
        self.version = version
        nearness = version.location.map { Nearness(of: $0.cell, &landmarks) }
    }
}

/// A cell with what settles most questions of "too near" without a walk through the grid.
///
/// Within one base cell (resolution 0) that is no pentagon, H3's grid distance is always defined and is the
/// distance of a plane lattice. So for any landmark L of that base cell, by the triangle inequality,
/// `d(a, b) ≥ |d(a, L) − d(b, L)|`: a device's distance from L is asked for once, and a pair whose difference
/// reaches the limit is not near. Other pairs are walked. The answer is always that of the walk, undefined
/// distances included, and rests on cells alone: coordinates that contradict their cell cannot change it.
struct Nearness {
    enum Relation {
        case undefined, near, far
    }

    /// Of `Cell.nearnessResolution`.
    private let cell: Cell
    private let base: Cell
    /// Steps to the base cell's landmark; nil on a pentagon's.
    private let steps: Int?

    init(of asserted: Cell, _ landmarks: inout [Cell: Cell]) {
        guard let cell = asserted.parent(at: Cell.nearnessResolution), let base = cell.parent(at: 0) else {
            preconditionFailure("an asserted cell is finer than the resolution of nearness")
        }
        self.cell = cell
        self.base = base
        if base.isPentagon {
            steps = nil
        } else {
            let landmark = landmarks[base] ?? Self.landmark(of: base)
            landmarks[base] = landmark
            steps = cell.gridDistance(to: landmark)
        }
    }

    /// Any cell of the base cell will do: this one is its first.
    private static func landmark(of base: Cell) -> Cell {
        (1...Cell.nearnessResolution).reduce(base) { $0.children(at: $1)[0] }
    }

    /// Whether two cells are fewer than `stepsMin` grid steps apart.
    func relation(to other: Nearness, stepsMin: Int) -> Relation {
        if base == other.base, let steps, let otherSteps = other.steps, abs(steps - otherSteps) >= stepsMin {
            return .far
        }
        guard let walked = cell.gridDistance(to: other.cell) else { return .undefined }
        return walked < stepsMin ? .near : .far
    }
}
