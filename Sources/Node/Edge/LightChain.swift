import Bytes
import Consensus
import Identity
import Ledger
import Rules
import Wire

/// The chain as far as an edge node follows it: final headers, and the committees that they name.
///
/// - A header is final when votes to finalize it, of more than two thirds of the weight of its epoch's committee, are
///   verified here. Nothing else is believed of anybody.
/// - Genesis fixes the first two committees. Every final header names the committee of the period after its own by its
///   digest, and whatever has that digest is that committee, whoever hands it over: so no proof of state is needed
///   for it, and a node that was away needs one header of every period that it missed, no more.
/// - R(e + 1) follows from the builder's VRF proof in the header of e.
/// - The header after the last one must name it as its parent, and R as it was reckoned. One that is final and does not
///   proves that more than a third of the committee is dishonest: the node stops.
struct LightChain {
    let network: Digest
    private let parameters: Digest
    private let committeeEpochs: UInt32
    /// Nil at genesis.
    private(set) var last: Header?
    /// Of the period of the last final header.
    private(set) var committee: Committee
    /// Of the period after that.
    private(set) var nextDigest: Digest
    /// Nil until somebody has handed it over.
    private(set) var next: Committee?
    /// R of the open epoch.
    private(set) var randomness: Digest

    /// Why a header cannot be the next one here, whoever voted for it.
    enum Fault: Error, Equatable {
        case notNewer
        case otherNetwork
        /// Beyond what the committees known here can vouch for.
        case tooFar
        /// The committee that it names is not the one of its epoch.
        case otherCommittee
        /// The committee of its epoch has to be fetched first.
        case needs(Digest)
        case builder
    }

    init(genesis: Genesis, network: Digest) {
        self.network = network
        parameters = genesis.parameters.digest
        committeeEpochs = genesis.parameters.committeeEpochs
        committee = genesis.committee
        nextDigest = committee.digest
        next = committee
        randomness = genesis.randomness1
    }

    var openEpoch: Epoch { (last?.epoch ?? 0) + 1 }

    func period(of epoch: Epoch) -> UInt64 { Ledger.period(of: epoch, committeeEpochs: committeeEpochs) }

    private var lastPeriod: UInt64 { period(of: last?.epoch ?? 0) }

    /// The newest epoch whose committee is known, at least by its digest.
    var reach: Epoch { (lastPeriod + 2) * Epoch(committeeEpochs) }

    /// Who decides the open epoch, as far as is known.
    var openCommittee: Committee { period(of: openEpoch) == lastPeriod ? committee : next ?? committee }

    /// The committee that a header of an epoch must be final by.
    private func committee(for epoch: Epoch) throws(Fault) -> Committee {
        switch period(of: epoch) {
        case lastPeriod: return committee
        case lastPeriod + 1:
            guard let next else { throw .needs(nextDigest) }
            return next
        default: throw .tooFar
        }
    }

    /// Everything of a header that needs no signature; returns who must have voted for it.
    func examine(_ header: Header) throws(Fault) -> Committee {
        guard header.network == network, header.parameters == parameters else { throw .otherNetwork }
        guard header.epoch >= openEpoch else { throw .notNewer }
        guard header.epoch <= reach else { throw .tooFar }
        let committee = try committee(for: header.epoch)
        guard header.committee == committee.digest else { throw .otherCommittee }
        guard committee.index(of: header.builder) != nil else { throw .builder }
        return committee
    }

    /// What a worker checks to know R of the epoch after a header that was examined.
    func randomnessCheck(of header: Header, in committee: Committee) -> Check {
        let alpha = Randomness.alpha(network: network, epoch: header.epoch, randomness: header.randomness)
        let seat = committee.index(of: header.builder)!
        return .vrf(committee.seats[seat].vrfKey, alpha: alpha, header.randomnessProof)
    }

