internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Whoever starts from a recent state gets from it what is not so: parts with other balances or other hashes, states of
/// other epochs, committees of its own, headers that nobody voted for, evidence that nobody signed, and nothing at all.
///
/// Each liar keeps to one kind of lie for the run: who changes his lie is found out by the kind that is easy to see, and
/// the others would never last.
struct SnapshotLiar: Adversary {
    enum PartLie: CaseIterable {
        case values, hashes, otherEpoch, empty, silence
    }

    enum HeaderLie: CaseIterable {
        case otherState, few, otherOrder
    }

    private let partLie: PartLie
    private let headerLie: HeaderLie
    private var chance: Chance
    private var wiretap = Wiretap()

    init(chance: Chance) {
        var chance = chance
        partLie = chance.pick(PartLie.allCases)!
        headerLie = chance.pick(HeaderLie.allCases)!
        self.chance = chance
    }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        for piece in wiretap.read(datagram, at: endpoint) {
            switch piece.message {
            case .snapshotAnswer(let answer)?:
                guard partLie != .silence else { continue }
                scene.send(.snapshotAnswer(lie(instead: answer, scene)), to: endpoint)
            case .finality(let headers)? where headers.count > 1:
                scene.send(.finality(lie(instead: headers)), to: endpoint)
            default: scene.send([piece])
            }
        }
    }

    private mutating func lie(instead answer: SnapshotAnswer, _ scene: Scene) -> SnapshotAnswer {
        switch answer {
        case .part(let epoch, let place, let part):
            switch partLie {
            case .values: return .part(epoch, place, withOtherValue(part))
            case .hashes: return .part(epoch, place, withOtherHash(part))
            case .otherEpoch: return .part(epoch + 1, place, part)
            case .empty, .silence: return .part(epoch, place, StatePart(nodes: [.empty]))
            }
        case .states(let first, let last): return .states(first: first + 7, last: last + 9)
        case .committee:
            let seat = Seat(key: scene.id, vrfKey: scene.vrfKey.publicKey, weight: 1 << 40)
            return .committee(Committee(seats: [seat]))
        }
    }

    /// One entry says something else; where the part has none, one of its hashes does.
    private mutating func withOtherValue(_ part: StatePart) -> StatePart {
        var nodes = part.nodes
        let filled = nodes.indices.filter {
            if case .leaf(_, let value) = nodes[$0] { !value.isEmpty } else { false }
        }
        guard let index = chance.pick(filled), case .leaf(let key, var value) = nodes[index] else {
            return withOtherHash(part)
        }
        value[chance.below(value.count)] ^= 1
        nodes[index] = .leaf(key, value)
        return StatePart(nodes: nodes)
    }

    /// Something else lies below one place of the tree, or nothing.
    private mutating func withOtherHash(_ part: StatePart) -> StatePart {
        var nodes = part.nodes
        let ends = nodes.indices.filter { if case .inner = nodes[$0] { false } else { true } }
        guard let index = chance.pick(ends) else { return StatePart(nodes: [.empty]) }
        if case .stub = nodes[index], chance.happens(1, in: 2) {
            nodes[index] = .empty
        } else {
            nodes[index] = .stub(chance.digest())
        }
        return StatePart(nodes: nodes)
    }

    private mutating func lie(instead headers: [FinalHeader]) -> [FinalHeader] {
        var headers = headers
        let place = chance.below(headers.count)
        switch headerLie {
        case .otherState:
            var header = headers[place].header
            header.stateRoot = chance.digest()
            headers[place] = FinalHeader(header: header, certificate: headers[place].certificate)
        case .few: headers.removeLast(headers.count - 1)
        case .otherOrder: headers.swapAt(0, headers.count - 1)
        }
        return headers
    }
}
