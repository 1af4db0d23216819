internal import Bytes
public import Coverage
public import Dissemination
public import Geo
public import Identity
public import Membership
public import Wire

/// What happens to a node.
public enum NodeEvent: Sendable {
    /// What a node said in a session; the place is the one that the session leads to now.
    case payload([UInt8], from: NodeID, Endpoint)
    /// The session with a peer has ended.
    case lost(NodeID)
    /// A node sees this one come from the first place; it is itself at the second.
    case observed(Endpoint, by: NodeID, Endpoint)
    /// The bootstrap list, read or looked up again: those with a place, and everybody that it names.
    case bootstrap([(NodeID, Endpoint)], all: [NodeID])
    /// A radio frame that the packet forwarder received.
    case radioHeard(payload: [UInt8], Measurement)
    /// What the packet forwarder did with the last transmission: the power it used, in 0.1 dBm EIRP, or nil if
    /// it did not transmit.
    case radioTransmitted(power: Int16?)
    /// The answer to `NodeAction.verify`.
    case verified(ticket: UInt64, Verification)
    /// The answer to `NodeAction.serve`.
    case served([Message], to: NodeID)
    case woke
}

/// What a node wants done, in this order.
public enum NodeAction: Sendable {
    /// Over the session with this node; without one it is dropped, unless it may be opened for it.
    case send([UInt8], to: Destination)
    /// Must be durable before any later `send` of this or a later step leaves.
    case persist(Persisted)
    /// Check on workers, each signature singly; answer with `NodeEvent.verified`.
    case verify(ticket: UInt64, [Check])
    /// Hand to the packet forwarder; answer with `NodeEvent.radioTransmitted`.
    case transmit(Transmission)
    /// Read what a peer asks for from the store; answer with `NodeEvent.served`.
    case serve(StoreRequest, to: NodeID)
    /// The node's own card, renewed: for handshakes to come.
    case card(NodeRecord)
    /// Keep the session with this node while it is a peer, and when it is none any more, let it go.
    case hold(NodeID)
    case release(NodeID)
    case notice(Notice)
}

/// To whom a payload goes.
public struct Destination: Hashable, Sendable {
    public let node: NodeID
    /// Where the node is, as far as is known.
    public let endpoint: Endpoint
    /// Worth a handshake, if there is no session.
    public let opens: Bool
    /// Must be reached, over a relay if there is no other way.
    public let mayRelay: Bool

    public init(_ node: NodeID, _ endpoint: Endpoint, opens: Bool = false, mayRelay: Bool = false) {
        self.node = node
        self.endpoint = endpoint
        self.opens = opens
        self.mayRelay = mayRelay
    }
}

/// One thing that must not be forgotten.
public enum Persisted: Sendable {
    /// The consensus machine's `SafetyState`, encoded and sealed (`Seal`).
    case safety([UInt8])
    /// The coverage machine's `CoverageState`, encoded and sealed (`Seal`).
    case coverage([UInt8])
    /// A verified bundle of the open epoch; `isOwn` marks the outbox.
    case bundle(Bundle, isOwn: Bool)
    /// What stands behind a header of the open epoch that this node is about to stand for. Were it forgotten by
    /// all who notarized the header, nobody could execute what they agreed on. `dropping`: one of earlier, for room.
    case candidate(Contents, dropping: Digest?)
    case final(FinalBlock)
    /// Contact cards by which a restarted node rejoins.
    case peers([NodeRecord])
    /// The one bundle that an edge node signed for the open epoch, in place of the last.
    case outbox(Bundle)
    /// The bundles of others that an edge node kept: their epoch is over.
    case droppedOpen
    /// What an edge node follows the chain from (`EdgeRecord`), encoded and sealed (`Seal`).
    case following([UInt8], last: Header?)
    /// Headers of which the blocks are not here, verified by a node that fetches a state.
    case followed(FollowedHeaders)
    /// What differs between the state that the store holds and the one that is fetched, found so far.
    case fetched([(key: StateKey, value: [UInt8]?)])
    /// Headers followed from this epoch on are another chain's: neither gone on from nor told to anybody.
    case unfollowed(from: Epoch)
    case adopted(AdoptedState)
    /// The key signed what the store does not remember: no life after this one may vote by it.
    case forgot
}

/// A block that is final and executed here, with everything that follows from it.
public struct FinalBlock: Sendable {
    public let block: Block
    public let certificate: Certificate
    public let changes: [(key: StateKey, value: [UInt8]?)]
    public let verdicts: [BeaconVerdict]
    public let rewards: [Reward]
    public let totals: Totals
    public let minted: Amount
    public let burned: Amount
    /// From the end of this node's window to finality, in milliseconds; 0 if it was fetched.
    public let millisecondsToFinal: UInt32

