internal import Chance
internal import Identity
internal import Rules
internal import Wire

// Who is still there. After SWIM (Das, Gupta and Motivala, DSN 2002) and Lifeguard (Dadgar, Phillips and Currey,
// DSN 2018); what is found out stays here and is never told as truth.
//
// - Whatever a peer says shows that it lives. Peers are asked by turns (`ping`), a round takes half a second for each; whoever was
//   heard just before waits until it was silent for half a second: where there is much traffic, none is asked. One
//   ping is a turn of both, so that one ping and one pong serve both. Messages move no turns, for they reach all peers of
//   a node at one time: so somebody's turn is soon, whenever it falls silent.
// - Upon no answer within RTT + 4 var (100 ms to 1 s): ask it again, and up to three other peers, of the half that was heard
//   last, to ask it for us.
//   They answer for it, or say after 0.4 s that they heard nothing either; whom they do not know themselves they call
//   for others twice a second at most.
// - Upon nothing within half a second: suspect it for three seconds, asking four times more. When two others heard
//   nothing either, one second is enough. Then it is no peer any more, and is told so (`goodbye`).
// - When all helpers heard nothing, or the first of those four has no answer, tell all other peers of the doubt
//   (`indirectPing` to nowhere), who pass it on once (with nonce 0). Whoever is asked about a peer of its own, or told of
//   such a doubt, asks it too, once it is silent for half a second: so a crash is known to all neighbours soon after the
//   first of them looks, and a doubt alone does no harm.
// - Upon answers of others for it, three times in a row: the way there is broken; it is no peer either.
// - Local health, 1 to 8, multiplies all these times: worse by one when neither it nor any helper says anything, or when
//   we were woken late; better by one with each pong.

/// A measured round trip (RFC 6298, section 2).
struct RoundTrip: Equatable, Sendable {
    static let timeoutMin: Duration = .milliseconds(100)
    static let timeoutMax: Duration = .seconds(1)

    private var smooth: Duration?
    private var variation: Duration = .zero

    /// Nil before the first sample.
    var estimate: Duration? { smooth }

    var timeout: Duration {
        guard let smooth else { return .milliseconds(500) }
        return min(max(smooth + variation * 4, Self.timeoutMin), Self.timeoutMax)
    }

    mutating func add(_ sample: Duration) {
        guard let smooth else {
            smooth = sample
            variation = sample / 2
            return
        }
        let off = sample > smooth ? sample - smooth : smooth - sample
        variation = (variation * 3 + off) / 4
        self.smooth = (smooth * 7 + sample) / 8
    }
}

struct Echo: Equatable, Sendable {
    let nonce: UInt64
    let at: Instant
    /// Sent once: its answer measures the way (Karn's rule).
    var isSingle = true
}

/// A peer was asked and has not been heard since.
struct Question: Equatable, Sendable {
    enum Stage: Equatable, Sendable {
        case direct
        case relayed
        case suspected(until: Instant)
    }

    let nonce: UInt64
    var stage = Stage.direct
    var due: Instant
    var helpers = 0
    /// Helpers that heard nothing either.
    var denials = 0
    var lastDenier: NodeID?
    /// Other peers know of the doubt.
    var isTold = false
}

/// The whole node's part of probing.
struct Prober: Equatable, Sendable {
    /// Somebody is probed for a peer.
    struct Relay: Equatable, Sendable {
        let asker: NodeID
        let askersNonce: UInt64
        let target: NodeID
        let place: Endpoint
        let nonce: UInt64
        let until: Instant
    }

    static let healthMax = 8
    /// Three helpers for each of a dozen peers that suspect someone at one time, and some.
    static let relaysMax = 48
    static let relaysOfOneMax = 4
    static let helpersMax = 3
    static let detoursMax = 3
    static let relayPatience: Duration = .milliseconds(400)
    /// Between two calls, on others' behalf, of places that no card here names.
    static let blindRelayPeriod: Duration = .milliseconds(500)
    /// Doubts of others are passed on so often, eight at once, and one about the same node once in ten seconds.
    static let doubtPeriod: Duration = .milliseconds(250)
    static let doubtsMax = 8
    static let doubtQuiet: Duration = .seconds(10)
    static let helpPatience: Duration = .milliseconds(500)
    static let suspicionPings = 4
    /// Woken later than this, we are the slow one.
    static let latenessMax: Duration = .milliseconds(500)

