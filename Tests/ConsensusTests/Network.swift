import Bytes
import Chance
import Consensus
import Identity
import Wire

let network = Digest(of: [1])

func key(_ number: Int) -> SigningKey {
    var writer = ByteWriter()
    for _ in 0..<4 { writer.integer(UInt64(number + 1)) }
    return SigningKey(seed: writer.bytes.octetBytes)
}

func committee(_ weights: [UInt64]) -> Committee {
    let vrf = VRFPublicKey(octets: [UInt8](repeating: 7, count: 32))!
    return Committee(seats: weights.enumerated().map { Seat(key: key($0).nodeID, vrfKey: vrf, weight: $1) })
}

func instance(_ committee: Committee, epoch: Epoch = 1) -> Simplex.Instance {
    let leaders = Simplex.leaders(of: committee, randomness: Digest(of: [UInt8(epoch)]))
    let views = Simplex.subjectiveViews(of: committee, leaders: leaders)
    return Simplex.Instance(epoch: epoch, committee: committee, leaders: leaders, subjectiveViews: views)
}

func header(_ committee: Committee, builder: NodeID, view: View, flavour: UInt8 = 0, epoch: Epoch = 1)
    -> Header
{
    let evidence = try! EvidenceSummary(decoding: EvidenceSummary(items: []).encoded())
    let zero = Digest.zero
    return Header(
        network: network, epoch: epoch, parent: zero, builder: builder, buildView: view,
        randomnessProof: try! VRFProof(decoding: [UInt8](repeating: 0, count: 80)), randomness: zero,
        evidence: evidence, transactionsRoot: Digest(of: [flavour]), verdictsRoot: zero, stateRoot: zero,
        committee: committee.digest, nextCommittee: zero, parameters: zero, wallTime: 0)
}

/// A world of validators, observers and twins, in virtual time. A twin pair shares one key and so equivocates.
struct Network {
    struct Plan {
        var weights: [UInt64] = [1, 1, 1, 1]
        var observers = 0
        var twins: Set<Int> = []
        var silent: Set<Int> = []
        var lossPercent = 0
        var crashes = false
        var partitions = false
        var healsAt: Duration = .seconds(0)
        var limit: Duration = .seconds(120)
    }
    struct Actor {
        let number: Int
        let flavour: UInt8
        var machine: Simplex
        var disk: SafetyState?
        var isUp = true
        var finals: [Digest] = []
        var life = 0
    }
    enum What {
        case event(Simplex.Event, life: Int)
        case deliver(Message, from: NodeID)
        case wake
        case restart
    }
    let plan: Plan
    let members: Committee
    let epoch: Simplex.Instance
    var chance: Chance
    var actors: [Actor] = []
    var now = Instant.origin
    var heap: [(at: Instant, order: Int, to: Int, what: What)] = []
    var order = 0
    var said: [NodeID: Set<Ballot>] = [:]
    var decided: Set<Digest> = []
    var decidedView: View = 0
    var alarms: [Simplex.Alarm] = []
    var faults: [String] = []

    init(_ plan: Plan, chance: Chance) {
        self.plan = plan
        self.chance = chance
        members = committee(plan.weights)
        epoch = instance(members)
        for number in 0..<(plan.weights.count + plan.observers) where !plan.silent.contains(number) {
            for flavour in 0..<UInt8(plan.twins.contains(number) ? 2 : 1) {
                actors.append(Actor(number: number, flavour: flavour, machine: machine(number, nil)))
            }
        }
        for index in actors.indices { step(index, open) }
    }

    var open: Simplex.Event { .open(epoch, windowEnds: .origin + .milliseconds(100)) }

    mutating func machine(_ number: Int, _ restored: SafetyState?) -> Simplex {
        Simplex(
            settings: Simplex.Settings(network: network, delta: .milliseconds(100)), signer: key(number),
            chance: chance.split(), restored: restored)
    }

