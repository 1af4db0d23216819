import Bytes
import Chance
import Consensus
import Coverage
import Identity
import Ledger
import Rules
import Wire

/// The one question about the chain that is out, and what of its answer is here.
struct Exchange {
    let epoch: Epoch
    /// Or a neighbour, if no uplink answers.
    let uplink: NodeID
    var deadline: Instant
    var attempts = 1
    var header: Header?
    var digest: Digest?
    /// When the validator said it became final there.
    var age: UInt32 = .max
    /// What it called the last final epoch with the header: worth following once that is final.
    var lastFinal: Epoch = 0
    /// Who must have voted for the header, once that is known.
    var committee: Committee?
    var output: VRFOutput?
    /// Seats whose votes are verified, and the pages that these were on.
    var voters: Set<UInt16> = []
    var counted: [VotesPage] = []
    var ballot: Ballot?
    /// The page that is waited for.
    var page: UInt8 = 0
    var pages: UInt8 = 1
    /// A page that came before its header.
    var early: VotesPage?
    /// What was said of the own bundle's place before the header was final.
    var inclusion: MerkleProof??
    /// Seats of a committee that has to be known first.
    var seats: [Seat] = []
    var seatsPage: UInt8?
}

/// Following the chain.
///
/// - Upon opening e: the next question is due when the validators' window has ended and a little later by chance.
/// - Upon "not yet": again after a 64th of the window, then half as much longer every time, up to an eighth.
/// - Upon a header: examined, its committee fetched if it is new; upon a page of votes: verified, and the next asked for.
///   Upon a quorum: final.
/// - Upon silence: once more for what is missing, then another uplink; after three of them neighbours too.
/// - Upon a header that is final: if the own bundle was of its epoch, its place is proven, by another uplink if the first
///   has no proof; two that have none are believed, as a bundle that is handed in twice harms nobody.
/// - Upon a validator that is further on, as it said with a header that is final now: straight to the last epoch that known
///   committees can vouch for.
extension EdgeNode {
    /// Whom to ask about an inclusion, at most.
    static let placesMax = 3
    static let attemptsMax = 2

    static func pollDelayMin(_ parameters: Parameters) -> Duration {
        max(.milliseconds(100), .milliseconds(Int64(parameters.epochMilliseconds)) / 64)
    }

    private var pollDelayMax: Duration { max(pollDelay, window / 8) }

    func follow(at now: Instant, _ actions: inout [NodeAction]) {
        if let settling {
            if settling.deadline <= now {
                if settling.asked.count > 1 { uplinks.failed(settling.asked.last!, at: now) }
                placeElsewhere(at: now, &actions)
            }
        } else if let exchange {
            if exchange.deadline <= now { insist(at: now, &actions) }
        } else if nextPoll <= now {
            poll(at: now, &actions)
        }
    }

    func poll(excluding excluded: [NodeID] = [], at now: Instant, _ actions: inout [NodeAction]) {
        var destination: Destination?
        var epoch = chain.openEpoch
        if let tip, tip.epoch > epoch {
            // Whoever said so shall show it.
            destination = self.destination(of: tip.at)
            epoch = min(tip.epoch, chain.reach)
        }
        tip = nil
        guard
            let destination = destination ?? neighbourToFollow(at: now)
                ?? uplinks.pick(excluding: excluded, at: now)
        else {
            return nextPoll = now + jittered(max(pollDelay, .seconds(1)))
        }
        count(.polls)
        exchange = Exchange(epoch: epoch, uplink: destination.node, deadline: now + patience)
        ask(.follow(epoch), destination, &actions)
    }

    private func jittered(_ duration: Duration) -> Duration {
        chance.duration(in: (duration * 4 / 5)...(duration * 6 / 5))
    }

    /// Again after a while that grows.
    private func pollLater(at now: Instant) {
        exchange = nil
        nextPoll = now + jittered(pollDelay)
        pollDelay = min(pollDelay * 3 / 2, pollDelayMax)
    }

    /// Something did not come: asks once more for that, then elsewhere.
    private func insist(at now: Instant, _ actions: inout [NodeAction]) {
        guard var current = exchange else { return }
        // While it is cut off it only looks whether validators are back.
        let attemptsMax = isCutOff && uplinks.isKnown(current.uplink) ? 1 : Self.attemptsMax
        guard current.attempts < attemptsMax, let destination = destination(of: current.uplink)
        else { return askElsewhere(at: now, &actions) }
        current.attempts += 1
        current.deadline = now + patience
        if current.header == nil {
            ask(.follow(current.epoch), destination, &actions)
        } else if let page = current.seatsPage {
            ask(.committee(chain.nextDigest, page: page), destination, &actions)
        } else {
            ask(.votes(current.epoch, page: current.page), destination, &actions)
        }
        exchange = current
    }