    public var final: FinalHeader { FinalHeader(header: block.header, certificate: certificate) }
    public var body: Body { block.body }
    public var items: [EvidenceItem] { block.contents.items }
    /// Every bundle behind `items`; those stored before are repeated.
    public var bundles: [Bundle] { block.evidence.flatMap(\.bundles) }
}

/// What a peer may ask of the store.
public enum StoreRequest: Sendable {
    case finality(from: Epoch, count: Int)
    /// The contents of the final block with this header digest.
    case contents(Digest)
    /// Bundles by evidence item.
    case bundles([Digest])
    case transactionStatus(Digest)
    /// The committee with this digest, of any period.
    case committee(Digest)
}

/// What an operator should hear of.
public enum Notice: Sendable {
    case ready(Epoch)
    case epochFinal(Epoch, view: View, stateRoot: Digest)
    case peerConnected(NodeID, Endpoint)
    case peerDisconnected(NodeID)
    /// Others agree to see it there: its card says so now.
    case located(Endpoint)
    /// A node told contact cards that those whom they name did not sign, for the first time.
    case forger(NodeID, Endpoint)
    /// For its faults little or nothing of this peer is heard for a while.
    case ignored(NodeID, Endpoint)
    case catchingUp(from: Epoch, to: Epoch)
    /// This node's execution differs from a finalised header: it stops voting and serving.
    case diverged(Epoch, expected: Digest, computed: Digest)
    case alarm(String)
    case transactionRefused(Digest, TransactionFault)
    /// Its role is a device's, but the registry does not know it.
    case unregistered
    /// A validator to which this edge node gave its bundle kept it to itself.
    case uplinkSilent(NodeID, Epoch)
    /// What a validator told this edge node is not so.
    case uplinkLied(NodeID, String)
    /// This node starts from a recent state, or tries to.
    case snapshot(SnapshotNotice)
}

/// One check for a worker.
public enum Check: Hashable, Sendable {
    case signature(NodeID, preimage: [UInt8], Signature)
    case vrf(VRFPublicKey, alpha: [UInt8], VRFProof)
    /// Whether a registered VRF key is a point that proofs can be checked with.
    case vrfKey(VRFPublicKey)

    /// By what is short and differs: the signature or proof, not the message under it. Whoever repeats one signature under
    /// many messages slows down a simulation of themselves; no real node keeps a table of checks.
    public func hash(into hasher: inout Hasher) {
        switch self {
        case .signature(_, _, let signature): hasher.combine(signature)
        case .vrf(_, _, let proof): hasher.combine(proof)
        case .vrfKey(let key): hasher.combine(key)
        }
    }

    /// Whether this check alone holds.
    public var holds: Bool {
        Verification(of: [self]).holdsEntirely
    }
}

/// What workers found: whether all signatures and keys hold, and the output of each VRF check in its order.
public struct Verification: Hashable, Sendable {
    public let holds: Bool
    public let outputs: [VRFOutput?]

    public init(holds: Bool, outputs: [VRFOutput?]) {
        self.holds = holds
        self.outputs = outputs
    }

    /// Whether all signatures, keys and proofs hold.
    public var holdsEntirely: Bool { holds && !outputs.contains(nil) }

    /// Carries out checks in order, each singly: what a worker runs.
    public init(of checks: [Check]) {
        var holds = true
        var outputs: [VRFOutput?] = []
        for check in checks {
            switch check {
            case .signature(let key, let preimage, let signature):
                holds = holds && key.signed(preimage.octetBytes, with: signature)
            case .vrf(let key, let alpha, let proof):
                outputs.append(key.verify(proof, alpha: alpha.octetBytes))
            case .vrfKey(let key):
                holds = holds && key.isValid
            }
        }
        self.init(holds: holds, outputs: outputs)
    }
}

/// Settings of one node that need not be equal across the network.
public struct NodeSettings: Sendable {
    public var roles: Roles
    /// Where others are told to find it; empty where it cannot be known yet.
    public var endpoints: [Endpoint]
    /// Whether it also tells the place that others agree to see it at.
    public var learnsEndpoint = false
    public var bootstrap: [(NodeID, Endpoint)]
    /// Also those on the bootstrap list whose place is not known yet.
    public var listed: [NodeID] = []
    /// An H3 cell of resolution 5 for the contact card, where the registry has no place for the node.
    public var region: Cell?
    /// Consensus Δ: an upper bound of a message's delay among validators.
    public var delta: Duration = .milliseconds(300)
    public var membership = Membership.Settings()
    public var scores = Scores.Settings()
    /// Whether what comes is from whom it says and as it was sent, as it is in sessions. Where the way may change it, nobody is
    /// charged with what came.
    public var provesSenders = true
    /// How often it was started: raised with every start.
    public var recordSequence: UInt64
    public var softwareVersion: UInt16 = 1
    /// The first epoch in which the node votes and signs bundles: 0 where the store remembers everything its key has signed, later where it
    /// may be a copy, `.max` for a node that only observes.
    public var votesFrom: Epoch = 0
    /// Whether it stops to sign where its key signs elsewhere: see `Simplex.Settings.resigns`.
    public var resigns = true
    /// A header that its operator knows to be the network's: for who was away for longer than stakes are bound.
    public var checkpoint: Checkpoint?
    /// How long ago the last final block was made durable; nil where nobody knows. For worlds in which time passes for running
    /// nodes only: not at all.
    public var sinceFinal: Duration? = .zero

