internal import Chance
internal import Node
internal import Wire

/// Starts, ends, and everything that a plan does to hosts.
extension World {
    func start(_ index: Int) {
        let host = hosts[index]
        host.life += 1
        host.outputs = OutputQueue(limits: plan.outputLimits)
        host.isStalled = false
        host.transmissions = []
        host.committing = []
        host.isOdd = false
        hasFinal = true
        host.isHalted = false
        trace(index) { .init("start", "life \(host.life), epoch \(host.disk.lastEpoch) final") }
        do {
            guard !host.disk.isUnreadable else { throw Unreadable() }
            var actions: [NodeAction] = []
            if isEdge(index) {
                host.edge = try EdgeNode(
                    genesis: population.genesis, network: network, key: population.keys[index],
                    vrfKey: population.vrfKeys[index], settings: settings(of: index), boot: host.disk.boot,
                    chance: chance.split(), now: host.clock.reading(at: now), actions: &actions)
            } else {
                host.node = try Node(
                    genesis: population.genesis, key: population.keys[index],
                    vrfKey: population.vrfKeys[index], settings: settings(of: index), boot: host.disk.boot,
                    chance: chance.split(), now: host.clock.reading(at: now), sharedWork: sharedWork,
                    actions: &actions)
            }
            host.carrier = nil
            if plan.sealed { host.carrier = carrier(of: index, card: host.machine!.card) }
            carryOut(actions, of: index)
        } catch  where host.disk.isFlipped {
            // What its operator then does: moves the store away. The node cannot know what it signed before.
            injected["damageFound", default: 0] += 1
            lose(index)
            start(index)
        } catch {
            witness.report("boot", "\(error)", at: now, host: index)
        }
    }

    /// Second machines are never edge nodes.
    func isEdge(_ index: Int) -> Bool { index >= plan.fullHosts && index < plan.hosts }

    private struct Unreadable: Error {}

    private func settings(of index: Int) -> NodeSettings {
        let host = hosts[index]
        let face = index < plan.hosts ? index : population.twinned[index - plan.hosts]
        // Three bootstrap nodes, so that one that is down or bad keeps nobody out.
        let others = (0..<min(4, plan.hosts)).filter { $0 != face }.prefix(3)
        var settings = NodeSettings(
            roles: population.roles[index], endpoints: [Network.endpoint(of: face)],
            bootstrap: others.map { (population.ids[$0], Network.endpoint(of: $0)) },
            region: nil, recordSequence: UInt64(host.life))
        settings.delta = .milliseconds(plan.deltaMilliseconds)
        settings.learnsEndpoint = true
        settings.votesFrom = host.votesFrom
        // An adversary's key signs what its node does not know of.
        settings.resigns = host.isHonest
        settings.softwareVersion = host.softwareVersion
        // In the clear a datagram that was changed on its way comes from whom it names, where a session would have dropped it.
        settings.provesSenders = plan.sealed || !plan.changesDatagrams
        if plan.quietMembership { settings.quietMembership() }
        return settings
    }

    /// The disk is empty now, and its node must not sign until its operator says from when on.
    private func lose(_ index: Int) {
        hosts[index].disk = Disk()
        edgeProgress.note(index, epoch: 0)
        hasFinal = true
        hosts[index].votesFrom = .max
    }

    func cut(_ index: Int) {
        trace(index) { .init("crash", "") }
        if hosts[index].isUp { hosts[index].downSince = now }
        hosts[index].cut()
    }

    func begin(_ fault: Fault) {
        let isOfStrangers = fault.kind == .garbage || fault.kind == .spoof
        // Where nothing is sealed their octets are no datagrams.
        if !isOfStrangers || plan.sealed { injected[fault.kind.rawValue, default: 0] += 1 }
        links.begin(fault)
        if isOfStrangers { spoof(fault) }
        for index in fault.hosts where index < plan.hosts {
            let host = hosts[index]
            trace(index) { .init("begin", fault.kind.rawValue) }
            switch fault.kind {
            case .crash, .bitFlip, .upgrade: cut(index)
            case .oddState: disturb(index, by: fault)
            case .wipe:
                cut(index)
                lose(index)
            case .staleStore: host.backup = host.disk
            case .pause: host.isPaused = true
            case .jump:
                host.clock.set(aheadBy: .milliseconds(fault.amount), at: now)
                rearm(index)
            case .skew:
                host.clock.set(partsPerMillion: Int64(fault.amount), at: now)
                rearm(index)
            case .partition, .cut, .flap, .splitVotes, .leaderCut, .clog, .swizzle, .loss, .bandwidth, .nat,
                .fullCone, .symmetric, .readdress, .garbage, .spoof:
                break
            case .slowDisk, .tornBatch, .fullDisk: break
            }
        }
    }

