internal import Bytes
public import Chance
internal import Identity
public import Wire

extension Endpoint: Sample {
    public static func any(from chance: inout Chance) -> Endpoint {
        switch chance.below(3) {
        case 0: .loopback(port: chance.word())
        case 1: Endpoint(ipv4: chance.word(), port: chance.word())
        default: Endpoint(high: chance.word(), low: chance.word(), port: chance.word())
        }
    }
}

extension Roles: Sample {
    public static func any(from chance: inout Chance) -> Roles { Roles(rawValue: UInt8(chance.below(16))) }
}

extension NodeRecord: Sample {
    public static func any(from chance: inout Chance) -> NodeRecord {
        NodeRecord(
            node: .any(from: &chance), sequence: chance.word(), epoch: chance.word(),
            roles: .any(from: &chance),
            endpoints: chance.list(max: endpointsMax),
            region: chance.bool() ? .any(from: &chance, resolution: 5) : nil, version: chance.word(),
            signature: .any(from: &chance))
    }
}

extension Summary.ViewState: Sample {
    public static func any(from chance: inout Chance) -> Summary.ViewState {
        let notarizes = chance.octets(chance.below(4))
        let nullifies = chance.octets(chance.below(4))
        let finalizes = chance.octets(chance.below(4))
        return Summary.ViewState(
            view: chance.word(), notarizes: notarizes, nullifies: nullifies, finalizes: finalizes,
            notarization: chance.maybe(), isNullified: chance.bool(), hasProposal: chance.bool())
    }
}

extension Summary: Sample {
    public static func any(from chance: inout Chance) -> Summary {
        Summary(
            epoch: chance.word(), view: chance.word(), views: chance.list(max: 4), lastFinal: chance.word())
    }
}

extension Contents: Sample {
    public static func any(from chance: inout Chance) -> Contents {
        Contents(
            header: .any(from: &chance), body: .any(from: &chance),
            items: chance.ascending(max: 8) { $0.author })
    }
}

extension TransactionFault: Sample {
    public static func any(from chance: inout Chance) -> TransactionFault { chance.one(of: Array(allCases)) }
}

extension TransactionStatus: Sample {
    public static func any(from chance: inout Chance) -> TransactionStatus {
        switch chance.below(4) {
        case 0: .unknown
        case 1: .pending
        case 2: .final(chance.word())
        default: .refused(.any(from: &chance))
        }
    }
}

extension Message: Sample {
    /// Of all cases.
    public static let tags = Array(0...20) + Array(28...31)

    public static func any(from chance: inout Chance) -> Message {
        any(from: &chance, tag: tags[chance.below(tags.count)])
    }

    public static func any(from chance: inout Chance, tag: Int) -> Message {
        switch tag {
        case 0: .bundle(.any(from: &chance))
        case 1: .transaction(.any(from: &chance))
        case 2: .vote(.any(from: &chance))
        case 3: .certificate(.any(from: &chance))
        case 4: .proposal(.any(from: &chance))
        case 5: .summary(.any(from: &chance))
        case 6: .finalityRequest(from: chance.word(), count: chance.word())
        case 7: .finality(chance.list(max: 3))
        case 8: .contentsRequest(.any(from: &chance))
        case 9: .contents(.any(from: &chance))
        case 10: .bundlesRequest(chance.list(max: bundlesRequestMax))
        case 11: .proposalRequest(chance.word(), chance.word())
        case 12: .transactionStatusRequest(.any(from: &chance))
        case 13: .transactionStatus(.any(from: &chance), .any(from: &chance))
        case 14: .accountRequest(.any(from: &chance))
        case 15: .account(.any(from: &chance), .any(from: &chance), lastFinal: chance.word())
        case 16: .question(.any(from: &chance))
        case 17: .answer(.any(from: &chance))
        case 18: .handIn(.any(from: &chance))
        case 19: .snapshotQuestion(.any(from: &chance))
        case 20: .snapshotAnswer(.any(from: &chance))
        case 28: .listRequest(.any(from: &chance))
        case 29: .listCells(.any(from: &chance))
        case 30: .itemsRequest(.any(from: &chance), (0..<chance.below(9)).map { _ in chance.word() })
        default: .items(.any(from: &chance), chance.list(max: 8))
        }
    }
}

extension ShortID: Sample {
    public static func any(from chance: inout Chance) -> ShortID { ShortID(.any(from: &chance)) }
}

extension Chunk: Sample {
    public static func any(from chance: inout Chance) -> Chunk {
        let count = 1 + chance.below(chance.bool() ? 3 : countMax)
        let index = chance.below(count)
        let byteCount = index == count - 1 ? 1 + chance.below(byteCountMax) : byteCountMax
        return Chunk(
            message: .any(from: &chance), index: UInt16(index), count: UInt16(count),
            octets: chance.octets(byteCount))
    }
}

extension Frame: Sample {
    /// Of cases there are.
    public static let count = 16

    public static func any(from chance: inout Chance) -> Frame {
        switch chance.below(count) {
        case 0:
            let records = chance.list(NodeRecord.self, max: recordsMax)
            return .records(records, asks: chance.bool())
        case 1: return .message(chance.octets(chance.below(messageByteCountMax + 1)))
        case 2: return .chunk(.any(from: &chance))
        case 3: return .have(chance.list(max: idsMax))
        case 4: return .want(chance.list(max: idsMax))
        case 5: return .ping(nonce: chance.word())
        case 6: return .pong(nonce: chance.word())
        case 7: return .goodbye
        case 8: return .dial(.any(from: &chance), isUrgent: chance.bool())
        case 9: return .welcome(chance.list(max: recordsMax))
        case 10: return .refusal(chance.list(max: recordsMax))
        case 11: return .indirectPing(.any(from: &chance), .any(from: &chance), nonce: chance.word())
        case 12: return .indirectPong(nonce: chance.word(), isAlive: chance.bool())
        case 13: return .probe(nonce: chance.word())
        case 14: return .nearby(.any(from: &chance, resolution: 5))
        default: return .reconciliation(.any(from: &chance))
        }
    }
}

extension Payload {
    /// As many frames as fit.
    public static func any(from chance: inout Chance) -> Payload {
        var payload = Payload(frames: [])
        for _ in 0..<chance.below(6) {
            let next = Payload(frames: payload.frames + [.any(from: &chance)])
            if next.encoded().count <= byteCountMax { payload = next }
        }
        return payload
    }
}

extension Rendezvous: Sample {
    public static func any(from chance: inout Chance) -> Rendezvous {
        switch chance.below(4) {
        case 0: .introduce(.any(from: &chance))
        case 1: .meet(.any(from: &chance), .any(from: &chance))
        case 2: .forward(chance.octets(chance.below(datagramByteCountMax + 1)), to: .any(from: &chance))
        default: .forwarded(chance.octets(chance.below(datagramByteCountMax + 1)), from: .any(from: &chance))
        }
    }
}