    private func askElsewhere(at now: Instant, _ actions: inout [NodeAction]) {
        guard let current = exchange else { return }
        failed(current.uplink, at: now)
        if uplinks.isKnown(current.uplink) { silence = min(silence + 1, Self.silenceMax) }
        exchange = nil
        // All of them are silent: no busier than when nothing has happened.
        guard uplinks.ready(at: now).isEmpty else {
            return poll(excluding: [current.uplink], at: now, &actions)
        }
        pollLater(at: now)
    }

    private func refute(_ what: String, at now: Instant, _ actions: inout [NodeAction]) {
        guard let current = exchange else { return }
        lied(current.uplink, what, at: now, &actions)
        exchange = nil
        nextPoll = now + jittered(Self.pollDelayMin(genesis.parameters) / 2)
    }

    // MARK: Answers

    func advance(by answer: Answer, from sender: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard let current = exchange, current.uplink == sender else { return count(.unasked) }
        switch answer {
        case .open(let lastFinal, let age): wait(lastFinal, age, current, at: now, &actions)
        case .header(let header, let lastFinal, let age):
            guard header.epoch == current.epoch, current.header == nil else { return count(.unasked) }
            exchange!.header = header
            exchange!.digest = header.digest
            exchange!.age = age
            exchange!.lastFinal = lastFinal
            examine(header, at: now, &actions)
        case .votes(let page):
            guard current.header != nil, current.committee != nil else { return exchange!.early = page }
            check(page, at: now, &actions)
        case .committee(let digest, let page, let seats):
            guard digest == chain.nextDigest, page == current.seatsPage else { return count(.unasked) }
            learn(seats, page, at: now, &actions)
        default: preconditionFailure("not an answer about the chain")
        }
    }

    private func wait(
        _ lastFinal: Epoch, _ age: UInt32, _ current: Exchange, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        if neighbours.isKnown(current.uplink), current.header == nil, lastFinal >= current.epoch {
            // It keeps the last headers only, and this node is further behind.
            exchange = nil
            if current.epoch == chain.openEpoch, min(lastFinal, chain.reach) > current.epoch {
                tip = (lastFinal, current.uplink)
                return poll(at: now, &actions)
            }
            failed(current.uplink, at: now)
            return nextPoll = now + jittered(Self.pollDelayMin(genesis.parameters) / 2)
        }
        guard current.header == nil, lastFinal < current.epoch else { return count(.unasked) }
        exchange = nil
        if current.epoch > chain.openEpoch || lastFinal + 1 < chain.openEpoch {
            // It is behind, or it has not what it spoke of: somebody else may know more.
            failed(current.uplink, at: now)
            return nextPoll = now + jittered(Self.pollDelayMin(genesis.parameters) / 2)
        }
        if !isAligned, age != .max {
            // Started in the middle of an epoch.
            isAligned = true
            begin(since: min(openedAt, now + .milliseconds(-Int64(age))), at: now, &actions)
        }
        let ends = openedAt + window
        if now < ends { return nextPoll = ends + jittered(pollDelay) / 2 }
        pollLater(at: now)
    }

    private func examine(_ header: Header, at now: Instant, _ actions: inout [NodeAction]) {
        let committee: Committee
        do throws(LightChain.Fault) { committee = try chain.examine(header) } catch {
            guard case .needs(let digest) = error, let current = exchange,
                let destination = destination(of: current.uplink)
            else { return refute("header of epoch \(header.epoch): \(error)", at: now, &actions) }
            exchange!.seats = []
            exchange!.seatsPage = 0
            exchange!.attempts = 1
            exchange!.deadline = now + patience
            return ask(.committee(digest, page: 0), destination, &actions)
        }
        exchange!.committee = committee
        verify(
            .randomness(header.digest), [chain.randomnessCheck(of: header, in: committee)], &actions)
        if let early = exchange!.early {
            exchange!.early = nil
            check(early, at: now, &actions)
        }
    }