    /// What workers check of a page of votes for a header; nil if they are for something else.
    func checks(of page: VotesPage, for header: Header, in committee: Committee) -> [Check]? {
        guard case .finalize(let epoch, let view, let digest) = page.ballot, view > 0,
            isRemoved(.edgeVotesOfHeader) || epoch == header.epoch && digest == header.digest,
            page.entries.allSatisfy({ Int($0.voter) < committee.seats.count })
        else { return nil }
        let preimage = SigningDomain.vote.preimage(network: network, message: page.ballot.encoded())
        if isRemoved(.edgeVoteSignatures) { return [] }
        return page.entries.map {
            .signature(committee.seats[Int($0.voter)].key, preimage: preimage, $0.signature)
        }
    }

    /// Whether seats, ascending, weigh more than two thirds.
    func isQuorum(_ voters: Set<UInt16>, of committee: Committee) -> Bool {
        voters.reduce(UInt64(0)) { $0 + committee.seats[Int($1)].weight }
            >= (isRemoved(.edgeQuorum) ? 1 : committee.quorum)
    }

    /// Whether a header that is final contradicts what was final before.
    func contradicts(_ header: Header) -> Bool {
        guard header.epoch == openEpoch else { return false }
        return header.parent != last?.digest ?? network || header.randomness != randomness
    }

    /// Takes a committee over, if it is the one that the last final header names.
    mutating func learn(_ committee: Committee) -> Bool {
        guard next == nil, isRemoved(.edgeCommittees) || committee.digest == nextDigest else { return false }
        next = committee
        return true
    }

    /// A header is final: the epoch after it is open.
    mutating func advance(to header: Header, _ committee: Committee, output: VRFOutput) {
        precondition(header.epoch >= openEpoch)
        let known = [committee, next]
        last = header
        self.committee = committee
        nextDigest = header.nextCommittee
        next = known.compactMap { $0 }.first { $0.digest == header.nextCommittee }
        randomness = Randomness.next(after: header.randomness, output: output, epoch: header.epoch)
    }

    // MARK: Remembering

    /// From what an edge node remembers.
    init(genesis: Genesis, network: Digest, record: EdgeRecord) throws(BootFault) {
        self.init(genesis: genesis, network: network)
        guard let header = record.last else { return }
        let alpha = Randomness.alpha(network: network, epoch: header.epoch, randomness: header.randomness)
        guard header.network == network, header.committee == record.committee.digest,
            let seat = record.committee.index(of: header.builder),
            let output = record.committee.seats[seat].vrfKey.verify(
                header.randomnessProof, alpha: alpha.octetBytes),
            record.next.map({ $0.digest == header.nextCommittee }) ?? true
        else { throw .damaged("the header that the node followed to") }
        next = record.next
        advance(to: header, record.committee, output: output)
    }
}

/// What an edge node must remember of the chain.
struct EdgeRecord: Canonical, Hashable, Sendable {
    let last: Header?
    let committee: Committee
    let next: Committee?
    /// The own device, as the registry had it after the block of `deviceEpoch`.
    let device: Device?
    let deviceEpoch: Epoch
    let neighbours: [Neighbour]

    init(
        last: Header?, committee: Committee, next: Committee?, device: Device?, deviceEpoch: Epoch,
        neighbours: [Neighbour] = []
    ) {
        self.last = last
        self.committee = committee
        self.next = next
        self.device = device
        self.deviceEpoch = deviceEpoch
        self.neighbours = neighbours
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        last = try reader.option()
        committee = try Committee(from: &reader)
        next = try reader.option()
        device = try reader.option()
        deviceEpoch = try reader.integer()
        // Records of earlier versions end here.
        neighbours = reader.remaining > 0 ? try reader.list(max: Neighbours.countMax) : []
    }

    func encode(to writer: inout ByteWriter) {
        writer.option(last)
        committee.encode(to: &writer)
        writer.option(next)
        writer.option(device)
        writer.integer(deviceEpoch)
        writer.list(neighbours)
    }
}