    /// Breaks a host's memory at a moment at which it holds no block that it has executed already.
    func disturb(_ index: Int, by fault: Fault) {
        let host = hosts[index]
        guard host.isHonest, now < .origin + .milliseconds(fault.until), !host.isOdd else { return }
        if let node = host.node, node.disturb(units: Int64(max(1, fault.amount))) {
            host.isOdd = true
            hasFinal = true
            injected["disturbed", default: 0] += 1
            trace(index) { .init("disturbed", "") }
        } else {
            add(.disturb(fault), to: index, at: now + .milliseconds(50))
        }
    }

    func end(_ fault: Fault) {
        links.end(fault)
        for index in fault.hosts where index < plan.hosts {
            let host = hosts[index]
            trace(index) { .init("end", fault.kind.rawValue) }
            switch fault.kind {
            case .crash, .wipe, .tornBatch, .fullDisk: revive(index)
            case .upgrade:
                host.softwareVersion += 1
                revive(index)
            case .bitFlip:
                if !host.isUp, !isHeldDown(index) {
                    host.disk.flip(ofVotes: fault.amount == 1, &host.chance)
                }
                revive(index)
            case .staleStore:
                guard let backup = host.backup else { continue }
                cut(index)
                host.disk = backup
                edgeProgress.note(index, epoch: backup.lastEpoch)
                host.backup = nil
                host.votesFrom = .max
                revive(index)
            case .pause:
                host.isPaused = false
                let missed = host.missed
                host.missed = []
                for event in missed { arrive(event, at: index) }
                handle(.woke, at: index)
            case .skew:
                host.clock.set(partsPerMillion: 0, at: now)
                rearm(index)
            case .partition, .cut, .flap, .splitVotes, .leaderCut, .clog, .swizzle, .loss, .bandwidth, .nat,
                .fullCone, .symmetric, .readdress, .garbage, .spoof:
                break
            case .slowDisk: if host.isStalled { revive(index) }
            case .jump, .oddState: break
            }
        }
    }

    /// Another fault keeps the host down.
    private func isHeldDown(_ index: Int) -> Bool {
        let time = (now - .origin).milliseconds
        return plan.faults.contains {
            [.crash, .wipe, .bitFlip, .upgrade].contains($0.kind) && $0.hosts.contains(index)
                && Int64($0.at) <= time
                && time < Int64($0.until)
        }
    }

    private func revive(_ index: Int) {
        guard !hosts[index].isUp, !isHeldDown(index) else { return }
        checkForgotten(index)
        start(index)
    }

    /// Says from which epoch on hosts may vote again whose stores were lost or put back: one that nobody has
    /// voted in yet.
    func lift() {
        let open = hosts.compactMap { $0.node?.openEpoch }.max() ?? 1
        for index in 0..<plan.hosts where hosts[index].votesFrom == .max {
            trace(index) { .init("lift", "votes from epoch \(open + 1)") }
            hosts[index].votesFrom = open + 1
            cut(index)
            start(index)
        }
    }

    /// The fault of a kind that is upon a host now.
    func fault(_ kind: Fault.Kind, at index: Int) -> Fault? {
        plan.faults.first {
            $0.kind == kind && $0.hosts.contains(index) && now >= .origin + .milliseconds($0.at)
                && now < .origin + .milliseconds($0.until)
        }
    }

    /// A commit that a fault meets; true if the host went down with it.
    func breaks(_ batch: [Persisted], of index: Int) -> Bool {
        let host = hosts[index]
        if fault(.fullDisk, at: index) != nil {
            // As the real driver: it says that the store took nothing more, and ends.
            cut(index)
            injected["commitRefused", default: 0] += 1
            return true
        }
        if fault(.tornBatch, at: index) != nil {
            // The store is atomic: after a power cut the batch is whole or not there.
            let isWhole = host.chance.happens(1, in: 2)
            if isWhole { host.disk.commit(batch) }
            injected[isWhole ? "tornWhole" : "tornLost", default: 0] += 1
            if isWhole { tell(batch, of: index) }
            cut(index)
            return true
        }
        return false
    }
}
