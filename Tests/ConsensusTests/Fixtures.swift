import Bytes
import Consensus
import Identity
import Wire

let network = Digest(of: [1])

/// Signing keys by number. Making one costs more than a vote, so each is made once.
private let keys: [SigningKey] = (0..<32).map { number in
    var writer = ByteWriter()
    for _ in 0..<4 { writer.integer(UInt64(number + 1)) }
    return SigningKey(seed: writer.bytes.octetBytes)
}

private let names: [NodeID] = keys.map(\.nodeID)

func key(_ number: Int) -> SigningKey { keys[number] }

func name(_ number: Int) -> NodeID { names[number] }

/// Whose number this is.
func number(of id: NodeID) -> Int { names.firstIndex(of: id)! }

func committee(_ weights: [UInt64]) -> Committee {
    let vrf = VRFPublicKey(octets: [UInt8](repeating: 7, count: 32))!
    return Committee(seats: weights.enumerated().map { Seat(key: name($0), vrfKey: vrf, weight: $1) })
}

func instance(_ committee: Committee, epoch: Epoch = 1) -> Simplex.Instance {
    let leaders = Simplex.leaders(of: committee, randomness: Digest(of: [UInt8(epoch)]))
    let views = Simplex.subjectiveViews(of: committee, leaders: leaders)
    return Simplex.Instance(epoch: epoch, committee: committee, leaders: leaders, subjectiveViews: views)
}

private let noEvidence = try! EvidenceSummary(decoding: EvidenceSummary(items: []).encoded())
private let noProof = try! VRFProof(decoding: [UInt8](repeating: 0, count: 80))

func header(_ committee: Digest, builder: NodeID, view: View, flavour: UInt8 = 0, epoch: Epoch = 1) -> Header
{
    let zero = Digest.zero
    return Header(
        network: network, epoch: epoch, parent: zero, builder: builder, buildView: view,
        randomnessProof: noProof, randomness: zero, evidence: noEvidence,
        transactionsRoot: Digest(of: [flavour]), verdictsRoot: zero, stateRoot: zero, committee: committee,
        nextCommittee: zero, parameters: zero, wallTime: 0)
}
