internal import Bytes
internal import Chance
internal import Consensus
internal import Identity
internal import Wire

/// The actor of a behaviour, with chance of its own.
func adversary(_ behaviours: [Byzantine.Behaviour], chance: Chance) -> any Adversary {
    var chance = chance
    let actors = behaviours.map { adversary($0, chance: chance.split()) }
    return actors.count == 1 ? actors[0] : Several(actors)
}

func adversary(_ behaviour: Byzantine.Behaviour, chance: Chance) -> any Adversary {
    switch behaviour {
    case .equivocator: Equivocator()
    case .doubleVoter: DoubleVoter(chance: chance)
    case .nullifyAndFinalizer: NullifyAndFinalizer()
    case .silentLeader: SilentLeader()
    case .censoringLeader: CensoringLeader(chance: chance)
    case .flooder: Flooder(chance: chance)
    case .evidenceLiar: EvidenceLiar(chance: chance)
    case .falseVerdicts: FalseVerdicts(chance: chance)
    case .replayer: Replayer(chance: chance)
    case .eclipser: Eclipser(chance: chance)
    case .recordForger: RecordForger(chance: chance)
    case .twins: Twin()
    case .radioRelay: RadioRelay()
    case .radioSpoofer: RadioSpoofer(chance: chance)
    case .oversizedLeader: OversizedLeader()
    case .forker: Forker(isFalse: false)
    case .falseForker: Forker(isFalse: true)
    case .forger: Forger(chance: chance)
    case .lyingUplink: LyingUplink(chance: chance)
    case .hoardingUplink: HoardingUplink()
    case .introducer: Introducer()
    case .snapshotLiar: SnapshotLiar(chance: chance)
    case .torrent: Torrent(chance: chance)
    case .floodingNeighbour: FloodingNeighbour(chance: chance)
    case .chunkForger: ChunkForger(chance: chance)
    case .sketchForger: SketchForger(chance: chance)
    case .itemGrinder: ItemGrinder(chance: chance)
    case .listForger: ListForger(chance: chance)
    case .mangler: Mangler(chance: chance)
    case .bodyForger: BodyForger(chance: chance)
    case .lateLeader: LateLeader(chance: chance)
    case .unstakingCensor: UnstakingCensor()
    case .thirdBundle: ThirdBundle(chance: chance)
    case .usurper: Usurper(chance: chance)
    case .accountOpener: AccountOpener(chance: chance)
    case .certificateForger: CertificateForger(chance: chance)
    }
}

/// One frame on its way, and the message that it is or belongs to, if it is one.
struct Piece {
    let frame: Frame
    let endpoint: Endpoint
    let message: Message?
}

/// Reads the messages out of datagrams, whole or in chunks.
///
/// Chunks are held back until their message is understood, so that an actor decides about messages and not
/// about parts of them.
struct Wiretap {
    private struct Assembly {
        let digest: Digest
        var pieces: [[UInt8]?]
        var held: [(Chunk, Endpoint)]
    }

    /// Messages of more chunks pass unread.
    static let chunksMax = 256
    static let assembliesMax = 16
    static let heldMax = 1_024
    static let knownMax = 64

    private var assemblies: [Assembly] = []
    private var known: [(digest: Digest, message: Message)] = []

    /// The datagram's frames that are ready, in their order, and those that it made ready.
    mutating func read(_ datagram: Datagram, at endpoint: Endpoint) -> [Piece] {
        var pieces: [Piece] = []
        for frame in datagram.frames {
            switch frame {
            case .message(let octets):
                pieces.append(
                    Piece(frame: frame, endpoint: endpoint, message: try? Message(decoding: octets)))
            case .chunk(let chunk): pieces += read(chunk, at: endpoint)
            default: pieces.append(Piece(frame: frame, endpoint: endpoint, message: nil))
            }
        }
        return pieces
    }

