internal import Bytes
internal import Chance
internal import Coverage
internal import Identity
internal import Node
internal import Wire

/// What nodes want done.
extension World {
    func carryOut(_ actions: [NodeAction], of index: Int) {
        let host = hosts[index]
        let life = host.life
        for action in actions {
            switch action {
            case .send(let payload, let destination):
                if !host.outputs.send(payload, to: destination) { injected["sendsLost", default: 0] += 1 }
            case .persist(let persisted): host.outputs.persist(persisted)
            case .verify(let ticket, let checks):
                let answer = NodeEvent.verified(ticket: ticket, verify(checks))
                add(
                    .event(answer, life: life), to: index,
                    at: host.soon(after: now, plan.workerMillisecondsMax))
            case .transmit(let transmission):
                host.transmissions.append((transmission, host.commits + host.outputs.commitsAhead))
            case .serve(let request, let peer):
                let answer = NodeEvent.served(host.disk.answer(request), to: peer)
                add(
                    .event(answer, life: life), to: index, at: host.soon(after: now, plan.diskMillisecondsMax)
                )
            case .card(let card): carry(.card(card), by: index)
            case .hold(let node): carry(.hold(node), by: index)
            case .release(let node): carry(.release(node), by: index)
            case .notice(let notice): hear(notice, of: index)
            }
        }
        guard !host.outputs.isOverfull else { return stall(index) }
        pump(index)
        rearm(index)
    }

    /// As the real driver: it says that the disk does not keep up, and ends.
    private func stall(_ index: Int) {
        injected["diskStalled", default: 0] += 1
        cut(index)
        hosts[index].isStalled = true
    }

    private func pump(_ index: Int) {
        let host = hosts[index]
        checkOutputs(of: index)
        var leaving: [(payload: [UInt8], to: Destination)] = []
        let batch = host.outputs.pump { leaving.append(($0, $1)) }
        for (payload, destination) in leaving { leave(payload, to: destination, from: index) }
        while let next = host.transmissions.first, next.commits <= host.commits {
            host.transmissions.removeFirst()
            transmit(next.transmission, by: index)
        }
        guard let batch else { return }
        host.committing = batch
        let slow = fault(.slowDisk, at: index)?.amount
        add(
            .committed(life: host.life), to: index,
            at: host.soon(after: now, slow ?? plan.diskMillisecondsMax))
    }

    /// What waits for the disk is bounded, by the plan's numbers and not by what the queue says of itself.
    private func checkOutputs(of index: Int) {
        let queue = hosts[index].outputs
        let limits = plan.outputLimits
        guard queue.sendsCount > limits.sendsMax || queue.count > limits.outputsMax else { return }
        witness.report(
            "outputs", "\(queue.sendsCount) sends and \(queue.count) outputs wait for the disk", at: now,
            host: index)
    }

    func committed(_ index: Int) {
        let host = hosts[index]
        let batch = host.committing
        host.committing = []
        guard !breaks(batch, of: index) else { return }
        for case .peers(let cards) in batch { checkCards(cards, of: index) }
        if !isLarge { checkPeers(of: index) }
        host.disk.commit(batch)
        trace(index) { .init("committed", batch.map(Self.name).joined(separator: " ")) }
        // Every bound and every invariant of the host's machines; ends the process where one is broken. In large worlds at
        // some of the commits only: the walk through all tables costs more than all that changes them.
        host.commits += 1
        if host.commits % checkEvery == 0 { host.machine?.assertInvariants() }
        tell(batch, of: index)
        host.outputs.committed()
        pump(index)
    }

