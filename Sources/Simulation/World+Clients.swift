internal import Bytes
internal import Chance
internal import Identity
internal import Node
internal import Wire

/// Wallets, and what a plan expects.
extension World {
    /// One transfer, to some hosts, so often as an impatient wallet sends it.
    func submit() {
        let up = (0..<plan.hosts).filter { hosts[$0].isSound && hosts[$0].node != nil }
        guard let payer = chance.pick(up), let node = hosts[payer].node, plan.hosts > 1 else { return }
        let id = population.ids[payer]
        let hasRival = chance.happens(plan.clients.conflictsPercent, in: 100)
        for rival in 0..<(hasRival ? 2 : 1) {
            let other = population.ids[(payer + 1 + chance.below(plan.hosts - 1)) % plan.hosts]
            let transaction = Transaction(
                account: id, nonce: node.account(id).nonce + 1,
                fee: population.genesis.parameters.feeMin + UInt64(chance.below(1_000)),
                expiry: node.openEpoch + 8,
                kind: change(by: payer) ?? .transfer(to: other, UInt64(1 + chance.below(1_000)))
            ).signed(by: population.keys[payer], network: network)
            if case .unstake = transaction.kind { unstakings.append((transaction, node.openEpoch)) }
            var targets = Array(0..<plan.hosts)
            chance.shuffle(&targets)
            for target in targets.prefix(plan.clients.targets) {
                for again in 0..<plan.clients.repeats {
                    let payload = Payload(
                        frames: [.message(Message.transaction(transaction).encoded())]
                    ).encoded()
                    add(
                        .event(
                            .payload(payload, from: Self.walletID, Self.wallet), life: hosts[target].life),
                        to: target, at: now + .milliseconds(1 + rival + 20 * again))
                }
            }
        }
    }

    /// A change of the host's own stake or device, in as many cases as the plan says.
    private func change(by host: Int) -> TransactionKind? {
        guard plan.clients.changesPercent > 0, chance.happens(plan.clients.changesPercent, in: 100) else {
            return nil
        }
        let id = population.ids[host]
        if let change = seatChange(by: host) { return change }
        if host < plan.validators { return .stake(id, UInt64(1 + chance.below(1_000))) }
        guard !population.roles[host].isEmpty else { return nil }
        return .updateDevice(id, RadioProfile(region: .eu868, gain: Int16(chance.below(60))), owner: nil)
    }

    /// A hotspot that takes a seat, or a validator that gives its one up, each once.
    private func seatChange(by host: Int) -> TransactionKind? {
        guard let node = hosts[host].node else { return nil }
        let id = population.ids[host]
        let validator = node.validator(id)
        let newcomers = plan.validators..<plan.validators + min(plan.clients.joiners, plan.hotspots)
        if newcomers.contains(host), validator == nil {
            let consent = Consent(
                device: population.keys[host], owner: id, vrfKey: population.vrfKeys[host].publicKey,
                network: network)
            return .registerValidator(consent, stake: Self.newcomersStake)
        }
        if (plan.validators - plan.clients.leavers..<plan.validators).contains(host),
            let stake = validator?.versions.last?.stake, stake > 0
        {
            return .unstake(id, stake)
        }
        return nil
    }

    private static let newcomersStake: Amount = 5_000 * 100_000_000

    private static let walletID: NodeID = {
        let seed = [UInt8](repeating: 0x57, count: SigningKey.seedByteCount)
        return SigningKey(seed: seed.octetBytes).nodeID
    }()

    /// Where wallets are: nobody answers there.
    private static var wallet: Endpoint { Endpoint(ipv4: 0x0AFF_FF01, port: 5_000) }

    var transfers: Int {
        let blocks = hosts.first(where: \.isSound)?.disk.blocks ?? []
        return blocks.reduce(0) { $0 + $1.block.body.transactions.count }
    }

    func compareWithExpectations() {
        let expects = plan.expects
        func expect(_ holds: Bool, _ what: String) {
            if !holds { witness.report("expectation", what, at: now, host: nil) }
        }
        let viewMax = witness.views.max() ?? 0
        expect(viewMax >= expects.viewAtLeast, "no view later than \(viewMax), not \(expects.viewAtLeast)")
        expect(
            witness.splitViews >= expects.splitsAtLeast,
            "\(witness.splitViews) certificate splits, not \(expects.splitsAtLeast)")
        if !expects.counted.isEmpty {
            let counters = sessionCounters
            for name in expects.counted { expect(counters[name] != nil, "no \(name) was counted") }
        }
        for name in expects.injected {
            expect(injected[name] != nil || links.injected[name] != nil, "no \(name) happened")
        }
        expect(
            transfers >= expects.transfersAtLeast, "\(transfers) transfers, not \(expects.transfersAtLeast)")
        expect(
            witness.committeeCount >= expects.committeesAtLeast,
            "\(witness.committeeCount) committees, not \(expects.committeesAtLeast)")
        expect(
            !expects.everyBundle || outcome.bundlesIncluded == outcome.bundlesSigned,
            "\(outcome.bundlesIncluded) of \(outcome.bundlesSigned) bundles are in blocks")
        if expects.unstakingEpochsMax > 0 { compareUnstakings() }
        for host in expects.ignored {
            for other in hosts.indices where hosts[other].isHonest && hosts[other].node != nil {
                let isIgnored = ignored.contains { $0.host == host && $0.by == other }
                expect(isIgnored, "host \(other) has never ignored host \(host)")
            }
        }
        for host in expects.halted { expect(hosts[host].isHalted, "host \(host) has not stopped") }
    }

    private func compareUnstakings() {
        guard let disk = hosts.first(where: \.isHonest)?.disk else { return }
        for (transaction, epoch) in unstakings {
            let latest = epoch + Epoch(plan.expects.unstakingEpochsMax)
            guard latest <= disk.lastEpoch else { continue }
            let isDone = disk.blocks.contains { block, _ in
                block.header.epoch <= latest
                    && block.body.transactions.contains {
                        $0.account == transaction.account && $0.nonce == transaction.nonce
                    }
            }
            guard !isDone else { continue }
            let host = population.numbers[transaction.account] ?? 0
            witness.report(
                "expectation", "host \(host)'s unstaking of epoch \(epoch) is in no block up to \(latest)",
                at: now, host: nil)
        }
    }
}
