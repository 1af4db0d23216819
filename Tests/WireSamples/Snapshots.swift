internal import Bytes
public import Chance
internal import Identity
public import Wire

extension StatePlace: Sample {
    public static func any(from chance: inout Chance) -> StatePlace {
        let depth = chance.bool() ? chance.below(24) : chance.below(depthMax + 1)
        return (0..<depth).reduce(.root) { place, _ in place.child(onRight: chance.bool()) }
    }
}

extension StatePart: Sample {
    public static func any(from chance: inout Chance) -> StatePart {
        var nodes: [Node] = []
        var open = 1
        while open > 0 {
            switch chance.below(open > 8 ? 3 : 6) {
            case 0: nodes.append(.empty)
            case 1:
                let key = StateKey.any(from: &chance)
                nodes.append(.leaf(key, chance.octets(chance.below(40))))
            case 2: nodes.append(.stub(.any(from: &chance)))
            default:
                nodes.append(.inner)
                open += 2
            }
            open -= 1
        }
        return StatePart(nodes: nodes)
    }
}

extension SnapshotQuestion: Sample {
    public static func any(from chance: inout Chance) -> SnapshotQuestion {
        chance.bool()
            ? .state(chance.word(), chance.list(max: placesMax)) : .committee(.any(from: &chance))
    }
}

extension SnapshotAnswer: Sample {
    public static func any(from chance: inout Chance) -> SnapshotAnswer {
        switch chance.below(3) {
        case 0: .part(chance.word(), .any(from: &chance), .any(from: &chance))
        case 1: .states(first: chance.word(), last: chance.word())
        default: .committee(.any(from: &chance))
        }
    }
}
