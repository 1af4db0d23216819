internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Whoever starts from a recent state gets from it what is not so: parts with other balances or other hashes, states of
/// other epochs, committees of its own, headers that nobody voted for, evidence that nobody signed, and nothing at all.
struct SnapshotLiar: Adversary {
    private var chance: Chance
    private var wiretap = Wiretap()

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        for piece in wiretap.read(datagram, at: endpoint) {
            switch piece.message {
            case .snapshotAnswer(let answer)?:
                guard chance.happens(9, in: 10) else { continue }
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
            var nodes = part.nodes
            let index = chance.below(nodes.count)
            switch nodes[index] {
            case .leaf(let key, let value):
                var value = value
                if !value.isEmpty { value[chance.below(value.count)] ^= 1 }
                nodes[index] = .leaf(key, value)
            case .stub: nodes[index] = chance.happens(1, in: 2) ? .empty : .stub(chance.digest())
            case .empty: nodes[index] = .stub(chance.digest())
            case .inner:
                return chance.happens(1, in: 2)
                    ? .part(epoch + 1, place, part) : .part(epoch, place, StatePart(nodes: [.empty]))
            }
            return .part(epoch, place, StatePart(nodes: nodes))
        case .states(let first, let last): return .states(first: first + 7, last: last + 9)
        case .committee:
            let seat = Seat(key: scene.id, vrfKey: scene.vrfKey.publicKey, weight: 1 << 40)
            return .committee(Committee(seats: [seat]))
        }
    }

    private mutating func lie(instead headers: [FinalHeader]) -> [FinalHeader] {
        var headers = headers
        let place = chance.below(headers.count)
        switch chance.below(3) {
        case 0:
            var header = headers[place].header
            header.stateRoot = chance.digest()
            headers[place] = FinalHeader(header: header, certificate: headers[place].certificate)
        case 1: headers.removeLast(headers.count - 1)
        default: headers.swapAt(place, headers.count - 1 - place)
        }
        return headers
    }
}
