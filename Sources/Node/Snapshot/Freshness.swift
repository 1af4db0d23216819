import Chance
import Identity
import Wire

/// Whether the last final block here is younger than stakes are bound: whoever voted since then still has them to lose.
///
/// - *Counted* is the time since the last block was committed, that before this life included: the driver stores the time of
///   day beside each final block.
/// - *Two clocks* count, and of what they say the longer time. The monotonic one cannot be set, and stands still while a
///   machine sleeps; the time of day goes on then, and can be set. So a clock set back makes nothing younger while a node
///   runs, and one set ahead makes it ask without need.
/// - *Not known* counts as too old: a store that does not tell, or a time of day before the one that it tells.
/// - *Also too old* it is once verified headers are further ahead than stakes are bound, whatever clocks say.
/// - *Not noticed* is a machine that starts with a clock which stands after the last block and yet far behind the time: it
///   takes what old keys sign until the clock is set; then it commits nothing more. Nor who is kept apart from everybody by
///   one that hands it the true chain more slowly than stakes are freed: it follows into its past.
struct Freshness {
    private struct Mark {
        let at: Instant
        /// Milliseconds since 1970; nil until the driver has told it.
        var wallTime: UInt64?
        let age: Duration
    }

    private let bound: Duration
    private var mark: Mark?
    /// Verified headers are too far ahead.
    private(set) var isOutrun = false

    init(_ parameters: Parameters, since: Duration?, at now: Instant) {
        bound = .milliseconds(Int64(parameters.epochMilliseconds)) * Int(parameters.unbondingEpochs)
        mark = since.map { Mark(at: now, wallTime: nil, age: $0) }
    }

    mutating func renew(at now: Instant, wallTime: UInt64) {
        mark = Mark(at: now, wallTime: wallTime == 0 ? nil : wallTime, age: .zero)
        isOutrun = false
    }

    mutating func outrun() { isOutrun = true }

    /// - Parameter wallTime: 0 where nobody tells it.
    mutating func note(wallTime: UInt64) {
        if wallTime > 0, mark?.wallTime == nil { mark?.wallTime = wallTime }
    }

    func holds(at now: Instant, wallTime: UInt64) -> Bool {
        guard let mark, !isOutrun else { return false }
        var passed = now - mark.at
        if let before = mark.wallTime, wallTime > before {
            passed = max(passed, .milliseconds(Int64(clamping: wallTime - before)))
        }
        return mark.age + passed <= bound
    }
}

/// The gate before every commit, however a block became final: by consensus here, by certificates that came asked for
/// or not, or by a state that is fetched.
///
/// - Upon a final block while the last one here is too old: it is kept, and not committed. All else goes on.
/// - Meanwhile the bootstrap list is asked for this node's last header. As many as are needed have the same, with this node's
///   own word if it is listed, and not sixteen epochs on it: so the last block is recent, whatever time it is, as where all
///   stood still; the node goes on.
/// - Whoever is further ahead says nothing by that: what was final long ago, other headers may follow for old keys. The node
///   starts from a recent state then, which has to be vouched for in the same way (`Node+SnapshotHeaders`).
/// - Upon another header of as many: this node is on another chain. It says so, and commits nothing.
/// - Where nobody is listed: its operator's word is waited for, a start with `--checkpoint`.
extension Node {
    func isStale(at now: Instant) -> Bool {
        // Asked after every event: to copy the last block's header in order to see whether there is one costs more than the rest.
        freshness.isOutrun || !freshness.holds(at: now, wallTime: wallTime) && chain.last != nil
    }

    func noteAdopted(_ sync: SnapshotSync, at now: Instant) {
        let isFromCheckpoint = sync.vouched != nil && sync.vouched == settings.checkpoint?.epoch
        guard !sync.isDoubted || isFromCheckpoint else { return }
        freshness.renew(at: now, wallTime: wallTime)
    }

    /// After every event: begins and goes on asking about the last block.
    func continueDoubt(at now: Instant, _ actions: inout [NodeAction]) {
        guard isStale(at: now), !isHalted, let last = chain.last?.header else {
            guard doubt != nil else { return }
            doubt = nil
            let kept = candidates.list.filter { $0.certificate != nil }.map(\.digest)
            for digest in kept { advance(digest, at: now, &actions) }
            return
        }
        if doubt?.epoch != last.epoch {
            doubt = Vouching(last, at: now)
            actions.append(.notice(.snapshot(.doubts(Checkpoint(last), needed: listed.neededBeside))))
        }
        guard let doubt, doubt.askAgainAt <= now else { return }
        let asked = ask(doubt, at: now, &actions)
        self.doubt = asked
    }

    func hear(
        _ header: Header, head: Epoch, ofDoubtedBy node: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard var doubt, doubt.epoch == header.epoch else { return count(.unasked) }
        guard head < header.epoch + Snapshots.lagMin else {
            if endpoints[node] != nil { requestFinality(from: node, knownFinal: head, at: now, &actions) }
            return
        }
        doubt.note(header.digest, by: node)
        self.doubt = doubt
        if listed.isEnough(doubt.agreeing, of: listed.neededBeside) {
            freshness.renew(at: now, wallTime: wallTime)
            actions.append(.notice(.snapshot(.vouched(doubt.epoch, by: doubt.agreeing.count))))
        } else if listed.isEnough(doubt.denying, of: listed.needed), !hasSaidStray {
            hasSaidStray = true
            actions.append(
                .notice(
                    .alarm(
                        "block \(doubt.epoch) here is \(doubt.header.hex), and \(doubt.denying.count) nodes of the "
                            + "bootstrap list have another: this node commits nothing until its operator decides"
                    )))
        }
    }
}
