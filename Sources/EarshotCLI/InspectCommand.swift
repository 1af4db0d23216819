import ArgumentParser
import Bytes
import Foundation
import Identity
import Node
import Records
import Runtime
import Store
import Wire

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Look into a node's store, whether the node runs or not.",
        discussion: """
            DIR is a node's data directory, the folder that holds it (`.testnet/node1`), or the name of a node of the \
            testnet in `.testnet` (`node1`). Nothing is written. Nodes \
            are named by their id, ear1…, or by the first characters of its hexadecimal form.

              earshot inspect .testnet/node1 peers --sort rtt
              earshot inspect .testnet/node1 epochs
              earshot inspect .testnet/node1 beacon 3f0c…
              earshot inspect .testnet/node1 verify
            """)

    enum Topic: String, ExpressibleByArgument, CaseIterable {
        case status, peers, epochs, epoch, beacons, beacon, witness, account, rewards, validators, verify

        /// Verification has words of its own for it.
        var needsBlocks: Bool {
            switch self {
            case .status, .peers, .verify: false
            case .epochs, .epoch, .beacons, .beacon, .witness, .account, .rewards, .validators: true
            }
        }

        var hasSubject: Bool {
            switch self {
            case .epoch, .beacon, .witness, .account, .rewards: true
            case .status, .peers, .epochs, .beacons, .validators, .verify: false
            }
        }
    }

    @Argument(help: "A node's data directory, the folder that holds it, or a node's name in .testnet.")
    var directory: String

    @Argument(
        help:
            "status, peers, epochs, epoch N, beacons, beacon TAG, witness NODE, account ID, rewards N, validators or verify."
    )
    var topic: Topic

    @Argument(help: "What the topic is about: an epoch, a tag, a node.")
    var subject: String?

    @Option(help: "How many epochs or beacons to list at most.")
    var last = 20

    @Option(help: "How to sort peers: view, node, rtt, distance, seen or octets.")
    var sort = PeerOrder.view

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if last < 1 { throw ValidationError("--last takes 1 or more") }
        if let subject, !topic.hasSubject {
            throw ValidationError("`inspect … \(topic.rawValue)` takes no '\(subject)'")
        }
        switch topic {
        case .epoch, .rewards: _ = try number()
        case .beacon: _ = try tag()
        case .witness: _ = try need("a node id")
        case .account: _ = try need("an account's id")
        case .status, .peers, .epochs, .beacons, .validators, .verify: break
        }
    }

    func run() throws {
        let store = try NodePlace.store(in: directory)
        let inspector = Inspector(store: store, json: output.json)
        // What is not kept here would be told as if it were nowhere.
        if topic.needsBlocks, try store.lastEpoch() == 0, case let followed = try store.followedEpoch(),
            followed > 0
        {
            throw RuntimeError(
                "this is the store of an edge node, which has followed the chain to epoch \(followed) and keeps neither "
                    + "blocks nor accounts: ask a full node's")
        }
        switch topic {
        case .status: try inspector.status()
        case .peers: try inspector.peers(by: sort)
        case .epochs: try inspector.epochs(last: last)
        case .epoch: try inspector.epoch(try number())
        case .beacons: try inspector.beacons(last: last)
        case .beacon: try inspector.beacon(try tag())
        case .witness: try inspector.witness(try need("a node id"), last: last)
        case .account: try inspector.account(try need("an account's id"))
        case .rewards: try inspector.rewards(try number())
        case .validators: try inspector.validators()
        case .verify: try inspector.verify()
        }
    }

    private func need(_ what: String) throws -> String {
        guard let subject, !subject.isEmpty else {
            throw ValidationError("`inspect … \(topic.rawValue)` needs \(what)")
        }
        return subject
    }

    private func number() throws -> Epoch {
        guard let epoch = Epoch(try need("the number of an epoch")) else {
            throw ValidationError("\(subject ?? "") is no epoch's number")
        }
        return epoch
    }

    private func tag() throws -> Tag {
        guard let tag = Tag(text: try need("the beacon's tag, 16 hexadecimal digits")) else {
            throw ValidationError("a tag has 16 hexadecimal digits; `inspect … beacons` lists them")
        }
        return tag
    }
}

