/// The named scenarios: plans as data, each with what it proves and what it expects.
public enum Scenario {
    /// In the order of their names.
    public static var names: [String] { texts.map(\.name) }

    public static func plan(named name: String) throws(PlanError) -> Plan {
        guard let text = texts.first(where: { $0.name == name }) else {
            throw PlanError(
                description: "there is no scenario '\(name)'; known: \(names.joined(separator: ", "))")
        }
        var plan = try Plan(reading: text.text, name: name)
        plan.name = name
        return plan
    }

    private static let texts: [(name: String, text: String)] = [
        ("behind-translators", PackageResources.behind_translators_toml),
        ("certificate-split", PackageResources.certificate_split_toml),
        ("clock-jumps", PackageResources.clock_jumps_toml),
        ("eclipse-after-wipe", PackageResources.eclipse_after_wipe_toml),
        ("edge-without-uplinks", PackageResources.edge_without_uplinks_toml),
        ("evidence-fraud", PackageResources.evidence_fraud_toml),
        ("flood-by-a-peer", PackageResources.flood_by_a_peer_toml),
        ("forged-bodies", PackageResources.forged_bodies_toml),
        ("hand-over", PackageResources.hand_over_toml),
        ("hostile-lists", PackageResources.hostile_lists_toml),
        ("join-by-snapshot", PackageResources.join_by_snapshot_toml),
        ("late-leaders", PackageResources.late_leaders_toml),
        ("leader-only-partition", PackageResources.leader_only_partition_toml),
        ("lying-uplinks", PackageResources.lying_uplinks_toml),
        ("mangled-words", PackageResources.mangled_words_toml),
        ("nondeterminism", PackageResources.nondeterminism_toml),
        ("oversized-block", PackageResources.oversized_block_toml),
        ("retry-storm", PackageResources.retry_storm_toml),
        ("rolling-upgrade", PackageResources.rolling_upgrade_toml),
        ("sessions-for-hours", PackageResources.sessions_for_hours_toml),
        ("slow-disk", PackageResources.slow_disk_toml),
        ("third-gone-and-back", PackageResources.third_gone_and_back_toml),
    ].map { ($0, String(decoding: $1, as: UTF8.self)) }
}
