public import Bytes
public import Chance
public import Identity
public import Wire

public struct Transmission: Sendable { public let payload: [UInt8]; public let frequency: UInt32; public let dataRate: DataRate; public let power: Int16 }
public struct CoverageState: Canonical, Sendable {
    public init(from reader: inout ByteReader) throws(DecodeError) {}
    public func encode(to writer: inout ByteWriter) {}
}
public struct CoverageMachine: Sendable {
    public struct Settings: Sendable { public init(network: Digest, parameters: Parameters) {} }
    public enum Event: Sendable {
        case opened(epoch: Epoch, randomness: Digest, device: (DeviceKind, DeviceVersion)?), heard(payload: [UInt8], Measurement), transmitted(power: Int16?), final(epoch: Epoch, includesOwnBundle: Bool), woke
    }
    public enum Action: Sendable { case transmit(Transmission), persist(CoverageState), makeBundle(Bundle) }
    public init(settings: Settings, node: NodeID, vrfKey: VRFKey, chance: Chance, restored: CoverageState?) {}
    public var deadline: Instant { .never }
    public var counters: [(name: String, value: UInt64)] { [] }
    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {}
}
public struct JudgeInput {
    public init(epoch: Epoch, network: Digest, parameters: Parameters, randomness: @escaping (Epoch) -> Digest?, evidence: [EvidenceEntry], previousEvidence: [EvidenceEntry], earlierEvidence: [EvidenceEntry], device: @escaping (NodeID) -> Device?, activity: @escaping (NodeID) -> Activity, hotspots: @escaping () -> [(id: NodeID, device: Device)], verifyVRF: @escaping (VRFPublicKey, VRFProof, [UInt8]) -> VRFOutput?) {}
}
public struct JudgeOutcome: Sendable { public let verdicts: [BeaconVerdict]; public let activities: [(NodeID, Activity)] }
public enum Judge { public static func judge(_ input: JudgeInput) -> JudgeOutcome { JudgeOutcome(verdicts: [], activities: []) } }
