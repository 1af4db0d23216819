internal import Bytes
internal import Foundation
internal import Identity
public import Records
internal import Store
public import Wire

/// A running testnet: the ether, one process a node, and eyes on their stores.
public final class Testnet {
    /// How long all children may take to stop before they are killed.
    static let stopPatience: TimeInterval = 10

    public let plan: TestnetPlan
    public let directory: TestnetDirectory
    public private(set) var children: [String: ChildProcess] = [:]
    private var ether: ChildProcess?
    private var stores: [String: NodeStore] = [:]
    /// Of what `lookAtSpread` has seen.
    public private(set) var spread = TestnetSpread()

    private let executable: String
    /// Others stay out of the directory as long as this is here.
    private let lock: TestnetLock?

    /// - Parameter lock: What `TestnetDirectory` gave for it.
    /// - Parameter executable: the `earshot` program that the children run; this very program if not said.
    public init(
        plan: TestnetPlan, directory: TestnetDirectory, lock: TestnetLock? = nil,
        executable: String = ChildProcess.thisProgram
    ) {
        self.executable = executable
        self.lock = lock
        self.plan = plan
        self.directory = directory
    }

    /// Starts the ether, then every node that is not in `except`.
    public func start(except: Set<String> = []) throws {
        try directory.checkPorts(of: plan.members.map(\.name))
        ether = try ChildProcess(
            name: "ether", executable: executable,
            arguments: ["ether", directory.etherFile, "--stop-on-eof"],
            logFile: directory.etherLog)
        for member in plan.members where !except.contains(member.name) { try start(member.name) }
    }

    public func start(_ name: String) throws {
        children[name] = try ChildProcess(
            name: name, executable: executable,
            arguments: ["node", "--config", directory.configFile(name), "--stop-on-eof"],
            logFile: directory.log(name))
    }

    /// Names and messages of children that ended though nobody asked them to.
    public func deadChildren() -> [ChildProcess] {
        ([ether].compactMap { $0 } + plan.members.compactMap { children[$0.name] }).filter { !$0.isRunning }
    }

    /// Stops nodes first, then the ether; kills what does not stop in time.
    public func stop() {
        let nodes = plan.members.compactMap { children[$0.name] }
        for child in nodes { child.terminate() }
        wait(for: nodes)
        ether?.terminate()
        wait(for: [ether].compactMap { $0 })
    }

    private func wait(for list: [ChildProcess]) {
        let deadline = Date().addingTimeInterval(Self.stopPatience)
        while list.contains(where: \.isRunning), Date() < deadline { Thread.sleep(forTimeInterval: 0.02) }
        for child in list where child.isRunning { child.kill() }
        while list.contains(where: \.isRunning) { Thread.sleep(forTimeInterval: 0.02) }
    }

    // MARK: Looking

    /// A node's store, read-only, while the node runs or not; nil until the node has made it.
    public func store(of name: String) -> NodeStore? {
        if let store = stores[name] { return store }
        stores[name] = try? NodeStore(at: directory.data(name), readOnly: true)
        return stores[name]
    }

    public func lastEpoch(of name: String) -> Epoch {
        guard let store = store(of: name) else { return 0 }
        return max((try? store.lastEpoch()) ?? 0, (try? store.followedEpoch()) ?? 0)
    }

    /// The highest epoch that every one of `names` holds.
    public func commonEpoch(of names: [String]) -> Epoch {
        names.map { lastEpoch(of: $0) }.min() ?? 0
    }

    /// What each of `names` says that it waits for, in words; of many, the first few.
    public func waits(of names: [String]) -> String {
        let shown = names.prefix(Self.waitsMax).map { name in
            guard let status = try? store(of: name)?.status() else { return "\(name) has said nothing yet" }
            return "\(name) in epoch \(status.openEpoch): \(status.waitsFor)"
        }
        let more = names.count - shown.count
        return (shown + (more > 0 ? ["and \(more) more"] : [])).joined(separator: "; ")
    }

    /// A line that a person reads.
    private static let waitsMax = 8

    /// A finalised epoch as the first node that has it saw it.
    public func summary(_ epoch: Epoch) -> EpochSummary? {
        for member in plan.members {
            if let summary = try? store(of: member.name)?.summary(epoch) { return summary }
        }
        return nil
    }

    /// Looks at what all nodes say came to them; to be called once in a second or oftener.
    public func lookAtSpread() {
        for member in plan.members {
            guard let status = try? store(of: member.name)?.status() else { continue }
            spread.note(status.arrivals, of: member.name, isEdge: member.isEdge)
        }
    }

    /// What must hold of `names` up to `epoch`: equal headers and state roots, and books that balance. Returns what
    /// does not, in words.
    public func faults(through epoch: Epoch, of names: [String]) -> [String] {
        var faults: [String] = []
        for epoch in 1...max(1, epoch) {
            var seen: [Digest: [String]] = [:]
            for name in names {
                guard let summary = try? store(of: name)?.summary(epoch) else {
                    faults.append("\(name) lacks epoch \(epoch)")
                    continue
                }
                seen[summary.stateRoot, default: []].append(name)
                let totals = summary.totals
                if totals.staked + totals.unbonding + totals.treasury > totals.supply {
                    faults.append("\(name): the books of epoch \(epoch) do not balance")
                }
            }
            if seen.count > 1 {
                let sides = seen.sorted { $0.key < $1.key }.map {
                    "\($0.key.short): \($0.value.joined(separator: ", "))"
                }
                faults.append(
                    "epoch \(epoch) has \(seen.count) state roots: \(sides.joined(separator: "; "))")
            }
        }
        for name in names {
            if let fault = bookFault(of: name) { faults.append(fault) }
        }
        return faults
    }

    /// Adds up every account of a node's stored state against its totals.
    private func bookFault(of name: String) -> String? {
        guard let entries = try? store(of: name)?.stateEntries(), !entries.isEmpty else {
            return "\(name) holds no state"
        }
        var sum: Amount = 0
        var totals = Totals()
        for (key, value) in entries {
            switch key {
            case .account: sum += (try? Account(decoding: value).balance) ?? 0
            case .totals: totals = (try? Totals(decoding: value)) ?? Totals()
            default: break
            }
        }
        let held = sum + totals.staked + totals.unbonding + totals.treasury
        return held == totals.supply
            ? nil : "\(name): accounts, stakes and treasury hold \(held), supply is \(totals.supply)"
    }

    /// Of the epochs that edge nodes can have had a whole window of, bundles of theirs that are in blocks, and how many
    /// there could be.
    public func edgeBundles(through epoch: Epoch, at name: String) -> (included: Int, possible: Int) {
        let edges = Set(plan.members.filter(\.isEdge).map(\.id))
        guard epoch > 1, let store = store(of: name) else { return (0, 0) }
        let included = (2...epoch).reduce(0) { sum, epoch in
            let items = (try? store.blockRecord(epoch))?.items ?? []
            return sum + items.count { edges.contains($0.author) }
        }
        return (included, edges.count * Int(epoch - 1))
    }

    /// Reports by their verdict in everything `name` holds.
    public func reasons(at name: String) -> [(reason: Reason, count: Int)] {
        var counts: [Reason: Int] = [:]
        for record in (try? store(of: name)?.verdicts()) ?? [] {
            for report in record.verdict.reports { counts[report.reason, default: 0] += 1 }
        }
        return counts.map { ($0.key, $0.value) }.sorted { $0.0.rawValue < $1.0.rawValue }
    }
}
