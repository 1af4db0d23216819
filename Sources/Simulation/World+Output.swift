internal import Bytes
internal import Chance
internal import Coverage
internal import Node
internal import Wire

/// What nodes want done.
extension World {
    func carryOut(_ actions: [NodeAction], of index: Int) {
        let host = hosts[index]
        let life = host.life
        for action in actions {
            switch action {
            case .send(let bytes, let endpoint): host.outputs.send(bytes, to: endpoint)
            case .persist(let persisted): host.outputs.persist(persisted)
            case .verify(let ticket, let checks):
                let answer = NodeEvent.verified(ticket: ticket, verify(checks))
                add(
                    .event(answer, life: life), to: index,
                    at: host.soon(after: now, plan.workerMillisecondsMax))
            case .transmit(let transmission): transmit(transmission, by: index)
            case .serve(let request, let peer):
                let answer = NodeEvent.served(host.disk.answer(request), to: peer)
                add(
                    .event(answer, life: life), to: index, at: host.soon(after: now, plan.diskMillisecondsMax)
                )
            case .notice(let notice): hear(notice, of: index)
            }
        }
        pump(index)
        rearm(index)
    }

    private func pump(_ index: Int) {
        let host = hosts[index]
        var leaving: [(bytes: [UInt8], to: Endpoint)] = []
        let batch = host.outputs.pump { leaving.append(($0, $1)) }
        for (bytes, endpoint) in leaving { leave(bytes, to: endpoint, from: index) }
        guard let batch else { return }
        host.committing = batch
        let slow = fault(.slowDisk, at: index)?.amount
        add(
            .committed(life: host.life), to: index,
            at: host.soon(after: now, slow ?? plan.diskMillisecondsMax))
    }

    func committed(_ index: Int) {
        let host = hosts[index]
        let batch = host.committing
        host.committing = []
        guard !breaks(batch, of: index) else { return }
        host.disk.commit(batch)
        trace(index) { .init("committed", batch.map(Self.name).joined(separator: " ")) }
        // Every bound and every invariant of the host's machines; ends the process where one is broken. In large worlds at
        // some of the commits only: the walk through all tables costs more than all that changes them.
        host.commits += 1
        if !isLarge || host.commits % Self.commitsBetweenChecks == 0 { host.node?.assertInvariants() }
        tell(batch, of: index)
        host.outputs.committed()
        pump(index)
    }

    /// Tells the witness what is durable now.
    func tell(_ batch: [Persisted], of index: Int) {
        for case .final(let final) in batch {
            hasFinal = true
            if final.final.header.epoch >= newestFinal {
                newestFinal = final.final.header.epoch
                links.leader = hosts[index].node.flatMap { population.ids.firstIndex(of: $0.firstLeader) }
            }
            guard hosts[index].isHonest else { continue }
            trace(index) {
                .init("final", "epoch \(final.final.header.epoch) \(final.final.header.digest)")
            }
            witness.final(final.final, at: now, host: index)
            let view = final.final.certificate.ballot.view
            if let healedEpoch, final.final.header.epoch > healedEpoch + 1, view > viewsMax {
                witness.report(
                    "livenessViews",
                    "epoch \(final.final.header.epoch) took \(view) views, though all was well", at: now,
                    host: index)
            }
            if final.millisecondsToFinal > 0 { finality.append(Int(final.millisecondsToFinal)) }
        }
    }

    /// A datagram of the host's own node, past whoever stands between it and the network.
    private func leave(_ bytes: [UInt8], to endpoint: Endpoint, from index: Int) {
        let host = hosts[index]
        guard let datagram = try? Datagram(decoding: bytes.octetBytes) else { return }
        guard host.adversary != nil else {
            witness.heard(datagram, by: population.ids[index], host: index, of: host, at: now) {
                self.verify([$0]).holdsEntirely
            }
            return transport(bytes, datagram, to: endpoint, from: index)
        }
        var scene = scene(of: index)
        host.adversary!.send(datagram, to: endpoint, scene: &scene)
        leave(scene, from: index)
    }