    mutating func schedule(_ what: What, to: Int, after delay: Duration) {
        order += 1
        let entry = (at: now + delay, order: order, to: to, what: what)
        var low = 0
        var high = heap.count
        // Latest first, so that the next is the last.
        while low < high {
            let middle = (low + high) / 2
            if (heap[middle].at, heap[middle].order) > (entry.at, entry.order) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        heap.insert(entry, at: low)
    }

    mutating func transmit(_ message: Message, from: Int, to: Int) {
        let isHealed = now >= .origin + plan.healsAt
        if !isHealed {
            if chance.below(100) < plan.lossPercent { return }
            let era = now.nanoseconds / 1_000_000_000
            if plan.partitions, (actors[from].number + Int(era)) % 3 == 0,
                (actors[to].number + Int(era)) % 3 != 0
            {
                return
            }
        }
        let delay = chance.duration(
            in: .milliseconds(1)...(isHealed ? .milliseconds(60) : .milliseconds(400)))
        let sender = key(actors[from].number).nodeID
        schedule(.deliver(message, from: sender), to: to, after: delay)
        if chance.happens(1, in: 10) { schedule(.deliver(message, from: sender), to: to, after: delay * 3) }
    }

    mutating func note(_ message: Message, by index: Int) {
        let me = key(actors[index].number).nodeID
        guard !plan.twins.contains(actors[index].number) else { return }
        var ballots: [Ballot] = []
        if case .vote(let vote) = message, vote.voter == me { ballots = [vote.ballot] }
        if case .proposal(let proposal) = message, proposal.vote.voter == me {
            ballots = [proposal.vote.ballot]
        }
        for ballot in ballots {
            for earlier in said[me, default: []] where earlier.contradicts(ballot) {
                faults.append("honest \(me) signed \(earlier) and \(ballot)")
            }
            said[me, default: []].insert(ballot)
        }
    }

    mutating func step(_ index: Int, _ event: Simplex.Event) {
        var actions: [Simplex.Action] = []
        actors[index].machine.handle(event, at: now, actions: &actions)
        let mayCrash = plan.crashes && now < .origin + plan.healsAt && chance.happens(1, in: 80)
        if mayCrash, !actions.isEmpty { actions.removeLast(1 + chance.below(actions.count)) }
        for action in actions { carryOut(action, by: index) }
        if mayCrash {
            actors[index].isUp = false
            schedule(.restart, to: index, after: chance.duration(in: .milliseconds(10)...(.seconds(2))))
        }
        let deadline = actors[index].machine.deadline
        if deadline != .never { schedule(.wake, to: index, after: max(deadline - now, .milliseconds(1))) }
    }

    mutating func carryOut(_ action: Simplex.Action, by index: Int) {
        let life = actors[index].life
        switch action {
        case .persist(let state): actors[index].disk = try! SafetyState(decoding: state.encoded())
        case .broadcast(let message):
            note(message, by: index)
            if case .certificate(let certificate) = message, !certificate.hasQuorum(in: members) {
                faults.append("no quorum")
            }
            for other in actors.indices where other != index { transmit(message, from: index, to: other) }
        case .send(let peer, let message):
            note(message, by: index)
            for other in actors.indices where key(actors[other].number).nodeID == peer && other != index {
                transmit(message, from: index, to: other)
            }
        case .build(_, let view):
            let made = header(
                members, builder: key(actors[index].number).nodeID, view: view, flavour: actors[index].flavour
            )
            schedule(
                .event(.built(epoch: 1, view: view, made), life: life), to: index, after: .milliseconds(5))
        case .evaluate(let header, _, _, _):
            schedule(
                .event(.judged(epoch: 1, digest: header.digest, .valid), life: life), to: index,
                after: .milliseconds(5))
        case .began: schedule(.event(.gathered, life: life), to: index, after: .milliseconds(5))
        case .finalised(let final):
            if plan.twins.contains(actors[index].number) { return }
            if !actors[index].finals.isEmpty, life == 0 { faults.append("final twice") }
            actors[index].finals.append(final.header.digest)
            decided.insert(final.header.digest)
            decidedView = max(decidedView, final.certificate.ballot.view)
            if final.certificate.ballot.digest != final.header.digest
                || !final.certificate.hasQuorum(in: members)
            {
                faults.append("bad final certificate")
            }
        case .alarm(let alarm): alarms.append(alarm)
        }
    }

    var isDone: Bool { actors.allSatisfy { plan.twins.contains($0.number) || !$0.finals.isEmpty } }

    mutating func run() {
        while !isDone, let next = heap.popLast() {
            now = next.at
            if now > .origin + plan.limit { return }
            let index = next.to
            if case .restart = next.what {
                actors[index].isUp = true
                actors[index].life += 1
                actors[index].machine = machine(actors[index].number, actors[index].disk)
                step(index, open)
                continue
            }
            guard actors[index].isUp else { continue }
            switch next.what {
            case .event(let event, let life): if life == actors[index].life { step(index, event) }
            case .wake: if actors[index].machine.deadline <= now { step(index, .woke) }
            case .deliver(let message, let peer): deliver(message, from: peer, to: index)
            case .restart: break
            }
        }
    }

    mutating func deliver(_ message: Message, from peer: NodeID, to index: Int) {
        switch message {
        case .vote(let vote): step(index, .vote(vote))
        case .certificate(let certificate): step(index, .certificate(certificate))
        case .proposal(let proposal):
            if proposal.checks(in: members, network: network) == nil { faults.append("malformed proposal") }
            step(index, .proposal(proposal))
        case .summary(let summary): step(index, .summary(summary, from: peer))
        case .proposalRequest(let epoch, let view):
            step(index, .proposalRequested(epoch: epoch, view: view, from: peer))
        case .finality(let finals):
            // What a host does with a verified answer.
            if actors[index].finals.isEmpty, let final = finals.first {
                actors[index].finals.append(final.header.digest)
                decided.insert(final.header.digest)
            }
        default: break
        }
    }
}