    public init(
        roles: Roles, endpoints: [Endpoint], bootstrap: [(NodeID, Endpoint)], region: Cell?,
        recordSequence: UInt64
    ) {
        self.roles = roles
        self.endpoints = endpoints
        self.bootstrap = bootstrap
        self.region = region
        self.recordSequence = recordSequence
    }

    /// Neither probes, nor replaces, nor often asks a peer once it has some: where consensus and coverage are to be measured
    /// or watched alone.
    public mutating func quietMembership() { membership = .quiet }
}

/// A header that must be the one of its epoch.
public struct Checkpoint: Hashable, Sendable {
    public let epoch: Epoch
    public let header: Digest

    public init(epoch: Epoch, header: Digest) {
        self.epoch = epoch
        self.header = header
    }

    init(_ header: Header) { self.init(epoch: header.epoch, header: header.digest) }

    /// As it is given to the program.
    public var text: String { "\(epoch):\(header.hex)" }

    /// As `EPOCH:DIGEST`, the digest in hexadecimal.
    public init?(_ text: String) {
        let halves = text.split(separator: ":")
        guard halves.count == 2, let epoch = Epoch(halves[0]), epoch > 0,
            let header = Digest(hex: String(halves[1]))
        else { return nil }
        self.init(epoch: epoch, header: header)
    }
}

/// What a node remembers from its last life.
public struct BootRecords: Sendable {
    /// The last final block and the one before it, ascending: a state alone cannot execute the next block.
    public var recent: [Block]
    public var lastCertificate: Certificate?
    /// The whole ledger state after the last final block; empty before block 1.
    public var state: [(StateKey, [UInt8])]
    public var safety: [UInt8]?
    public var coverage: [UInt8]?
    /// Verified bundles of the open epoch; an edge node's are those that it keeps for neighbours.
    public var bundles: [Bundle]
    public var ownBundle: Bundle?
    /// What stands behind headers of the open epoch.
    public var candidates: [Contents]
    public var peers: [NodeRecord]
    /// What an edge node followed the chain to, sealed.
    public var following: [UInt8]?
    /// Of a state that was being fetched: what differs from `state`.
    public var snapshotRows: [(key: StateKey, value: [UInt8]?)] = []
    /// The headers that were followed for it: what the node goes on from, sealed, and the last two of them.
    public var snapshotRecord: [UInt8]?
    public var snapshotHeaders: [FinalHeader] = []
    /// How long the open epoch was open when the node started again, as far as that can be known.
    public var openedAgo: Duration = .zero

    public init(
        recent: [Block] = [], lastCertificate: Certificate? = nil, state: [(StateKey, [UInt8])] = [],
        safety: [UInt8]? = nil, coverage: [UInt8]? = nil, bundles: [Bundle] = [], ownBundle: Bundle? = nil,
        candidates: [Contents] = [], peers: [NodeRecord] = [], following: [UInt8]? = nil
    ) {
        self.recent = recent
        self.lastCertificate = lastCertificate
        self.state = state
        self.safety = safety
        self.coverage = coverage
        self.bundles = bundles
        self.ownBundle = ownBundle
        self.candidates = candidates
        self.peers = peers
        self.following = following
    }
}

/// Why something that came in was dropped. Each is counted; tools print the name.
public enum Drop: Int, CaseIterable, Sendable {
    case malformed, strangersFrame, malformedMessage, wrongEpoch
    case unregisteredAuthor, thirdBundle, badSignature, verificationBacklog, refusedTransaction, unasked
    case inconsistentContents
    /// Strangers ask more than a node has time for.
    case edgeAllowance
    /// Nothing that consensus could learn from.
    case superfluous
    /// Said by a peer that is ignored for its faults.
    case ignored
    /// A peer, or all strangers together, ask more often who is near than they are answered.
    case nearbyAllowance
    /// More bundles of others than an edge node may hand on in an epoch.
    case handedOn
    /// A peer asks for more than could be sent to it.
    case overAsked
    /// By an author for whom an epoch's evidence has no room, as so many others rank before it.
    case outranked
}