    func leave(_ scene: Scene, from index: Int) {
        for (bytes, endpoint) in scene.outbox { transport(bytes, nil, to: endpoint, from: index) }
        for transmission in scene.transmissions { radiate(transmission, by: index) }
    }

    /// - Parameter datagram: What the octets say, if it is known.
    private func transport(_ bytes: [UInt8], _ datagram: Datagram?, to endpoint: Endpoint, from index: Int) {
        guard !isHidden(datagram, from: index, to: endpoint) else { return }
        var arrivals: [Arrival] = []
        let drawn = links.send(bytes, from: index, to: endpoint, at: now, &arrivals)
        if let drawn { trace(index) { .init("sent", "", to: drawn.to, fate: drawn.fate) } }
        for arrival in arrivals {
            if spread.isOn, let datagram = datagram ?? (try? Datagram(decoding: bytes.octetBytes)) {
                spread.deliver(datagram, from: index, to: arrival.host)
            }
            // A datagram finds whatever life the host then has.
            add(
                .event(.datagram(arrival.bytes, from: arrival.source), life: hosts[arrival.host].life),
                to: arrival.host, at: arrival.at)
        }
    }

    /// Whether a fault keeps this vote, or what it led to, from its receiver.
    private func isHidden(_ datagram: Datagram?, from index: Int, to endpoint: Endpoint) -> Bool {
        guard links.isFaulty, let datagram, let receiver = Network.host(at: endpoint)?.host else {
            return false
        }
        let faults = links.faults(.splitVotes).filter { $0.hosts.contains(receiver) }
        guard !faults.isEmpty else { return false }
        for case .message(let octets) in datagram.frames {
            guard let message = try? Message(decoding: octets),
                faults.contains(where: { hides($0, message, from: receiver) })
            else { continue }
            injected["votesHidden", default: 0] += 1
            return true
        }
        return false
    }

    private func hides(_ fault: Fault, _ message: Message, from receiver: Int) -> Bool {
        let ballot: Ballot
        switch message {
        case .vote(let vote): ballot = vote.ballot
        case .certificate(let certificate): ballot = certificate.ballot
        case .proposal(let proposal):
            // It carries the nullification of the view before.
            guard proposal.view > 1 else { return false }
            ballot = .nullify(proposal.header.epoch, proposal.view - 1)
        default: return false
        }
        var chance = Chance(seed: plan.seed ^ ballot.epoch << 32 ^ UInt64(ballot.view))
        var order = fault.hosts
        chance.shuffle(&order)
        let few = max(1, (plan.validators - 1) / 3)
        return switch ballot {
        case .notarize: fault.amount == 0 && !order.prefix(few).contains(receiver)
        case .nullify: fault.amount == 1 && ballot.view % 2 == 1 && order.suffix(few).contains(receiver)
        case .finalize: false
        }
    }

    private func transmit(_ transmission: Transmission, by index: Int) {
        let host = hosts[index]
        add(
            .event(.radioTransmitted(power: transmission.power), life: host.life), to: index,
            at: host.soon(after: now, 2))
        radiate(transmission, by: index)
    }

    /// Second machines have no antenna.
    private func radiate(_ transmission: Transmission, by index: Int) {
        guard index < plan.hosts else { return }
        for (receiver, measurement) in air.receptions(of: transmission, from: index) {
            add(
                .event(
                    .radioHeard(payload: transmission.payload, measurement), life: hosts[receiver].life),
                to: receiver, at: now + .milliseconds(100))
        }
    }

    private func hear(_ notice: Notice, of index: Int) {
        guard hosts[index].isHonest, case .diverged(let epoch, _, _) = notice else { return }
        hosts[index].isHalted = true
        trace(index) { .init("halted", "epoch \(epoch)") }
        guard !hosts[index].isOdd else { return injected["halted", default: 0] += 1 }
        witness.report("stateRoots", "computes another state in epoch \(epoch)", at: now, host: index)
    }

    func rearm(_ index: Int) {
        let host = hosts[index]
        guard let deadline = host.node?.deadline, deadline < .never else { return }
        let at = max(now, host.clock.world(at: deadline))
        guard at < host.wakesAt || host.wakesAt <= now else { return }
        host.wakesAt = at
        add(.wake, to: index, at: at)
    }
}
