internal import Baseline
internal import Bytes
internal import Coverage
internal import Identity
internal import Ledger
internal import Wire

/// Executing a block full of reports: verdicts, rewards, state and all roots.
enum BlockRows {
    static func measure(hotspots: Int, reports: Int) -> [Row] {
        let world = BlockWorld(hotspots: hotspots, reports: reports)
        let entries = world.evidence[BlockWorld.epoch]!
        let judged = world.evidence[BlockWorld.epoch - 1]!.reduce(0) { sum, entry in
            sum + entry.bundles.reduce(0) { $0 + $1.reports.count }
        }
        var verdicts: [BeaconVerdict] = []
        var activities: [(NodeID, Activity)] = []
        let isFull = hotspots > 10_000
        let rounds = isFull ? 2 : 5

        let summary = best(rounds: rounds, operations: 1) {
            keep(EvidenceSummary(items: entries.map(\.item)))
        }
        let judge = best(rounds: rounds, operations: 1) {
            let outcome = Judge.judge(input(world) { world.outputs[.init(key: $0, proof: $1, alpha: $2)] })
            verdicts = outcome.verdicts
            activities = outcome.activities.map { ($0.id, $0.activity) }
        }
        let valid = verdicts.reduce(0) { sum, verdict in
            sum + verdict.reports.count { $0.reason == .valid || $0.reason == .notSelected }
        }
        precondition(valid > judged * 9 / 10, "the evidence is not what it should be: \(valid) of \(judged)")
        let roots = best(rounds: rounds, operations: 1) { keep(Merkle.root(verdicts.map(\.digest))) }
        let execute = best(rounds: rounds, operations: 1) {
            let block = BlockWorld.input(
                world.ledger, BlockWorld.epoch, verdicts: verdicts, activities: activities)
            guard let outcome = try? world.ledger.execute(block) else { fatalError("the block is refused") }
            keep(outcome.stateRoot)
        }
        let cached = summary + judge + roots + execute

        let proofs = Double(
            time(baseline_cpu) {
                _ = Judge.judge(input(world) { $0.verify($1, alpha: $2.octetBytes) })
            })
        let signatures = Double(
            time(baseline_cpu) {
                for case .bundle(let bundle) in entries {
                    let preimage = SigningDomain.bundle.preimage(
                        network: world.network, message: bundle.signedBytes)
                    precondition(bundle.author.signed(preimage.octetBytes, with: bundle.signature))
                }
            })

        let name = "block of \(judged) reports, \(hotspots) hotspots"
        return [
            .time("\(name): cached", cached, most: isFull ? 3e9 : nil),
            .time("– evidence root", summary), .time("– verdicts (Judge)", judge),
            .time("– verdicts' root", roots), .time("– state (Ledger.execute)", execute),
            .time("\(name): uncached", summary + proofs + roots + execute + signatures),
            .number(
                "– peak resident memory of this run", Double(baseline_peak_memory()) / Double(1 << 20),
                unit: "MiB",
                most: isFull ? 1_024 : nil),
        ]
    }

    private static func input(
        _ world: BlockWorld, verify: @escaping (VRFPublicKey, VRFProof, [UInt8]) -> VRFOutput?
    ) -> JudgeInput {
        let ledger = world.ledger
        return JudgeInput(
            epoch: BlockWorld.epoch, network: world.network, parameters: world.genesis.parameters,
            randomness: { World.randomness($0) }, evidence: world.evidence[BlockWorld.epoch]!,
            previousEvidence: world.evidence[BlockWorld.epoch - 1]!,
            earlierEvidence: world.evidence[BlockWorld.epoch - 2]!, device: { ledger.device($0) },
            activity: { ledger.activity($0) }, hotspots: { ledger.hotspots }, verifyVRF: verify)
    }
}
