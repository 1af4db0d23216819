import Bytes
import Chance
import Identity
import Wire

/// The operator's bootstrap list without this node's own entry: whose word says which of two certified chains is the
/// network's.
struct Listed {
    /// So many of them must say the same; of a shorter list all.
    static let neededMax = 3

    /// In the list's order, each once.
    private(set) var nodes: [NodeID] = []
    /// Those whose place is known: names are looked up by and by. A node may be listed at several.
    private var places: [NodeID: [Endpoint]] = [:]
    /// Whether this node's own entry is there.
    private let isOwnListed: Bool

    /// - Parameter all: Everybody on the list, found or not: a list must not become shorter because a resolver is down.
    init(_ placed: [(NodeID, Endpoint)], all: [NodeID], own: NodeID) {
        let everybody = placed.map(\.0) + all
        isOwnListed = everybody.contains(own)
        for node in everybody where node != own && places[node] == nil {
            nodes.append(node)
            places[node] = []
        }
        for (node, place) in placed where node != own { places[node]!.append(place) }
    }

    func contains(_ node: NodeID) -> Bool { places[node] != nil }

    func place(of node: NodeID, turn: Int) -> Endpoint? {
        guard let known = places[node], !known.isEmpty else { return nil }
        return known[turn % known.count]
    }

    var needed: Int { min(Self.neededMax, nodes.count) }

    /// How many others make as many with this node's own word: where the question is who else is at its last block. So one
    /// of a list of four may be down.
    var neededBeside: Int {
        let own = isOwnListed ? 1 : 0
        return min(Self.neededMax, nodes.count + own) - own
    }

    /// Where nobody is listed nobody is believed.
    func isEnough(_ words: Set<NodeID>, of needed: Int) -> Bool { !words.isEmpty && words.count >= needed }
}

/// What the nodes of the bootstrap list say about one header.
struct Vouching {
    /// Asked at one time: each may cost a handshake, and lists may be long.
    static let askedMax = 16
    static let pauseMin: Duration = .seconds(1)
    static let pauseMax: Duration = .seconds(8)
    /// What somebody said so long ago is asked again.
    static let wordsLast: Duration = .seconds(60)

    let epoch: Epoch
    let header: Digest
    private(set) var agreeing: Set<NodeID> = []
    private(set) var denying: Set<NodeID> = []
    private(set) var askAgainAt: Instant
    private var began: Instant
    private var pause = Self.pauseMin
    private var turn = 0

    init(_ header: Header, at now: Instant) {
        epoch = header.epoch
        self.header = header.digest
        askAgainAt = now
        began = now
    }

    mutating func note(_ digest: Digest?, by node: NodeID) {
        if digest == header { agreeing.insert(node) } else { denying.insert(node) }
    }

    /// Whom to ask now: by turns, those who have said nothing yet.
    mutating func next(of listed: Listed, at now: Instant) -> [(node: NodeID, turn: Int)] {
        if began + Self.wordsLast <= now {
            began = now
            agreeing = []
            denying = []
        }
        askAgainAt = now + pause
        pause = min(pause * 2, Self.pauseMax)
        let silent = listed.nodes.filter { !agreeing.contains($0) && !denying.contains($0) }
        guard !silent.isEmpty else { return [] }
        let first = turn
        turn += min(Self.askedMax, silent.count)
        return (first..<turn).map { (silent[$0 % silent.count], $0 / silent.count) }
    }
}

/// - Upon a header that needs vouching: everybody on the list is asked for the header of its epoch, peer or not, as an
///   edge node would ask.
/// - Upon an equal header of as many as are needed: it is the network's. Upon another one of as many, or if they are sixteen
///   epochs and more before it: it is not.
/// - Upon silence: asked again, after a pause that grows.
extension Node {
    func ask(_ vouching: Vouching, at now: Instant, _ actions: inout [NodeAction]) -> Vouching {
        var asked = vouching
        let question = Frame.message(Message.question(.follow(vouching.epoch)).encoded())
        for (node, turn) in asked.next(of: listed, at: now) {
            guard let place = endpoints[node] ?? listed.place(of: node, turn: turn) else { continue }
            send([question], to: Destination(node, place, opens: true), &actions)
        }
        return asked
    }

    /// What whoever was asked says. Nothing else that a node answers edge nodes is of use here.
    func hear(_ answer: Answer, from node: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard listed.contains(node), !isHalted else { return count(.unasked) }
        switch answer {
        case .header(let header, let head, _):
            guard let sync = snapshots.sync, case .vouching(let vouching) = sync.stage,
                vouching.epoch == header.epoch
            else { return hear(header, head: head, ofDoubtedBy: node, at: now, &actions) }
            vouch(header.digest, by: node, at: now, &actions)
        case .open(let head, _):
            guard let sync = snapshots.sync, case .vouching(let vouching) = sync.stage,
                vouching.epoch >= Snapshots.lagMin, head <= vouching.epoch - Snapshots.lagMin
            else { return count(.unasked) }
            // Else whoever signs further than the network has come is waited for, for as long as it likes.
            vouch(nil, by: node, at: now, &actions)
        default: count(.unasked)
        }
    }

    /// - Parameter digest: Nil where there is no such block yet, nor will be soon.
    private func vouch(
        _ digest: Digest?, by node: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let sync = snapshots.sync, case .vouching(var vouching) = sync.stage else { return }
        vouching.note(digest, by: node)
        snapshots.sync!.stage = .vouching(vouching)
        if listed.isEnough(vouching.agreeing, of: listed.needed) {
            snapshots.sync!.vouched = vouching.epoch
            actions.append(.notice(.snapshot(.trustsBootstrap(vouching.agreeing.count))))
            fetchState(at: now, &actions)
        } else if listed.isEnough(vouching.denying, of: listed.needed) {
            snapshots.sync!.stage = .following
            followAnew(
                without: sync.lastGiver, "a chain that the bootstrap list does not know", at: now, &actions)
        }
    }
}
