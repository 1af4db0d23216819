import Bytes
import Chance
import Coverage
import Identity
import Rules
import Wire

/// The own bundle of the open epoch on its way to validators, or to neighbours that hand it on.
struct Outbox {
    struct Push {
        let node: NodeID
        var nextAt: Instant
        /// When it was first sent there.
        var since: Instant?
        var attempts = 0
        /// Nil until the validator has said something.
        var standing: BundleStanding?
        /// How many others have said that it kept the bundle to itself, in saying that they have it not.
        var accusers = 0

        /// Nothing more to do here.
        var isDone: Bool { standing == .held || standing == .refused }
    }

    let id: Digest
    /// One for each datagram.
    let frames: [Frame]
    var pushes: [Push]
    /// How many validators shall be given it: three, and one more for each that it was given to in vain. Who is not there
    /// when it should be added, because nobody is known or all are left alone, is added later.
    var wanted = Uplinks.count
    /// Neighbours, if it comes to that, and when it does.
    var handovers: [Push] = []
    var handOverAt: Instant
    /// When somebody else is asked for it.
    var checkAt: Instant
    /// Who was asked, and until when an answer is waited for.
    var check: (node: NodeID, until: Instant)?
    var checked: [NodeID] = []
    /// Somebody to whom it was not given says that it has it. Nobody else is asked then; but it is one word, and may be a
    /// lie: who has not answered is given the bundle as before.
    var isSpread = false

    /// A validator that it was given to has said what becomes of it.
    var isConfirmed: Bool { pushes.contains { $0.isDone } }

    var deadline: Instant {
        let next = pushes.lazy.filter { !$0.isDone }.map(\.nextAt).min() ?? .never
        let handover = handovers.lazy.filter { !$0.isDone }.map(\.nextAt).min() ?? .never
        let look = isSpread ? .never : check?.until ?? checkAt
        return min(min(next, look), isConfirmed ? .never : min(handover, handOverAt))
    }
}

/// Handing in the bundle.
///
/// - Upon the bundle at 75 %: durable, then to three uplinks, each some 3 % of the window later by chance; to three
///   validators also if all were silent and are left alone now, as they may be back before the window ends.
/// - Upon no receipt: again after 1 s, 2 s, … a 16th of the window, and after two in vain to one more validator.
/// - Whoever is missing of these, because nobody is known or all are left alone, gets it as soon as there is one.
/// - At 80 %: a validator that it was not given to is asked for it. It has it: no more are asked. It has not: it gets it, and
///   so does one more. Looked at again a 16th of the window later, also if there was nobody to ask. By the word of two that
///   have it not, who kept it to itself is noted and left alone: one alone could turn a node from all that are honest.
/// - At 85 %, if no validator has said that it holds it: to neighbours; see `EdgeNode+Neighbours.swift`.
/// - Upon the end of the epoch, however it ended: done; what was not included is in the next bundle.
extension EdgeNode {
    /// Validators that are given one bundle, at most.
    static let pushesMax = 8
    static let checksMax = 4
    /// Validators that must say to have it not before whoever was given it is left alone.
    static let accusersMin = 2
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

    /// A bundle that is handed in, one frame for each datagram.
    static func frames(of bundle: Bundle) -> [Frame] {
        let octets = Message.handIn(bundle).encoded()
        guard octets.count > Frame.messageByteCountMax else { return [.message(octets)] }
        let message = Digest(of: octets)
        let size = Chunk.byteCountMax
        let pieces = (octets.count + size - 1) / size
        return (0..<pieces).map { index in
            .chunk(
                Chunk(
                    message: message, index: UInt16(index), count: UInt16(pieces),
                    octets: Array(octets[(index * size)..<min((index + 1) * size, octets.count)])))
        }
    }

    func startOutbox(_ bundle: Bundle, at now: Instant) {
        let spread = window * 3 / 100
        let pushes = uplinks.recipients(at: now).map {
            Outbox.Push(node: $0, nextAt: now + chance.duration(in: .zero...spread))
        }
        let check = max(openedAt + window * 80 / 100, now + spread + patience / 4)
        let late = max(openedAt + window * Self.handOverPercent / 100, now + spread + patience / 2)
        outbox = Outbox(
            id: bundle.id, frames: Self.frames(of: bundle), pushes: pushes,
            handOverAt: late + neighbours.jitter(.zero...(window / 100)),
            checkAt: check + chance.duration(in: .zero...(window / 100)))
    }

