internal import Bytes
internal import Identity
internal import Ledger
internal import Records
internal import Store
internal import Wire

/// A node's way with evidence, step by step: decode, deduplicate, check the author, verify, keep, store in
/// groups, forward.
struct Ingest {
    /// Bundles of one commit.
    static let groupMax = 256
    /// Peers that a message is pushed to.
    static let forwards = 4

    private let network: Digest
    private let ledger: Ledger
    private let store: NodeStore
    private let node: NodeID
    private var seen: Set<ShortID> = []
    private var held: [NodeID: Bundle] = [:]
    private var ids: Set<Digest> = []
    private var group: [RecordWrite] = []
    private var sent = 0
    var accepted: Int { held.count }

    init(_ evidence: Evidence, at directory: String) throws {
        network = evidence.network
        node = evidence.peer
        store = try NodeStore(at: directory, readOnly: false)
        ledger = Ledger(genesis: World.genesis(authors: evidence.bundles.map(\.author)))
    }

    mutating func receive(_ bytes: [UInt8]) throws {
        guard let datagram = try? Datagram(decoding: bytes.octetBytes), datagram.network == network.prefix
        else { return }
        for case .message(let octets) in datagram.frames {
            guard seen.insert(ShortID(Digest(of: octets))).inserted else { continue }
            guard case .bundle(let bundle)? = try? Message(decoding: octets) else { continue }
            guard ledger.device(bundle.author)?.version(at: bundle.epoch) != nil else { continue }
            guard !ids.contains(bundle.id), held[bundle.author] == nil else { continue }
            let preimage = SigningDomain.bundle.preimage(network: network, message: bundle.signedBytes)
            guard bundle.author.signed(preimage.octetBytes, with: bundle.signature) else { continue }
            held[bundle.author] = bundle
            ids.insert(bundle.id)
            group.append(.bundle(bundle, isOwn: false))
            if group.count == Self.groupMax { try flush() }
            for _ in 0..<Self.forwards {
                sent +=
                    Datagram(network: network.prefix, sender: node, frames: [.message(octets)]).encoded()
                    .count
            }
        }
    }

    mutating func flush() throws {
        try store.write(group)
        group.removeAll(keepingCapacity: true)
    }
}