/// Answers one question from a store, as text or as JSON.
struct Inspector {
    let store: NodeStore
    let json: Bool

    func status() throws {
        let genesis = try store.genesis()
        let live = try store.status()
        let followed = try store.followedEpoch()
        let document = StatusDocument(
            network: genesis?.name, node: live?.node.text,
            lastFinalEpoch: max(try store.lastEpoch(), followed),
            stateRoot: try store.summary(try store.lastEpoch())?.stateRoot.hex,
            keptFrom: try store.keptBlocks()?.lowerBound, live: live.map(LiveDocument.init))
        if json { return try printJSON(document) }
        guard let live else {
            return print(
                "network          \(genesis?.name ?? "none yet")\nlast final epoch \(document.lastFinalEpoch)\nthe node has not run yet"
            )
        }
        print(
            """
            node             \(live.node.text)
            network          \(genesis?.name ?? "none yet")
            roles            \(live.roles.names.joined(separator: ", "))
            address          \(live.endpoint)
            last final epoch \(document.lastFinalEpoch)
            state root       \(document.stateRoot ?? "-")
            evidence kept    \(keptText(document))
            open epoch       \(live.openEpoch), view \(live.view)
            waits for        \(live.waitsFor)
            votes            \(live.mayVote ? "yes" : followed > 0 ? "no, it is an edge node" : "no, it observes only")
            peers            \(live.peers.count)
            last words       \(Presence(of: live, hasWriter: store.hasWriter, at: wallTime()).text)
            """)
        for counter in live.counters where counter.value > 0 { print("  \(counter.name) \(counter.value)") }
    }

    private func keptText(_ document: StatusDocument) -> String {
        guard let first = document.keptFrom else { return "none yet" }
        let all = "of epochs \(first) to \(document.lastFinalEpoch)"
        return first == 1 ? all : "\(all); of those before, headers and certificates only"
    }

    func epochs(last: Int) throws {
        let summaries = try store.summaries(last: last)
        if json { return try printJSON(summaries.map(EpochDocument.init)) }
        var table = TextTable(
            "EPOCH", "FINAL MS", "VIEW", "BUNDLES", "BEACONS", "VALID", "REJECTED", "MINTED", "STATE")
        for summary in summaries {
            table.add(
                "\(summary.epoch)", "\(summary.millisecondsToFinal)", "\(summary.view)", "\(summary.bundles)",
                "\(summary.beacons)", "\(summary.validReports)", "\(summary.rejectedReports)",
                tokens(summary.minted),
                summary.stateRoot.short)
        }
        print(table.text)
    }

    func epoch(_ epoch: Epoch) throws {
        guard let summary = try store.summary(epoch), let record = try store.blockRecord(epoch) else {
            if let final = try store.final(epoch) {
                let range = try store.keptBlocks()
                throw RuntimeError(
                    "of epoch \(epoch) only header \(final.header.digest.hex) and its certificate of "
                        + "\(final.certificate.voters.count) votes are here; evidence and verdicts are here of epochs "
                        + "\(range.map { "\($0.lowerBound) to \($0.upperBound)" } ?? "none")")
            }
            throw RuntimeError("epoch \(epoch) is not here; the last is \(try store.lastEpoch())")
        }
        if json { return try printJSON(EpochDocument(summary)) }
        let header = record.final.header
        print(
            """
            epoch         \(epoch), decided in view \(summary.view), \(summary.millisecondsToFinal) ms after the window
            header        \(summary.header.hex)
            parent        \(header.parent.hex)
            builder       \(summary.builder.text)
            votes         \(record.final.certificate.voters.count) in the certificate
            bundles       \(summary.bundles), of them conflicts \(summary.conflicts)
            beacons       \(summary.beacons) declared
            reports       \(summary.validReports) valid, \(summary.rejectedReports) rejected
            transactions  \(summary.transactions)
            minted        \(tokens(summary.minted)), burned \(tokens(summary.burned))
            supply        \(tokens(summary.totals.supply)), treasury \(tokens(summary.totals.treasury)), staked \(tokens(summary.totals.staked))
            state root    \(summary.stateRoot.hex)
            """)
    }