    /// Tells the witness what is durable now.
    func tell(_ batch: [Persisted], of index: Int) {
        for case .bundle(let bundle, isOwn: true) in batch { witness.kept(bundle, host: index) }
        if isEdge(index) { tell(batch, ofEdge: index) }
        for case .followed(let headers) in batch where hosts[index].isHonest {
            for final in headers.finals { witness.followed(final.header, at: now, host: index) }
        }
        for case .adopted(let adopted) in batch {
            hasFinal = true
            injected["adopted", default: 0] += 1
            guard hosts[index].isHonest, let last = adopted.blocks.last?.block.header else { continue }
            trace(index) { .init("adopted", "epoch \(last.epoch)") }
            witness.followed(last, at: now, host: index)
        }
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
            if !witness.isDecided(final.final.header.epoch) {
                let epoch = final.final.header.epoch
                let isHealed = healedEpoch.map { epoch > $0 + 1 } ?? false
                witness.checkEvidence(
                    of: final.block, honest: blameless, due: isHealed ? authors(in: epoch) : nil, at: now,
                    host: index)
                if let healedEpoch {
                    witness.checkVerdicts(
                        final.verdicts, since: healedEpoch + 1, honest: blameless, at: now, host: index)
                }
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

    private func tell(_ batch: [Persisted], ofEdge index: Int) {
        for case .following(_, let last?) in batch {
            if edgeProgress.note(index, epoch: last.epoch) { hasFinal = true }
            guard hosts[index].isHonest else { continue }
            trace(index) { .init("followed", "epoch \(last.epoch) \(last.digest)") }
            witness.followed(last, at: now, host: index)
        }
    }

    private func transmit(_ transmission: Transmission, by index: Int) {
        let host = hosts[index]
        trace(index) { .init("transmit", "\(transmission.payload.count) octets") }
        add(
            .event(.radioTransmitted(power: transmission.power), life: host.life), to: index,
            at: host.soon(after: now, 2))
        radiate(transmission, by: index)
    }

    /// Second machines have no antenna.
    func radiate(_ transmission: Transmission, by index: Int) {
        guard index < plan.hosts else { return }
        for (receiver, measurement) in air.receptions(of: transmission, from: index) {
            add(
                .event(
                    .radioHeard(payload: transmission.payload, measurement), life: hosts[receiver].life),
                to: receiver, at: now + .milliseconds(100))
        }
    }

    private func hear(_ notice: Notice, of index: Int) {
        if isEdge(index), hosts[index].isHonest, case .unregistered = notice {
            // Every edge node of a world is in its genesis.
            witness.report("believes", "that the registry does not know it", at: now, host: index)
        }
        if case .ignored(let node, _) = notice { noteIgnoring(of: node, by: index) }
        // That a voter contradicts itself is so; whatever else a node is alarmed by must not be.
        if case .alarm(let what) = notice, isBlameless(index), !what.hasPrefix("contradiction") {
            witness.report("alarm", what, at: now, host: index)
        }
        guard hosts[index].isHonest, case .diverged(let epoch, _, _) = notice else { return }
        hosts[index].isHalted = true
        trace(index) { .init("halted", "epoch \(epoch)") }
        guard !hosts[index].isOdd else { return injected["halted", default: 0] += 1 }
        witness.report("stateRoots", "computes another state in epoch \(epoch)", at: now, host: index)
    }

    /// Full nodes that do nothing wrong, with no disturbed memory and no second machine.
    private var blameless: [NodeID: Int] {
        var list: [NodeID: Int] = [:]
        for index in 0..<plan.fullHosts where isBlameless(index) { list[population.ids[index]] = index }
        return list
    }

    /// Of these, who make a bundle in an epoch: devices that have not lost what they signed before.
    private func authors(in epoch: Epoch) -> [NodeID: Int] {
        blameless.filter { _, index in
            hosts[index].isUp && !population.roles[index].isEmpty && hosts[index].votesFrom <= epoch
        }
    }

    private func isBlameless(_ index: Int) -> Bool {
        hosts[index].isHonest && !hosts[index].isOdd && !population.twinned.contains(index)
    }

    /// An honest host is never ignored: its own faults are nobody's but a bug's.
    private func noteIgnoring(of node: NodeID, by index: Int) {
        guard hosts[index].isHonest, let number = population.numbers[node], number < plan.hosts else {
            return
        }
        if !ignored.contains(where: { $0.host == number && $0.by == index }) {
            let at = (now - .origin).milliseconds
            ignored.append(Ignoring(host: number, by: index, atMilliseconds: at))
        }
        guard isBlameless(number) else { return }
        witness.report("scores", "ignores host \(number), which did nothing wrong", at: now, host: index)
    }

    func rearm(_ index: Int) {
        let host = hosts[index]
        guard let own = host.node?.deadline ?? host.edge?.deadline else { return }
        var deadline = min(own, host.carrier?.deadline ?? .never)
        for alias in host.aliases { deadline = min(deadline, alias.deadline) }
        guard deadline < .never else { return }
        let at = max(now, host.clock.world(at: deadline))
        guard at < host.wakesAt || host.wakesAt <= now else { return }
        host.wakesAt = at
        add(.wake, to: index, at: at)
    }
}