    var nextAt: Instant
    var health = 1
    var relays: [Relay] = []
    var nextBlindRelay = Instant.origin
    /// When the doubts passed on would have come at their pace.
    var doubtsUntil = Instant.origin

    init(nextAt: Instant) { self.nextAt = nextAt }

    mutating func worsen() { health = min(Self.healthMax, health + 1) }
    mutating func improve() { health = max(1, health - 1) }
}

extension Membership {
    var probeRound: Duration { settings.probePeriod * max(1, contacts.activeCount) }

    mutating func probe(at now: Instant, _ actions: inout [Action]) {
        let lateness = now - (isRemoved(.onlyQuestionsSleep) ? deadline : probeDue)
        if lateness > Prober.latenessMax { forgive(lateness) }
        for relay in prober.relays where relay.until <= now {
            guard let link = contacts[relay.asker]?.link else { continue }
            actions.append(
                .send(relay.asker, link.endpoint, .indirectPong(nonce: relay.askersNonce, isAlive: false)))
        }
        prober.relays.removeAll { $0.until <= now }
        var next: (index: Int, at: Instant)?
        // Somebody may be given up on the way: the places of those after it stay the same.
        for index in contacts.active {
            guard case .active(let link) = contacts.list[index].phase else { continue }
            if let question = link.question {
                if question.due <= now { advance(index, at: now, &actions) }
            } else {
                if link.dueAt <= now, link.dueAt < next?.at ?? .never { next = (index, link.dueAt) }
            }
        }
        guard prober.nextAt <= now, let next else { return }
        // Turns fall together now and then.
        prober.nextAt = now + settings.probePeriod / 2
        ask(next.index, at: now, &actions)
    }

    /// When something is due of probing; of all else, what became due just now may have been waiting for hours, such as a
    /// dial when somebody is wanted again.
    var probeDue: Instant {
        var due = Instant.never
        for relay in prober.relays { due = min(due, relay.until) }
        for index in contacts.active {
            guard case .active(let link) = contacts.list[index].phase else { continue }
            due = min(due, link.question?.due ?? max(prober.nextAt, link.dueAt))
        }
        return due
    }

    /// Of a peer that asked us, or is asked now. Turns that once fell together are soon apart again: as long as those of all
    /// neighbours of a node do, none of them looks after it.
    mutating func nextTurn(at now: Instant) -> Instant {
        now + probeRound * (768 + chance.below(512)) / 1_024
    }

    /// Of a new peer: at any time of a whole view's round, whatever part of the view there is yet.
    mutating func firstTurn(at now: Instant) -> Instant {
        now
            + chance.duration(
                in: .zero...settings.probePeriod * max(settings.activeTarget, contacts.activeCount))
    }

    private mutating func ask(_ index: Int, at now: Instant, _ actions: inout [Action]) {
        guard var link = contacts.list[index].link else { return }
        let nonce = chance.bits()
        link.question = Question(nonce: nonce, due: now + link.roundTrip.timeout * prober.health)
        link.echo = Echo(nonce: nonce, at: now)
        link.turnAt = nextTurn(at: now)
        contacts.update(link, at: index)
        actions.append(.send(contacts.list[index].node, link.endpoint, .ping(nonce: nonce)))
    }

    /// Somebody doubts that a peer of ours lives: we look for ourselves, if we just heard it a little later.
    mutating func doubt(_ index: Int, at now: Instant, _ actions: inout [Action]) {
        guard var link = contacts.list[index].link, link.question == nil else { return }
        if link.heardAt + Link.silence <= now { return ask(index, at: now, &actions) }
        link.turnAt = min(link.turnAt, now)
        contacts.update(link, at: index)
    }

    /// We slept, and so no one has had the time to answer.
    private mutating func forgive(_ lateness: Duration) {
        prober.worsen()
        for index in contacts.active {
            guard var link = contacts.list[index].link, var question = link.question else { continue }
            question.due = question.due + lateness
            if case .suspected(let until) = question.stage {
                question.stage = .suspected(until: until + lateness)
            }
            link.question = question
            contacts.update(link, at: index)
        }
    }

