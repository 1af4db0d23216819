public import Identity
public import Wire

/// Everything that the verdicts of block `epoch` depend on.
public struct JudgeInput {
    public typealias Hotspot = (id: NodeID, device: Device)

    public let epoch: Epoch
    public let network: Digest
    public let parameters: Parameters
    /// R(x) for `epoch − 2 ... epoch + 1`.
    public let randomness: (Epoch) -> Digest?
    /// Of blocks e, e − 1 and e − 2, each ascending by author.
    public let evidence: [EvidenceEntry]
    public let previousEvidence: [EvidenceEntry]
    public let earlierEvidence: [EvidenceEntry]
    public let device: (NodeID) -> Device?
    /// As it stood before this block.
    public let activity: (NodeID) -> Activity
    /// All registered hotspots, in any order.
    public let hotspots: () -> [Hotspot]
    /// Pure; a host may answer from memory.
    public let verifyVRF: (VRFPublicKey, VRFProof, [UInt8]) -> VRFOutput?

    public init(
        epoch: Epoch, network: Digest, parameters: Parameters, randomness: @escaping (Epoch) -> Digest?,
        evidence: [EvidenceEntry], previousEvidence: [EvidenceEntry], earlierEvidence: [EvidenceEntry],
        device: @escaping (NodeID) -> Device?, activity: @escaping (NodeID) -> Activity,
        hotspots: @escaping () -> [Hotspot],
        verifyVRF: @escaping (VRFPublicKey, VRFProof, [UInt8]) -> VRFOutput?
    ) {
        self.epoch = epoch
        self.network = network
        self.parameters = parameters
        self.randomness = randomness
        self.evidence = evidence
        self.previousEvidence = previousEvidence
        self.earlierEvidence = earlierEvidence
        self.device = device
        self.activity = activity
        self.hotspots = hotspots
        self.verifyVRF = verifyVRF
    }
}

/// The verdicts of a block and what they change.
public struct JudgeOutcome: Equatable, Sendable {
    /// Ascending by epoch, tag, beaconer.
    public let verdicts: [BeaconVerdict]
    /// Those that changed, ascending by node.
    public let activities: [(id: NodeID, activity: Activity)]

    public static func == (left: JudgeOutcome, right: JudgeOutcome) -> Bool {
        left.verdicts == right.verdicts
            && left.activities.elementsEqual(right.activities) {
                $0.id == $1.id && $0.activity == $1.activity
            }
    }
}