    func runOutbox(at now: Instant, _ actions: inout [NodeAction]) {
        if outbox == nil, let ownBundle, ownBundle.epoch == chain.openEpoch {
            startOutbox(ownBundle, at: now)
        }
        if outbox != nil { findRecipients(at: now) }
        guard let deadline = outbox?.deadline, deadline <= now else { return }
        for place in outbox!.pushes.indices {
            var push = outbox!.pushes[place]
            guard !push.isDone, push.nextAt <= now else { continue }
            let isInVain = push.attempts == 2
            send(&push, to: uplinks.destination(of: push.node), at: now, &actions)
            outbox!.pushes[place] = push
            guard isInVain else { continue }
            uplinks.failed(push.node, at: now)
            giveToOneMore(at: now)
        }
        handOver(at: now, &actions)
        for place in outbox!.handovers.indices where !outbox!.isConfirmed {
            var push = outbox!.handovers[place]
            guard !push.isDone, push.nextAt <= now else { continue }
            let isInVain = push.attempts == 2
            send(&push, to: neighbours.destination(of: push.node), at: now, &actions)
            outbox!.handovers[place] = push
            guard isInVain else { continue }
            neighbours.failed(push.node, at: now)
            handToOneMore(at: now)
        }
        if let check = outbox!.check {
            if check.until <= now {
                outbox!.check = nil
                uplinks.failed(check.node, at: now)
                askForOwn(at: now, &actions)
            }
        } else if !outbox!.isSpread, outbox!.checkAt <= now {
            askForOwn(at: now, &actions)
        }
    }

    /// All of the bundle, or what of it is missing there, or the question what is.
    private func send(
        _ push: inout Outbox.Push, to destination: Destination?, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        let pause = min(
            Self.pushPauseMin * (1 << min(push.attempts, 10)), max(window / 16, .milliseconds(500)))
        let isFirst = push.attempts == 0
        let standing = push.standing
        push.attempts += 1
        push.since = push.since ?? now
        push.nextAt = now + pause / 2 + chance.duration(in: .zero...pause)
        push.standing = nil
        guard let destination else { return }
        var frames = outbox!.frames
        if case .partial(let pieces) = standing {
            frames = frames.indices.filter { pieces >> UInt16($0) & 1 == 0 }.map { frames[$0] }
        } else if frames.count > 1, !isFirst {
            // Which of the pieces got there? Whoever has none asks for all.
            return ask(.bundle(outbox!.id), destination, &actions)
        }
        say(frames, to: destination, &actions)
    }

    private func giveToOneMore(at now: Instant) {
        outbox!.wanted = min(outbox!.wanted + 1, Self.pushesMax)
        findRecipients(at: now)
    }

    /// Makes up the number of those that shall be given it, with whoever is known and not left alone now.
    private func findRecipients(at now: Instant) {
        while outbox!.pushes.count < outbox!.wanted,
            let node = uplinks.stranger(to: outbox!.pushes.map(\.node), at: now)
        {
            outbox!.pushes.append(Outbox.Push(node: node, nextAt: now))
        }
    }

    private func askForOwn(at now: Instant, _ actions: inout [NodeAction]) {
        let known = outbox!.pushes.map(\.node) + outbox!.checked
        guard !isRemoved(.edgeAsksOthers), outbox!.checked.count < Self.checksMax else {
            return outbox!.checkAt = .never
        }
        guard let node = uplinks.stranger(to: known, at: now), let destination = uplinks.destination(of: node)
        else {
            // Nobody else now: there may be somebody later in the window.
            return outbox!.checkAt = now + window / 16
        }
        outbox!.checked.append(node)
        outbox!.check = (node, now + patience)
        ask(.bundle(outbox!.id), destination, &actions)
    }

    func receive(
        _ standing: BundleStanding, of id: Digest, from sender: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        if let place = keeping.bundles.firstIndex(where: { $0.id == id }) {
            return receive(standing, ofKept: place, from: sender, at: now, &actions)
        }
        guard outbox?.id == id else { return count(.unasked) }
        if let place = outbox!.handovers.firstIndex(where: { $0.node == sender && !$0.isDone }) {
            return receive(standing, ofHandover: place, at: now, &actions)
        }
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
        case .held: askWhoIsNear(sender, &actions)
        case .refused: count(.refused)
        case .unknown, .partial:
            // What it has not is sent at once the first time, and later only when it is due.
            if outbox!.pushes[place].attempts == 2 { outbox!.pushes[place].nextAt = now }
        }
    }

    /// A validator that must have the bundle by now has not, as it says: those it was given to did not pass it on.
    private func missed(by sender: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        for place in outbox!.pushes.indices {
            let push = outbox!.pushes[place]
            guard let since = push.since, push.attempts > 1 || push.standing == .held,
                now - since >= patience
            else { continue }
            outbox!.pushes[place].accusers += 1
            guard push.accusers + 1 == Self.accusersMin else { continue }
            count(.silentUplinks)
            uplinks.failed(push.node, at: now)
            actions.append(.notice(.uplinkSilent(push.node, chain.openEpoch)))
        }
        // It may have been added meanwhile.
        if outbox!.pushes.count < Self.pushesMax, !outbox!.pushes.contains(where: { $0.node == sender }) {
            outbox!.wanted = min(outbox!.wanted + 1, Self.pushesMax)
            outbox!.pushes.append(Outbox.Push(node: sender, nextAt: now))
        }
        giveToOneMore(at: now)
    }
}