    func beacons(last: Int) throws {
        let end = try store.lastEpoch()
        let first = end > 50 ? end - 50 : 0
        let records = try store.verdicts(from: first).suffix(last)
        if json { return try printJSON(records.map(BeaconDocument.init)) }
        var table = TextTable("EPOCH", "BEACON", "BEACONER", "VERDICT", "VALID", "REPORTS")
        for record in records {
            let verdict = record.verdict
            table.add(
                "\(verdict.epoch)", "\(verdict.tag)", verdict.beaconer?.short ?? "-", "\(verdict.reason)",
                "\(verdict.reports.filter { $0.reason == .valid }.count)", "\(verdict.reports.count)")
        }
        print(table.text)
        if records.count < last, let forgotten = try forgotten() { complain(forgotten) }
    }

    /// Why there may be no verdict of an epoch: what is here of blocks begins later. Nil where it begins with the first.
    func forgotten() throws -> String? {
        guard let kept = try store.keptBlocks(), kept.lowerBound > 1 else { return nil }
        return
            "what blocks before \(kept.lowerBound) say of beacons is not here: this node has forgotten it, or took over the "
            + "state after them without executing them; blocks are here of epochs \(kept.lowerBound) to \(kept.upperBound)"
    }

    func beacon(_ tag: Tag) throws {
        let records = try store.verdicts(where: { $0.verdict.tag == tag })
        guard !records.isEmpty else {
            throw RuntimeError(
                "no verdict on beacon \(tag) is here; verdicts come with the block that carries the reveal"
                    + (try forgotten().map { "; \($0)" } ?? ""))
        }
        if json { return try printJSON(records.map(BeaconDocument.init)) }
        for record in records {
            let verdict = record.verdict
            print("beacon    \(tag) of epoch \(verdict.epoch), judged by block \(record.block)")
            print("beaconer  \(verdict.beaconer?.text ?? "unknown")")
            print("verdict   \(verdict.reason), scale \(fixed(verdict.scale)), units \(fixed(verdict.units))")
            if let reveal = verdict.reveal {
                print(
                    "sent      \(Double(reveal.frequency) / 1e6) MHz, \(reveal.dataRate), \(Double(reveal.power) / 10) dBm EIRP"
                )
            }
            print(witnesses(verdict.reports.map { (verdict, $0) }, named: false))
        }
    }

    func witness(_ name: String, last: Int) throws {
        let node = try node(name)
        let found = try store.verdicts(where: { $0.verdict.reports.contains { $0.reporter == node } })
        let rows = found.suffix(last).flatMap { record in
            record.verdict.reports.filter { $0.reporter == node }.map { (record.verdict, $0) }
        }
        if json { return try printJSON(rows.map { WitnessDocument(verdict: $0.0, report: $0.1) }) }
        if found.count < last, let forgotten = try forgotten() { complain(forgotten) }
        guard !rows.isEmpty else {
            let device = try store.state(.device(node), as: Device.self)
            return print(
                device == nil
                    ? "\(node.text) is not registered, so its reports are not accepted and it earns nothing; "
                        + "register it with `earshot tx register`"
                    : "no verdict that is here names \(node.text) as a witness")
        }
        print(witnesses(rows, named: true))
    }

    private func witnesses(_ rows: [(BeaconVerdict, ReportVerdict)], named: Bool) -> String {
        var table = TextTable(
            named ? "BEACON" : "WITNESS", "VERDICT", "FAULT OF", "RSSI dBm", "LOUDEST", "SNR dB", "MHz",
            "RATE", "METRES",
            "UNITS")
        for (verdict, report) in rows {
            let measured = report.measurement
            table.add(
                named ? "\(verdict.tag)" : report.reporter.short, "\(report.reason)",
                report.reason == .valid ? "-" : "\(report.side)", "\(Double(measured.rssi) / 10)",
                report.rssiMax.map { "\(Double($0) / 100)" } ?? "-", "\(Double(measured.snr) / 10)",
                "\(Double(measured.frequency) / 1e6)", "\(measured.dataRate)",
                report.distance.map { "\($0)" } ?? "-",
                fixed(report.units))
        }
        return table.text
    }

