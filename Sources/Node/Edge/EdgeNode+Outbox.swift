import Bytes
import Chance
import Coverage
import Identity
import Rules
import Wire

/// The own bundle of the open epoch on its way to validators.
struct Outbox {
    struct Push {
        let node: NodeID
        var nextAt: Instant
        /// When it was first sent there.
        var since: Instant?
        var attempts = 0
        /// Nil until the validator has said something.
        var standing: BundleStanding?

        /// Nothing more to do here.
        var isDone: Bool { standing == .held || standing == .refused }
    }

    let id: Digest
    /// One for each datagram.
    let frames: [Frame]
    var pushes: [Push]
    /// When somebody else is asked for it.
    var checkAt: Instant
    /// Who was asked, and until when an answer is waited for.
    var check: (node: NodeID, until: Instant)?
    var checked: [NodeID] = []
    /// Somebody to whom it was not given has it.
    var isSpread = false

    var deadline: Instant {
        if isSpread { return .never }
        let next = pushes.lazy.filter { !$0.isDone }.map(\.nextAt).min() ?? .never
        return min(next, check?.until ?? checkAt)
    }
}

/// Handing in the bundle.
///
/// - Upon the bundle at 75 %: durable, then to three uplinks, each some 3 % of the window later by chance.
/// - Upon no receipt: again after 1 s, 2 s, … a 16th of the window, and after two in vain to one more validator.
/// - At 80 %: a validator that it was not given to is asked for it. It has it: done. It has not: it gets it, and so does
///   one more; who kept it to itself is noted and left alone. Looked at again a 16th of the window later.
/// - Upon the end of the epoch, however it ended: done; what was not included is in the next bundle.
extension EdgeNode {
    /// Validators that are given one bundle, at most.
    static let pushesMax = 8
    static let checksMax = 4
    static let pushPauseMin: Duration = .seconds(1)

    func handIn(_ unsigned: Bundle, _ actions: inout [NodeAction]) {
        guard unsigned.epoch == chain.openEpoch, ownBundle?.epoch != unsigned.epoch else { return }
        // A copy of this store may be signing others.
        guard unsigned.epoch >= settings.votesFrom else { return }
        let bundle = unsigned.signed(by: key, network: network)
        ownBundle = bundle
        count(.bundlesSigned)
        actions.append(.persist(.outbox(bundle)))
    }

    func startOutbox(_ bundle: Bundle, at now: Instant) {
        let octets = Message.handIn(bundle).encoded()
        let message = Digest(of: octets)
        let size = Chunk.byteCountMax
        let pieces = (octets.count + size - 1) / size
        let frames: [Frame] =
            octets.count <= Frame.messageByteCountMax
            ? [.message(octets)]
            : (0..<pieces).map { index in
                .chunk(
                    Chunk(
                        message: message, index: UInt16(index), count: UInt16(pieces),
                        octets: Array(octets[(index * size)..<min((index + 1) * size, octets.count)])))
            }
        uplinks.fill(at: now)
        let spread = window * 3 / 100
        let pushes = uplinks.chosen.map {
            Outbox.Push(node: $0, nextAt: now + chance.duration(in: .zero...spread))
        }
        let check = max(openedAt + window * 80 / 100, now + spread + patience / 4)
        outbox = Outbox(
            id: bundle.id, frames: frames, pushes: pushes,
            checkAt: check + chance.duration(in: .zero...(window / 100)))
    }

    func runOutbox(at now: Instant, _ actions: inout [NodeAction]) {
        if outbox == nil, let ownBundle, ownBundle.epoch == chain.openEpoch {
            startOutbox(ownBundle, at: now)
        }
        guard let deadline = outbox?.deadline, deadline <= now else { return }
        for place in outbox!.pushes.indices {
            let push = outbox!.pushes[place]
            guard !push.isDone, push.nextAt <= now else { continue }
            send(push, place, at: now, &actions)
        }
        if let check = outbox!.check {
            if check.until <= now {
                outbox!.check = nil
                uplinks.failed(check.node, at: now)
                askForOwn(at: now, &actions)
            }
        } else if outbox!.checkAt <= now {
            askForOwn(at: now, &actions)
        }
        if outbox!.pushes.isEmpty { giveToOneMore(at: now) }
    }

    private func send(
        _ push: Outbox.Push, _ place: Int, at now: Instant, _ actions: inout [NodeAction]
    ) {
        let pause = min(
            Self.pushPauseMin * (1 << min(push.attempts, 10)), max(window / 16, .milliseconds(500)))
        outbox!.pushes[place].attempts += 1
        outbox!.pushes[place].since = push.since ?? now
        outbox!.pushes[place].nextAt = now + pause / 2 + chance.duration(in: .zero...pause)
        outbox!.pushes[place].standing = nil
        if push.attempts == 2 {
            uplinks.failed(push.node, at: now)
            giveToOneMore(at: now)
        }
        guard let destination = uplinks.destination(of: push.node) else { return }
        var frames = outbox!.frames
        if case .partial(let pieces) = push.standing {
            frames = frames.indices.filter { pieces >> UInt16($0) & 1 == 0 }.map { frames[$0] }
        } else if frames.count > 1, push.attempts > 0 {
            // Which of the pieces got there? Whoever has none asks for all.
            return ask(.bundle(outbox!.id), destination, &actions)
        }
        say(frames, to: destination, &actions)
    }

    private func giveToOneMore(at now: Instant) {
        guard outbox!.pushes.count < Self.pushesMax,
            let node = uplinks.stranger(to: outbox!.pushes.map(\.node), at: now)
        else { return }
        outbox!.pushes.append(Outbox.Push(node: node, nextAt: now))
    }

    private func askForOwn(at now: Instant, _ actions: inout [NodeAction]) {
        let known = outbox!.pushes.map(\.node) + outbox!.checked
        guard !isRemoved(.edgeAsksOthers), outbox!.checked.count < Self.checksMax,
            let node = uplinks.stranger(to: known, at: now),
            let destination = uplinks.destination(of: node)
        else { return outbox!.checkAt = .never }
        outbox!.checked.append(node)
        outbox!.check = (node, now + patience)
        ask(.bundle(outbox!.id), destination, &actions)
    }

    func receive(
        _ standing: BundleStanding, of id: Digest, from sender: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard outbox?.id == id else { return count(.unasked) }
        if outbox!.check?.node == sender {
            outbox!.check = nil
            outbox!.checkAt = now + window / 16
            if standing == .held { return outbox!.isSpread = true }
            return missed(by: sender, at: now, &actions)
        }
        guard let place = outbox!.pushes.firstIndex(where: { $0.node == sender && !$0.isDone }) else {
            return count(.unasked)
        }
        outbox!.pushes[place].standing = standing
        switch standing {
        case .held: break
        case .refused: count(.refused)
        case .unknown, .partial:
            // What it has not is sent at once the first time, and later only when it is due.
            if outbox!.pushes[place].attempts == 2 { outbox!.pushes[place].nextAt = now }
        }
    }

    /// A validator that must have the bundle by now has not: those it was given to did not pass it on.
    private func missed(by sender: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        for push in outbox!.pushes {
            guard let since = push.since, push.attempts > 1 || push.standing == .held,
                now - since >= patience
            else { continue }
            count(.silentUplinks)
            uplinks.failed(push.node, at: now)
            actions.append(.notice(.uplinkSilent(push.node, chain.openEpoch)))
        }
        if outbox!.pushes.count < Self.pushesMax {
            outbox!.pushes.append(Outbox.Push(node: sender, nextAt: now))
        }
        giveToOneMore(at: now)
    }
}
