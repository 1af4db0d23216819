public import Bytes
public import Chance
public import Identity
public import Wire

public struct SignatureCheck: Sendable { public let key: NodeID; public let preimage: [UInt8]; public let signature: Signature }
extension Certificate {
    public func hasQuorum(in committee: Committee) -> Bool { false }
    public func checks(in committee: Committee, network: Digest) -> [SignatureCheck]? { nil }
}
extension Proposal { public func checks(in committee: Committee, network: Digest) -> [SignatureCheck]? { nil } }
extension Vote { public func checks(network: Digest) -> [SignatureCheck]? { nil } }
public struct SafetyState: Canonical, Sendable {
    public init(from reader: inout ByteReader) throws(DecodeError) {}
    public func encode(to writer: inout ByteWriter) {}
}
public struct Simplex: Sendable {
    public struct Settings: Sendable { public init(network: Digest, delta: Duration) {} }
    public struct Instance: Sendable { public init(epoch: Epoch, committee: Committee, leaders: [Int], subjectiveViews: View) {} }
    public enum Judgement: Sendable { case valid, objectivelyInvalid, subjectivelyRejected }
    public enum Event: Sendable {
        case open(Instance, windowEnds: Instant), vote(Vote), certificate(Certificate), proposal(Proposal), summary(Summary, from: NodeID)
        case proposalRequested(epoch: Epoch, view: View, from: NodeID), built(epoch: Epoch, view: View, Header), judged(epoch: Epoch, digest: Digest, Judgement), gathered, woke
    }
    public enum Action: Sendable {
        case persist(SafetyState), broadcast(Message), send(NodeID, Message), build(Epoch, View), evaluate(Header, Epoch, View, subjective: Bool), began(Epoch), finalised(FinalHeader), alarm(String)
    }
    public struct Status { public var view: View; public var waitsFor: String }
    public init(settings: Settings, signer: SigningKey, chance: Chance, restored: SafetyState?) {}
    public static func leaders(of committee: Committee, randomness: Digest) -> [Int] { [] }
    public static func subjectiveViews(of committee: Committee, leaders: [Int]) -> View { 1 }
    public var deadline: Instant { .never }
    public var status: Status { Status(view: 0, waitsFor: "") }
    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {}
}