    func account(_ name: String) throws {
        let id = try node(name)
        let account = try store.state(.account(id), as: Account.self)
        let device = try store.state(.device(id), as: Device.self)
        let validator = try store.state(.validator(id), as: Validator.self)
        let activity = try store.state(.activity(id), as: Activity.self)
        let document = AccountDocument(
            account: id.text, balance: account.map { tokens($0.balance) }, nonce: account?.nonce,
            device: device.map { "\($0.kind)" }, stake: validator?.versions.last.map { tokens($0.stake) },
            lastWitnessed: activity?.lastWitnessed, lastWitnessing: activity?.lastWitnessing,
            suspendedUntil: activity?.suspendedUntil)
        if json { return try printJSON(document) }
        print("account     \(id.text)")
        print("balance     \(document.balance ?? "nothing: the account does not exist")")
        if let account { print("nonce       \(account.nonce)") }
        if let device, let version = device.versions.last {
            print(
                "device      \(device.kind), owner \(version.owner.text), effective from epoch \(version.effective)"
            )
            print("radio       \(version.profile.region.name), \(Double(version.profile.gain) / 10) dBi")
            print(
                "place       \(version.location.map { "\($0.position), cell \($0.cell)" } ?? "not asserted")")
        } else {
            print(
                "device      not registered: it may send nothing and earns nothing; see `earshot tx register`"
            )
        }
        if let stake = document.stake { print("stake       \(stake)") }
        if let activity {
            print(
                "witnessed   last in epoch \(activity.lastWitnessed); witnessing last in epoch \(activity.lastWitnessing)"
            )
        }
    }

    func rewards(_ epoch: Epoch) throws {
        guard let rewards = try store.recordedRewards(epoch) else {
            let last = try store.lastEpoch()
            guard epoch > 0, epoch <= last else {
                throw RuntimeError("what block \(epoch) pays is not here; the last is \(last)")
            }
            let range = try store.keptBlocks().map { "\($0.lowerBound) to \($0.upperBound)" } ?? "none"
            throw RuntimeError(
                "what block \(epoch) pays is not here: this node has forgotten it, or took over the state after "
                    + "it without executing it; blocks are here of epochs \(range)")
        }
        let documents = rewards.map {
            RewardDocument(
                node: $0.node.text, account: $0.account.text, kind: "\($0.kind)", amount: tokens($0.amount))
        }
        if json { return try printJSON(documents) }
        var table = TextTable("NODE", "FOR", "AMOUNT", "PAID TO")
        for reward in rewards {
            table.add(reward.node.short, "\(reward.kind)", tokens(reward.amount), reward.account.short)
        }
        print(rewards.isEmpty ? "block \(epoch) pays nothing" : table.text)
    }

    func validators() throws {
        var documents: [ValidatorDocument] = []
        for (key, value) in try store.stateEntries() {
            guard case .validator(let id) = key, let version = try Validator(decoding: value).versions.last
            else { continue }
            documents.append(
                ValidatorDocument(
                    node: id.text, owner: version.owner.text, stake: tokens(version.stake),
                    effective: version.effective))
        }
        if json { return try printJSON(documents) }
        var table = TextTable("VALIDATOR", "STAKE", "EFFECTIVE", "OWNER")
        for validator in documents {
            table.add(
                validator.node, validator.stake, "\(validator.effective)", String(validator.owner.prefix(12)))
        }
        print(table.text)
    }

    /// A node by its id or the beginning of its hexadecimal form.
    private func node(_ name: String) throws -> NodeID {
        if let id = try? NodeID(text: name) { return id }
        if let id = NodeID(hex: name) { return id }
        var found: Set<NodeID> = []
        for (key, _) in try store.stateEntries() {
            switch key {
            case .account(let id), .device(let id), .validator(let id):
                if id.hex.hasPrefix(name.lowercased()) { found.insert(id) }
            default: break
            }
        }
        guard let id = found.first, found.count == 1 else {
            throw RuntimeError(
                found.isEmpty
                    ? "\(name) is no node id, nor the beginning of one in the state"
                    : "\(name) is ambiguous: \(found.count) ids begin so")
        }
        return id
    }

    /// Four decimals.
    private func fixed(_ value: UInt32) -> String {
        let fraction = String(value % 10_000)
        return "\(value / 10_000)." + String(repeating: "0", count: 4 - fraction.count) + fraction
    }
}
