internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Says nothing of consensus in the views that it leads.
struct SilentLeader: Adversary {
    private var wiretap = Wiretap()
    private var led = Recent<Turn>(max: 32)

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        let pieces = wiretap.read(datagram, at: endpoint)
        for case .proposal(let proposal) in pieces.compactMap(\.message)
        where proposal.vote.voter == scene.id && !led.list.contains(Turn(proposal)) {
            led.add(Turn(proposal))
        }
        scene.send(pieces.filter { !isSwallowed($0.message, scene.id) })
    }

    private func isSwallowed(_ message: Message?, _ id: NodeID) -> Bool {
        switch message {
        case .proposal(let proposal): proposal.vote.voter == id
        case .vote(let vote): vote.voter == id && led.list.contains(Turn(vote.ballot))
        case .summary(let summary): led.list.contains(Turn(summary.epoch, summary.view))
        default: false
        }
    }
}

/// Leaves one author's bundles out of its blocks: its node does not hear of them until it must, to follow
/// the others' blocks.
struct CensoringLeader: Adversary {
    private var chance: Chance
    private var wiretap = Wiretap()
    private(set) var victim: NodeID?
    private var hearsUntil = Instant.origin

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        let pieces = wiretap.read(datagram, at: endpoint)
        // A block of another leader names it: who never gets it falls behind and never leads again.
        for case .bundlesRequest in pieces.compactMap(\.message) { hearsUntil = scene.now + .seconds(1) }
        scene.send(pieces)
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        if victim == nil { victim = chance.pick(scene.ids.filter { $0 != scene.id }) }
        guard let victim, hearsUntil <= scene.now else { return true }
        var start = ByteWriter(capacity: 40)
        start.uleb128(0)
        victim.encode(to: &start)
        let prefix = start.bytes
        // Without its first chunk a message in chunks never becomes whole.
        return !datagram.frames.contains { frame in
            switch frame {
            case .message(let octets): octets.starts(with: prefix)
            case .chunk(let chunk): chunk.index == 0 && chunk.octets.starts(with: prefix)
            default: false
            }
        }
    }
}

/// Leaves unstakings out of its blocks: its node hears of none but in the blocks of others, which it follows.
struct UnstakingCensor: Adversary {
    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        // A transaction is never so large that it comes in chunks.
        !datagram.frames.contains { frame in
            guard case .message(let octets) = frame,
                case .transaction(let transaction) = try? Message(decoding: octets),
                case .unstake = transaction.kind
            else { return false }
            return true
        }
    }
}

/// Proposes blocks that follow from nothing, well signed, and votes for whatever anyone proposes.
struct FalseVerdicts: Adversary {
    private var chance: Chance
    private var outgoing = Wiretap()
    private var incoming = Wiretap()
    private var led = Recent<(turn: Turn, proposal: Proposal)>(max: 32)
    private var voted = Recent<Ballot>(max: 64)

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        let pieces = outgoing.read(datagram, at: endpoint)
        var kept: [Piece] = []
        for piece in pieces {
            switch piece.message {
            case .proposal(let proposal) where proposal.vote.voter == scene.id && proposal.parentView == 0:
                lead(proposal, piece, &scene)
            case .vote(let vote)
            where vote.voter == scene.id && vote.ballot.kind == .notarize
                && led.list.contains(where: { $0.turn == Turn(vote.ballot) }):
                break
            default: kept.append(piece)
            }
        }
        scene.send(kept)
    }

    private mutating func lead(_ proposal: Proposal, _ piece: Piece, _ scene: inout Scene) {
        if let known = led.list.first(where: { $0.turn == Turn(proposal) })?.proposal {
            // Once for all of a message's chunks.
            if case .chunk(let chunk) = piece.frame, chunk.index > 0 { return }
            return scene.send(.proposal(known), to: piece.endpoint)
        }
        var header = proposal.header
        if chance.happens(1, in: 2) {
            header.stateRoot = chance.digest()
        } else {
            header.verdictsRoot = chance.digest()
        }
        let other = scene.proposal(proposal, with: header)
        led.add((Turn(proposal), other))
        scene.sendToAll(.proposal(other))
        scene.sendToAll(.vote(other.vote))
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        for case .proposal(let proposal) in incoming.read(datagram, at: endpoint).compactMap(\.message) {
            let ballot = Ballot.notarize(proposal.header.epoch, proposal.view, proposal.header.digest)
            guard proposal.vote.voter != scene.id, !voted.list.contains(ballot) else { continue }
            voted.add(ballot)
            scene.sendToAll(scene.vote(ballot))
        }
        return true
    }
}
