public import Bytes
public import Chance
internal import Wire

/// One wire format, without its type: for tests that treat all alike.
public struct Format: Sendable, CustomStringConvertible {
    public let name: String
    /// The encoding of a value made up from chance.
    public let sample: @Sendable (inout Chance) -> [UInt8]
    /// What the decoded value would be written as.
    public let rewrite: @Sendable ([UInt8]) throws(DecodeError) -> [UInt8]
    /// Whether a value made up from chance survives being written and read.
    public let survives: @Sendable (inout Chance) throws(DecodeError) -> Bool

    public var description: String { name }

    public init<Value: Sample>(_ type: Value.Type) {
        name = "\(type)"
        sample = { chance in Value.any(from: &chance).encoded() }
        rewrite = { bytes throws(DecodeError) in try Value(decoding: bytes).encoded() }
        survives = { chance throws(DecodeError) in
            let value = Value.any(from: &chance)
            return try Value(decoding: value.encoded()) == value
        }
    }

    /// The one format that is no `Canonical`, since it ends where its datagram ends.
    private init(payload: Void) {
        name = "Payload"
        sample = { chance in Payload.any(from: &chance).encoded() }
        rewrite = { bytes throws(DecodeError) in try Payload(decoding: bytes.octetBytes).encoded() }
        survives = { chance throws(DecodeError) in
            let value = Payload.any(from: &chance)
            return try Payload(decoding: value.encoded().octetBytes) == value
        }
    }

    public static let all: [Format] = [
        Format(Tag.self), Format(DataRate.self), Format(Region.self), Format(Measurement.self),
        Format(WitnessReport.self), Format(Reveal.self), Format(Reading.self), Format(Bundle.self),
        Format(EvidenceEntry.self), Format(EvidenceSummary.self), Format(EvidenceItem.self),
        Format(Reason.self), Format(Side.self), Format(ReportVerdict.self), Format(BeaconVerdict.self),
        Format(Activity.self),
        Format(Header.self), Format(Ballot.self), Format(Vote.self), Format(Certificate.self),
        Format(Proposal.self), Format(Seat.self), Format(Committee.self), Format(Body.self),
        Format(Block.self), Format(FinalHeader.self),
        Format(DeviceKind.self), Format(RadioProfile.self), Format(Consent.self), Format(Location.self),
        Format(TransactionKind.self), Format(Transaction.self), Format(DensityRow.self),
        Format(Parameters.self), Format(GenesisAccount.self), Format(GenesisDevice.self),
        Format(GenesisValidator.self), Format(Genesis.self), Format(StateKey.self), Format(Account.self),
        Format(DeviceVersion.self), Format(Device.self), Format(ValidatorVersion.self),
        Format(Validator.self), Format(Totals.self), Format(Reward.self),
        Format(Endpoint.self), Format(Roles.self), Format(NodeRecord.self), Format(Summary.self),
        Format(Contents.self), Format(TransactionFault.self), Format(TransactionStatus.self),
        Format(MerkleProof.self), Format(VotesPage.self), Format(BundleStanding.self), Format(Question.self),
        Format(Answer.self), Format(Neighbour.self),
        Format(ListRequest.self), Format(ListCells.self), Format(ReconciliationFrame.self),
        Format(StatePlace.self), Format(StatePart.self),
        Format(SnapshotQuestion.self), Format(SnapshotAnswer.self),
        Format(Message.self), Format(ShortID.self), Format(Chunk.self), Format(Frame.self),
        Format(Rendezvous.self),
        Format(payload: ()),
    ]
}