    private mutating func read(_ chunk: Chunk, at endpoint: Endpoint) -> [Piece] {
        let unread = [Piece(frame: .chunk(chunk), endpoint: endpoint, message: nil)]
        if let message = known.first(where: { $0.digest == chunk.message })?.message {
            return [Piece(frame: .chunk(chunk), endpoint: endpoint, message: message)]
        }
        guard Int(chunk.count) <= Self.chunksMax else { return unread }
        let place: Int
        if let found = assemblies.firstIndex(where: { $0.digest == chunk.message }) {
            place = found
        } else {
            if assemblies.count == Self.assembliesMax { assemblies.removeFirst() }
            place = assemblies.count
            assemblies.append(
                Assembly(
                    digest: chunk.message, pieces: Array(repeating: nil, count: Int(chunk.count)), held: []))
        }
        guard assemblies[place].pieces.count == Int(chunk.count), assemblies[place].held.count < Self.heldMax
        else { return unread }
        assemblies[place].pieces[Int(chunk.index)] = chunk.octets
        assemblies[place].held.append((chunk, endpoint))
        guard assemblies[place].pieces.allSatisfy({ $0 != nil }) else { return [] }
        let assembly = assemblies.remove(at: place)
        let octets = assembly.pieces.flatMap { $0 ?? [] }
        let isWhole = Digest(of: octets) == assembly.digest
        let message = isWhole ? try? Message(decoding: octets) : nil
        if let message {
            if known.count == Self.knownMax { known.removeFirst() }
            known.append((assembly.digest, message))
        }
        return assembly.held.map { Piece(frame: .chunk($0.0), endpoint: $0.1, message: message) }
    }
}

extension Scene {
    var id: NodeID { ids[host] }

    /// Which of two halves of the network is here, the same for every actor.
    func half(of endpoint: Endpoint) -> Int { (endpoints.firstIndex(of: endpoint) ?? Int(endpoint.port)) % 2 }

    func peers(inHalf half: Int) -> [Endpoint] {
        peers.map(\.1).filter { self.half(of: $0) == half }
    }

    /// Sends what is left of a datagram, packed anew.
    mutating func send(_ pieces: [Piece]) {
        var frames: [Frame] = []
        var size = 0
        for (index, piece) in pieces.enumerated() {
            let octets = piece.frame.encoded().count
            let isElsewhere = index > 0 && pieces[index - 1].endpoint != piece.endpoint
            let isFull = size + octets > Datagram.byteCountMax - Self.headByteCount
            if !frames.isEmpty, isElsewhere || isFull || frames.count == Datagram.framesMax {
                send(frames, to: pieces[index - 1].endpoint)
                (frames, size) = ([], 0)
            }
            frames.append(piece.frame)
            size += octets
        }
        if let last = pieces.last { send(frames, to: last.endpoint) }
    }

    private static let headByteCount = 4 + 8 + 32

    mutating func send(_ message: Message, to endpoints: [Endpoint]) {
        for endpoint in endpoints { send(message, to: endpoint) }
    }

    mutating func sendToAll(_ message: Message) { send(message, to: peers.map(\.1)) }

    func vote(_ ballot: Ballot) -> Message { .vote(Vote(ballot, by: key, network: network)) }

    /// The proposal with another header, signed as this host's.
    func proposal(_ proposal: Proposal, with header: Header) -> Proposal {
        Proposal(
            view: proposal.view, parentView: proposal.parentView, header: header,
            justification: proposal.justification,
            vote: Vote(.notarize(header.epoch, proposal.view, header.digest), by: key, network: network))
    }

    /// A bundle of this host with content that nobody measured.
    func inventedBundle(_ chance: inout Chance) -> Bundle {
        let readings = [Reading(sequence: chance.bits(), kind: 1, value: Int64(chance.below(1_000)))]
        return Bundle(
            author: id, epoch: openEpoch, ownTag: Tag(chance.bits()), reports: [], readings: readings
        )
        .signed(by: key, network: network)
    }
}

extension Chance {
    mutating func digest() -> Digest { Digest(of: octets(8)) }

    mutating func ids(_ count: Int) -> [ShortID] { (0..<count).map { _ in ShortID(digest()) } }

    mutating func pick<Element>(_ list: [Element]) -> Element? {
        list.isEmpty ? nil : list[below(list.count)]
    }
}

/// The last things of a kind, at most so many.
struct Recent<Element> {
    let max: Int
    private(set) var list: [Element] = []
    private var next = 0

    init(max: Int) { self.max = max }

    mutating func add(_ element: Element) {
        if list.count < max { return list.append(element) }
        list[next] = element
        next = (next + 1) % max
    }
}

/// An epoch and a view.
struct Turn: Hashable {
    let epoch: Epoch
    let view: View

    init(_ epoch: Epoch, _ view: View) { (self.epoch, self.view) = (epoch, view) }

    init(_ proposal: Proposal) { self.init(proposal.header.epoch, proposal.view) }

    init(_ ballot: Ballot) { self.init(ballot.epoch, ballot.view) }
}
