internal import Bytes
public import Chance
internal import Identity
public import Wire

extension MerkleProof: Sample {
    public static func any(from chance: inout Chance) -> MerkleProof {
        MerkleProof(index: chance.word(), siblings: chance.list(max: siblingsMax))
    }
}

extension VotesPage.Entry: Sample {
    public static func any(from chance: inout Chance) -> VotesPage.Entry {
        VotesPage.Entry(voter: chance.word(), signature: .any(from: &chance))
    }
}

extension VotesPage: Sample {
    public static func any(from chance: inout Chance) -> VotesPage {
        let pages = UInt8(1 + chance.below(35))
        var entries: [Entry] = []
        while entries.isEmpty { entries = chance.ascending(max: entriesMax) { $0.voter } }
        return VotesPage(
            ballot: .any(from: &chance), page: UInt8(chance.below(Int(pages))), pages: pages, entries: entries
        )
    }
}

extension BundleStanding: Sample {
    public static func any(from chance: inout Chance) -> BundleStanding {
        switch chance.below(4) {
        case 0: .unknown
        case 1: .partial(chance.word())
        case 2: .held
        default: .refused
        }
    }
}

extension Neighbour: Sample {
    public static func any(from chance: inout Chance) -> Neighbour {
        Neighbour(node: .any(from: &chance), endpoint: .any(from: &chance))
    }
}

extension Question: Sample {
    /// Of cases there are.
    public static let count = 9

    public static func any(from chance: inout Chance) -> Question {
        switch chance.below(count) {
        case 0: .follow(chance.word())
        case 1: .votes(chance.word(), page: chance.word())
        case 2: .inclusion(chance.word())
        case 3: .device(.any(from: &chance))
        case 4: .committee(.any(from: &chance), page: chance.word())
        case 5: .bundle(.any(from: &chance))
        case 6: .cards
        case 7: .neighbours
        default: .deviceProof(.any(from: &chance), page: Answer.anyLaterPage(&chance))
        }
    }
}

extension Answer: Sample {
    /// Of cases there are.
    public static let count = 11

    public static func any(from chance: inout Chance) -> Answer {
        any(from: &chance, tag: chance.below(count))
    }

    public static func any(from chance: inout Chance, tag: Int) -> Answer {
        switch tag {
        case 0: return .open(lastFinal: chance.word(), age: chance.word())
        case 1: return .header(.any(from: &chance), lastFinal: chance.word(), age: chance.word())
        case 2: return .votes(.any(from: &chance))
        case 3: return .inclusion(chance.word(), chance.maybe())
        case 4:
            let octets = chance.octets(chance.below(deviceByteCountMax + 1))
            return .device(chance.word(), chance.bool() ? octets : nil)
        case 5: return .deviceProof(chance.word(), chance.octets(chance.below(proofByteCountMax + 1)))
        case 6: return .committee(.any(from: &chance), page: chance.word(), chance.list(max: seatsOfPageMax))
        case 7: return .bundle(.any(from: &chance), .any(from: &chance))
        case 8: return .cards(chance.list(max: cardsMax))
        case 9: return .neighbours(chance.list(max: neighboursMax))
        default:
            return .deviceProofPage(
                chance.word(), page: anyLaterPage(&chance), chance.octets(chance.below(proofByteCountMax + 1))
            )
        }
    }

    fileprivate static func anyLaterPage(_ chance: inout Chance) -> UInt8 {
        UInt8(1 + chance.below(Int(proofPagesMax) - 1))
    }
}
