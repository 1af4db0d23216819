internal import Chance
internal import Identity
internal import Node
internal import Session
internal import Wire

/// Those on the network who are no hosts, and what nobody may make a host do.
extension World {
    private static let spoofPeriod: Duration = .milliseconds(10)

    func spoof(_ fault: Fault) {
        guard now < .origin + .milliseconds(fault.until) else { return }
        add(.spoof(fault), to: 0, at: now + Self.spoofPeriod)
        let each = max(1, fault.amount * Int(Self.spoofPeriod.milliseconds) / 1_000)
        for index in fault.hosts where index < plan.hosts && hosts[index].node != nil {
            for _ in 0..<each {
                let (bytes, source) = strange(fault, for: index)
                injected["strangeDatagrams", default: 0] += 1
                arrive(.datagram(bytes, from: source), at: index)
            }
        }
    }

    private func strange(_ fault: Fault, for index: Int) -> (bytes: [UInt8], from: Endpoint) {
        guard fault.kind == .spoof, plan.sealed else {
            let source = Endpoint(
                ipv4: 0x0B00_0001 + UInt32(strangersChance.below(1 << 16)) << 8, port: 6_000)
            return (Spoofer.garbage(&strangersChance), source)
        }
        var spoofer =
            spoofers[index]
            ?? Spoofer(
                target: population.ids[index], at: Network.endpoint(of: index), network: network,
                chance: strangersChance.split(), now: now)
        defer { spoofers[index] = spoofer }
        return spoofer.next(at: now)
    }

    /// Whether it went to a spoofer's own address.
    func isForSpoofer(_ bytes: [UInt8], to endpoint: Endpoint, from index: Int) -> Bool {
        guard endpoint == Spoofer.home else { return false }
        spoofers[index]?.receive(bytes, at: now)
        return true
    }

    /// By the host's own clock, by which its limits go: where that jumps, a new second begins.
    private func second(of host: Host) -> Int64 {
        (host.clock.reading(at: now) - .origin).milliseconds / 1_000
    }

    /// Calls of strangers that a host may work on in a second: as many as it takes unproven, twice as one window of its limit
    /// may end within this second; those of one proven prefix, and some that were sent before; and a few of each edge node,
    /// which is a stranger to everybody, with a prefix of its own.
    private var workMax: UInt64 { 2 * 50 + 20 + 10 + 5 * UInt64(plan.edges) }

    /// What no datagram may bring about.
    func checkSessions(of index: Int, _ carrier: Carrier, tookFrom bytes: [UInt8]?) {
        let host = hosts[index]
        guard host.isHonest else { return }
        if let bytes, !taken.insert(Self.mixture(bytes) &+ UInt64(index)).inserted {
            witness.report(
                "heardTwice", "took a sealed datagram for new that it had heard before", at: now, host: index)
        }
        if carrier.sessions[.badInitiation] > 0 {
            witness.report(
                "worksForGarbage", "computed for a call whose sender does not know whom it calls", at: now,
                host: index)
        }
        let second = second(of: host)
        if second != host.workSince.second { host.workSince = (second, carrier.sessions.answersBegun) }
        let work = carrier.sessions.answersBegun - host.workSince.begun
        if work > workMax {
            witness.report(
                "worksForStrangers", "computed for \(work) calls of strangers within a second", at: now,
                host: index)
        }
    }

    /// Four calls at once and two a second, each tried at most three times in five seconds.
    private static let callsMax = 18

    /// Nobody but its own wish makes a host call those who are no hosts. Cards of such, which other dishonest hosts make up,
    /// are its own wish.
    func checkCall(_ bytes: [UInt8], to endpoint: Endpoint, by index: Int) {
        guard hasIntroducer, bytes.count == 1_200, bytes.first == 1, hosts[index].isHonest,
            Network.host(at: endpoint) == nil
        else { return }
        let host = hosts[index]
        let second = second(of: host)
        if second != host.callsSince.second { host.callsSince = (second, 0) }
        host.callsSince.count += 1
        guard host.callsSince.count > Self.callsMax else { return }
        witness.report(
            "callsForOthers", "called \(host.callsSince.count) times within a second who is not there",
            at: now,
            host: index)
    }

    private static let peersOfPrefixMax = 2

    /// Who does not exist, but speaks from one prefix, may have a small part of a host's peers only.
    func checkPeers(of index: Int) {
        guard hosts[index].isHonest, let node = hosts[index].node else { return }
        var counts: [UInt32: Int] = [:]
        for (peer, place) in node.places where population.numbers[peer] == nil {
            counts[(place.ipv4 ?? 0) >> 8, default: 0] += 1
        }
        guard counts.values.contains(where: { $0 > Self.peersOfPrefixMax }) else { return }
        witness.report("prefixLimits", "has more than two peers of one prefix", at: now, host: index)
    }

    /// A turn, all of a question's times at the worst local health, and as much again.
    private static let mourning: Duration = .seconds(90)

    /// A host that comes back after so long is nobody's peer any more, but for those that something befell a moment ago.
    func checkForgotten(_ index: Int) {
        let since = hosts[index].downSince
        guard since + Self.mourning <= now, hosts[index].isHonest, !plan.quietMembership else { return }
        let id = population.ids[index]
        for (other, host) in hosts.enumerated() where other != index && host.isSound && !host.isPaused {
            guard host.node?.places.contains(where: { $0.0 == id }) == true, !isDisturbed(other) else {
                continue
            }
            witness.report(
                "forgetsTheDead",
                "has host \(index) for a peer, which crashed \((now - since).milliseconds) ms ago",
                at: now, host: other)
        }
    }

    private func isDisturbed(_ index: Int) -> Bool {
        let (from, end) = ((now - .origin - Self.mourning).milliseconds, (now - .origin).milliseconds)
        return plan.faults.contains {
            ($0.hosts.contains(index) || $0.others.contains(index)) && Int64($0.at) <= end
                && from <= Int64($0.until)
        }
    }

    /// An edge node takes no more of its bundles for included than blocks hold.
    func checkInclusions(of index: Int) {
        guard let edge = hosts[index].edge,
            let full = hosts.filter({ $0.isSound && $0.node != nil }).max(by: {
                $0.disk.lastEpoch < $1.disk.lastEpoch
            }),
            let believed = edge.counters.first(where: { $0.0 == "edge.bundlesIncluded" })?.1
        else { return }
        let id = population.ids[index]
        let held = full.disk.blocks.count { $0.block.evidence.contains { $0.author == id } }
        guard believed > held else { return }
        witness.report(
            "believes", "that \(believed) of its bundles are in blocks, not \(held)", at: now, host: index)
    }

    /// A card that a host holds of a validator never gives way to an older one; in its next life it may have room for
    /// fewer.
    func checkCards(_ cards: [NodeRecord], of index: Int) {
        let host = hosts[index]
        guard host.isHonest else { return }
        let before = host.held
        for card in cards where !isLarge && before[card.node] != card.sequence {
            let signed = SigningDomain.record.preimage(network: network, message: card.signedBytes)
            guard !verify([.signature(card.node, preimage: signed, card.signature)]).holds else { continue }
            witness.report("cardSignatures", "believes a card that nobody signed", at: now, host: index)
        }
        host.held = Dictionary(uniqueKeysWithValues: cards.map { ($0.node, $0.sequence) })
        for card in cards {
            guard let number = population.numbers[card.node], number < plan.validators,
                let known = before[card.node], card.sequence < known
            else { continue }
            witness.report(
                "recordSequence", "holds card \(card.sequence) of host \(number), after \(known)", at: now,
                host: index)
        }
    }
}