    private func learn(_ seats: [Seat], _ page: UInt8, at now: Instant, _ actions: inout [NodeAction]) {
        guard let header = exchange?.header, let destination = destination(of: exchange!.uplink)
        else { return }
        exchange!.seats += seats
        guard exchange!.seats.count <= Certificate.seatsMax else {
            return refute("a committee without end", at: now, &actions)
        }
        exchange!.deadline = now + patience
        if seats.count == Answer.seatsOfPageMax {
            exchange!.seatsPage = page + 1
            return ask(.committee(chain.nextDigest, page: page + 1), destination, &actions)
        }
        var writer = ByteWriter(capacity: 4_096)
        writer.list(exchange!.seats)
        guard let committee = try? Committee(decoding: writer.written), chain.learn(committee) else {
            return refute("a committee that nobody named", at: now, &actions)
        }
        exchange!.seatsPage = nil
        count(.committees)
        remember(&actions)
        examine(header, at: now, &actions)
    }

    private func check(_ page: VotesPage, at now: Instant, _ actions: inout [NodeAction]) {
        guard let current = exchange, let header = current.header, let committee = current.committee else {
            return
        }
        guard page.page == current.page else { return count(.unasked) }
        // Each page has a new deadline: as many as hold all votes, or one validator could drag it on for an epoch.
        let pagesMax = (committee.seats.count + VotesPage.entriesMax - 1) / VotesPage.entriesMax
        guard Int(page.pages) <= pagesMax else {
            return refute("votes on more pages than they fill", at: now, &actions)
        }
        // Pages of two certificates do not add up.
        guard let checks = chain.checks(of: page, for: header, in: committee),
            current.ballot ?? page.ballot == page.ballot
        else { return refute("votes for another header", at: now, &actions) }
        exchange!.ballot = page.ballot
        exchange!.pages = page.pages
        exchange!.page += 1
        exchange!.attempts = 1
        exchange!.deadline = now + patience
        verify(.votes(header.digest, page), checks, &actions)
    }

    // MARK: Verified

    func reckoned(
        _ output: VRFOutput?, of digest: Digest, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let current = exchange, current.digest == digest else { return }
        guard let output else { return refute("a proof of randomness", at: now, &actions) }
        exchange!.output = output
        finish(at: now, &actions)
    }

    func counted(
        _ page: VotesPage, holds: Bool, of digest: Digest, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let current = exchange, current.digest == digest, current.ballot == page.ballot,
            let committee = current.committee
        else { return }
        guard holds else {
            count(.badSignature)
            return refute("a forged vote", at: now, &actions)
        }
        exchange!.voters.formUnion(page.entries.map(\.voter))
        exchange!.counted.append(page)
        if chain.isQuorum(exchange!.voters, of: committee) { return finish(at: now, &actions) }
        guard current.page < current.pages, let destination = destination(of: current.uplink) else {
            return refute("votes that are no quorum", at: now, &actions)
        }
        ask(.votes(current.epoch, page: current.page), destination, &actions)
    }

    private func finish(at now: Instant, _ actions: inout [NodeAction]) {
        guard let current = exchange, let header = current.header, let committee = current.committee,
            let output = current.output, chain.isQuorum(current.voters, of: committee),
            let ballot = current.ballot
        else { return }
        exchange = nil
        believed(current.uplink)
        // Before that it was anybody's word, and whoever said it would be asked again and again.
        if current.lastFinal > header.epoch { tip = (current.lastFinal, current.uplink) }
        guard !chain.contradicts(header) else {
            isHalted = true
            let known = chain.last.map { "\($0.digest.hex) of epoch \($0.epoch)" } ?? "genesis"
            return actions.append(
                .notice(
                    .alarm(
                        "two headers are certified that contradict each other: \(header.digest.hex) of epoch "
                            + "\(header.epoch) does not follow from \(known)")))
        }
        let isNext = header.epoch == chain.openEpoch
        count(isNext ? .headers : .skipped)
        let isNear = neighbours.isKnown(current.uplink)
        if isNear {
            count(.headersNear)
            neighbours.guide = current.uplink
        }
        chain.advance(to: header, committee, output: output)
        noteFinal(header, current.counted)
        forgetKept(&actions)
        remember(&actions)
        actions.append(.notice(.epochFinal(header.epoch, view: ballot.view, stateRoot: header.stateRoot)))
        if !hasFinalised {
            hasFinalised = true
            actions.append(.notice(.ready(header.epoch)))
        }
        // Neighbours do not know what else is in a block.
        guard isNext, !isNear, let ownBundle, ownBundle.epoch == header.epoch else {
            return conclude(header, includesOwn: false, age: current.age, at: now, &actions)
        }
        settling = Settling(
            header: header, age: current.age, bundle: ownBundle.id, asked: [current.uplink],
            deadline: now + patience)
        // It comes with the header, and may be on its way yet.
        if let said = current.inclusion {
            receive(inclusion: said, of: header.epoch, from: current.uplink, at: now, &actions)
        }
    }
}