    private mutating func advance(_ index: Int, at now: Instant, _ actions: inout [Action]) {
        guard var link = contacts.list[index].link, var question = link.question else { return }
        switch question.stage {
        case .direct:
            question.helpers = askOthers(about: index, question.nonce, &actions)
            question.stage = .relayed
            question.due = now + max(link.roundTrip.timeout * 2, Prober.helpPatience) * prober.health
        case .relayed:
            if question.helpers > 0, question.denials == 0 { prober.worsen() }
            let until = now + settings.suspicion * prober.health
            question.stage = .suspected(until: until)
            question.due = now + settings.suspicion / Prober.suspicionPings
            hasten(&question, at: now)
            if question.helpers > 0, question.denials == question.helpers {
                tellDoubt(about: index, &question, &actions)
            }
        case .suspected(let until):
            guard now < until else {
                actions.append(.send(contacts.list[index].node, link.endpoint, .goodbye))
                return disconnect(index, isRefused: false, at: now, &actions)
            }
            question.due = min(until, now + settings.suspicion / Prober.suspicionPings)
            if !question.isTold { tellDoubt(about: index, &question, &actions) }
        }
        link.question = question
        link.echo?.isSingle = false
        contacts.update(link, at: index)
        // Where it spoke last, and where its card says it is: it may have moved, or moved back, while neither heard the other.
        // A session that stands takes all of these to its own place, and asks at the others (`Carrier`).
        let contact = contacts.list[index]
        let homes = isRemoved(.asksAtHome) ? [] : contact.endpoints.filter { $0 != link.endpoint }
        for place in [link.endpoint] + homes {
            actions.append(.send(contact.node, place, .ping(nonce: question.nonce)))
        }
    }

    /// Others say the same: there is less to wait for.
    func hasten(_ question: inout Question, at now: Instant) {
        guard case .suspected(let until) = question.stage, question.denials >= min(2, question.helpers),
            question.denials > 0
        else { return }
        let sooner = min(until, now + settings.suspicion / 3 * prober.health)
        question.stage = .suspected(until: sooner)
        question.due = min(question.due, sooner)
    }

    private mutating func askOthers(about index: Int, _ nonce: UInt64, _ actions: inout [Action]) -> Int {
        let target = contacts.list[index]
        var helpers = contacts.active.filter { $0 != index && contacts.list[$0].link?.question == nil }
        // Of the half that was heard last: who else fell silent with it would not help.
        helpers.sort { (contacts.list[$1].link!.heardAt, $0) < (contacts.list[$0].link!.heardAt, $1) }
        helpers = Array(helpers.prefix(max(Prober.helpersMax, (helpers.count + 1) / 2)))
        chance.shuffle(&helpers)
        for helper in helpers.prefix(Prober.helpersMax) {
            actions.append(
                .send(
                    contacts.list[helper].node, contacts.list[helper].link!.endpoint,
                    .indirectPing(target.node, target.link!.endpoint, nonce: nonce)))
        }
        return min(helpers.count, Prober.helpersMax)
    }

    /// Its other peers need not wait for their own turns to find out. Told is what all helpers found too, or what lasts: where
    /// much is lost, many are in doubt for a moment.
    private func tellDoubt(about index: Int, _ question: inout Question, _ actions: inout [Action]) {
        question.isTold = true
        let frame = Frame.indirectPing(contacts.list[index].node, .nowhere, nonce: question.nonce)
        for other in contacts.active where other != index && contacts.list[other].link?.question == nil {
            actions.append(.send(contacts.list[other].node, contacts.list[other].link!.endpoint, frame))
        }
    }

    /// The peers of a node are seldom each other's, but hardly ever more than two links apart.
    mutating func passOn(
        doubtAbout index: Int, of sender: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        guard !contacts.list[index].isActive, contacts.list[index].doubtedUntil <= now else { return }
        let next = max(prober.doubtsUntil, now) + Prober.doubtPeriod
        guard next <= now + Prober.doubtPeriod * Prober.doubtsMax else { return }
        prober.doubtsUntil = next
        contacts.set(doubtedUntil: now + Prober.doubtQuiet, at: index)
        let frame = Frame.indirectPing(contacts.list[index].node, .nowhere, nonce: 0)
        for other in contacts.active where contacts.list[other].node != sender {
            actions.append(.send(contacts.list[other].node, contacts.list[other].link!.endpoint, frame))
        }
    }
}
