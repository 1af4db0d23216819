import Chance
import Consensus
import Identity
import Wire

/// What a host does around the machine.
extension World {
    mutating func carryOut(_ action: Simplex.Action, by index: Int) {
        let life = actors[index].life
        let epoch = actors[index].openEpoch
        switch action {
        case .persist(let state): write(state, by: index)
        case .broadcast(let message): hold(message, to: nil, by: index)
        case .send(let peer, let message): hold(message, to: peer, by: index)
        case .build(_, let view):
            let made = header(
                membersDigest, builder: name(actors[index].number), view: view,
                flavour: actors[index].flavour, epoch: epoch)
            answer(.built(epoch: epoch, view: view, made), by: index)
        case .evaluate(let header, _, _, let isSubjective):
            let judgement = plan.judge?(actors[index].number, header, isSubjective) ?? .valid
            let event = Simplex.Event.judged(epoch: epoch, digest: header.digest, judgement)
            agenda.add(.event(event, life: life), to: index, at: now + chance.duration(in: plan.judging))
        case .began: answer(.gathered, by: index)
        case .finalised(let final):
            if final.header.epoch != epoch { faults.append("epoch \(final.header.epoch) is final again") }
            finalise(final, by: index)
        case .alarm(let alarm): alarms.append(alarm)
        }
    }

    private mutating func answer(_ event: Simplex.Event, by index: Int) {
        if plan.isHostPrompt { return step(index, event) }
        agenda.add(.event(event, life: actors[index].life), to: index, at: now + .milliseconds(5))
    }

    private mutating func write(_ state: SafetyState, by index: Int) {
        guard plan.disk.upperBound > .zero else { return actors[index].disk = state }
        let done = max(now, actors[index].diskBusyUntil) + chance.duration(in: plan.disk)
        actors[index].diskBusyUntil = done
        agenda.add(.written(state, life: actors[index].life), to: index, at: done)
    }

    /// Nothing leaves before what was to be written before it is durable.
    private mutating func hold(_ message: Message, to peer: NodeID?, by index: Int) {
        let parcel = Parcel(message, from: name(actors[index].number))
        if actors[index].diskBusyUntil <= now { return emit(parcel, to: peer, by: index) }
        agenda.add(
            .released(parcel, to: peer, life: actors[index].life), to: index, at: actors[index].diskBusyUntil)
    }

    mutating func emit(_ parcel: Parcel, to peer: NodeID?, by index: Int) {
        note(parcel.message, by: index)
        for other in actors.indices where other != index {
            if peer == nil || peer == name(actors[other].number) { transmit(parcel, from: index, to: other) }
        }
    }

    private mutating func transmit(_ parcel: Parcel, from: Int, to: Int) {
        let since = now - .origin
        let sender = actors[from].number
        if plan.isOff?(sender, since) == true { return }
        if plan.isCut?(sender, actors[to].number, since) == true { return }
        if !isHealed, chance.below(100) < plan.lossPercent { return }
        let delay = chance.duration(in: isHealed ? plan.latency : plan.roughLatency)
        agenda.add(.deliver(parcel), to: to, at: now + delay)
        if chance.happens(1, in: 10) { agenda.add(.deliver(parcel), to: to, at: now + delay * 3) }
    }

    /// Faults that only an honest validator's words can show.
    private mutating func note(_ message: Message, by index: Int) {
        if case .certificate(let certificate) = message, !certificate.hasQuorum(in: members) {
            faults.append("no quorum")
        }
        if case .proposal(let proposal) = message, proposal.checks(in: members, network: network) == nil {
            faults.append("malformed proposal")
        }
        let me = name(actors[index].number)
        let vote: Vote? =
            switch message {
            case .vote(let vote): vote
            case .proposal(let proposal): proposal.vote
            default: nil
            }
        guard let vote, vote.voter == me, !plan.twins.contains(actors[index].number) else { return }
        let ballot = vote.ballot
        let turn = Turn(voter: me, epoch: ballot.epoch, view: ballot.view)
        guard !said[turn, default: []].contains(ballot) else { return }
        for earlier in said[turn, default: []] where earlier.contradicts(ballot) {
            faults.append("honest \(actors[index].number) signed \(earlier) and \(ballot)")
        }
        said[turn, default: []].append(ballot)
        if !isRemembered(ballot, by: index) { faults.append("said before it was durable: \(ballot)") }
    }

