public import Bytes
public import Identity
public import Wire

/// What a validator must never forget, lest it contradict its own signatures after a restart.
///
/// The host stores the newest one durably before anything that the same step says leaves the machine. Votes
/// below both the current view and the highest notarization are left out: no rule can sign there again.
public struct SafetyState: Canonical, Hashable, Sendable {
    /// Views spoken of at once, and all that there can be without one notarization: they last for days (`Round.backedOff`).
    public static let viewsMax = 4_096

    /// Own votes of one view, with the proposal that they or a certificate are about.
    public struct ViewRecord: Canonical, Hashable, Sendable {
        public let view: View
        public let notarized: Digest?
        public let isNullified: Bool
        public let finalized: Digest?
        /// Without its justification: that is made anew from the certificates.
        public let proposal: Proposal?
        public let notarization: Certificate?
        public let nullification: Certificate?

        init(view: View, slot: Slot) {
            self.view = view
            notarized = slot.notarized
            isNullified = slot.isNullified
            finalized = slot.finalized
            let isCertified = slot.notarization != nil
            proposal = slot.notarized != nil || isCertified ? slot.proposal : nil
            notarization = slot.notarization
            nullification = slot.nullification
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            view = try reader.integer()
            notarized = try reader.option()
            isNullified = try reader.bool()
            finalized = try reader.option()
            proposal = try reader.option()
            notarization = try reader.option()
            nullification = try reader.option()
            guard view > 0, proposal?.view ?? view == view, notarization?.ballot.view ?? view == view,
                nullification?.ballot.view ?? view == view
            else { throw .nonCanonical }
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(view)
            writer.option(notarized)
            writer.bool(isNullified)
            writer.option(finalized)
            writer.option(proposal)
            writer.option(notarization)
            writer.option(nullification)
        }
    }

    public let epoch: Epoch
    public let view: View
    /// Ascending by view.
    public let records: [ViewRecord]
    /// The newest header that is final here: of this epoch or of an earlier one.
    public let lastFinal: FinalHeader?

    init(epoch: Epoch, view: View, records: [ViewRecord], lastFinal: FinalHeader?) {
        self.epoch = epoch
        self.view = view
        self.records = Array(records.suffix(Self.viewsMax))
        self.lastFinal = lastFinal
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        epoch = try reader.integer()
        view = try reader.integer()
        records = try reader.list(max: Self.viewsMax)
        lastFinal = try reader.option()
        for place in records.indices.dropFirst() where records[place - 1].view >= records[place].view {
            throw .nonCanonical
        }
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(epoch)
        writer.integer(view)
        writer.list(records)
        writer.option(lastFinal)
    }
}