    private func isRemembered(_ ballot: Ballot, by index: Int) -> Bool {
        guard let disk = actors[index].disk, disk.epoch >= ballot.epoch else { return false }
        if disk.epoch > ballot.epoch || disk.view > ballot.view { return true }
        guard let record = disk.records.first(where: { $0.view == ballot.view }) else { return false }
        return switch ballot {
        case .notarize(_, _, let digest): record.notarized == digest
        case .nullify: record.isNullified
        case .finalize(_, _, let digest): record.finalized == digest
        }
    }

    // MARK: Finality

    private mutating func finalise(_ final: FinalHeader, by index: Int) {
        let epoch = final.header.epoch
        if final.certificate.ballot.digest != final.header.digest || !final.certificate.hasQuorum(in: members)
        {
            faults.append("bad final certificate")
        }
        guard epoch == actors[index].openEpoch else { return }
        actors[index].finals.append(final)
        if !plan.twins.contains(actors[index].number) {
            decided[epoch, default: []].insert(final.header.digest)
            decidedViews[epoch] = max(decidedViews[epoch] ?? 0, final.certificate.ballot.view)
        }
        let count = actors[index].finals.count
        if actors[index].diskBusyUntil <= now {
            actors[index].finalsWritten = count
        } else {
            agenda.add(
                .writtenFinals(count, life: actors[index].life), to: index, at: actors[index].diskBusyUntil)
        }
        open(index)
    }

    // MARK: Delivery

    mutating func deliver(_ message: Message, from peer: NodeID, to index: Int) {
        let open = actors[index].openEpoch
        switch message {
        case .vote(let vote):
            if isOfOpenEpoch(vote.ballot.epoch, from: peer, at: index) { step(index, .vote(vote)) }
        case .certificate(let certificate):
            if isOfOpenEpoch(certificate.ballot.epoch, from: peer, at: index) {
                step(index, .certificate(certificate))
            }
        case .proposal(let proposal):
            if isOfOpenEpoch(proposal.header.epoch, from: peer, at: index) {
                step(index, .proposal(proposal))
            }
        case .summary(let summary):
            if summary.lastFinal >= open {
                ask(peer, by: index)
            } else if summary.lastFinal + 1 < open {
                serve(from: summary.lastFinal + 1, to: peer, by: index)
            } else {
                step(index, .summary(summary, from: peer))
            }
        case .proposalRequest(let epoch, let view):
            step(index, .proposalRequested(epoch: epoch, view: view, from: peer))
        case .finalityRequest(let epoch, _): serve(from: epoch, to: peer, by: index)
        case .finality(let finals):
            for final in finals where final.header.epoch == actors[index].openEpoch {
                finalise(final, by: index)
            }
        default: break
        }
    }

    /// What is said of another epoch is dropped; of a later one, it shows that this node is behind.
    private mutating func isOfOpenEpoch(_ epoch: Epoch, from peer: NodeID, at index: Int) -> Bool {
        let open = actors[index].openEpoch
        if epoch > open { ask(peer, by: index) }
        return epoch == open
    }

    private mutating func ask(_ peer: NodeID, by index: Int) {
        guard actors[index].asksAt <= now else { return }
        actors[index].asksAt = now + .milliseconds(100)
        let request = Message.finalityRequest(
            from: actors[index].openEpoch, count: UInt8(Message.finalityMax))
        hold(request, to: peer, by: index)
    }

    private mutating func serve(from epoch: Epoch, to peer: NodeID, by index: Int) {
        let finals = actors[index].finals.dropFirst(Int(epoch) - 1).prefix(Message.finalityMax)
        if !finals.isEmpty { hold(.finality(Array(finals)), to: peer, by: index) }
    }
}
