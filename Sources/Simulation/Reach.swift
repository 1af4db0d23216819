/// How far a sweep got: what its seeds met, and whether that is enough to say anything.
public struct Reach: Codable, Equatable, Sendable {
    public var seeds = 0
    public var epochs = 0
    /// Of the seed that has the fewest; nil before the first seed.
    public var epochsMin: Int?
    /// Epochs after the network had healed, in the seed that has the fewest; nil before the first seed.
    public var epochsHealedMin: Int?
    public var events: UInt64 = 0
    public var deliveries: UInt64 = 0
    /// Seeds with a view of 3 or more.
    public var laterViews = 0
    /// Seeds in which some hosts held a notarization and others the nullification of the same view.
    public var splits = 0
    /// Seeds in which different committees decided something.
    public var handovers = 0
    /// Seeds in which each kind of fault was.
    public var withFault: [String: Int] = [:]
    /// Of all runs together, in any order.
    @Hexadecimal public var audit: UInt64 = 0

    public init() {}

    public mutating func add(_ outcome: Outcome, seed: UInt64) {
        seeds += 1
        epochs += outcome.epochsFinal
        epochsMin = min(epochsMin ?? .max, outcome.epochsFinal)
        epochsHealedMin = min(epochsHealedMin ?? .max, outcome.epochsHealed)
        events += outcome.events
        deliveries += outcome.deliveries
        if outcome.views.contains(where: { $0 >= 3 }) { laterViews += 1 }
        if outcome.splitViews > 0 { splits += 1 }
        if outcome.committees > 1 { handovers += 1 }
        for name in outcome.injected.keys { withFault[name, default: 0] += 1 }
        audit ^= (outcome.audit &+ seed) &* 0x9E37_79B9_7F4A_7C15
    }

    public mutating func add(_ other: Reach) {
        seeds += other.seeds
        epochs += other.epochs
        // Of a part without a seed there is no least.
        epochsMin = [epochsMin, other.epochsMin].compactMap(\.self).min()
        epochsHealedMin = [epochsHealedMin, other.epochsHealedMin].compactMap(\.self).min()
        events += other.events
        deliveries += other.deliveries
        laterViews += other.laterViews
        splits += other.splits
        handovers += other.handovers
        withFault.merge(other.withFault) { $0 + $1 }
        audit ^= other.audit
    }

    /// Kinds of faults that a sweep must meet; of those that may come to nothing, what they did.
    public static var kinds: [String] {
        Fault.Kind.swarm.map { effects[$0] ?? $0.rawValue }
            + Byzantine.Behaviour.swarm.map { "byzantine.\($0.rawValue)" }
            + ["lost", "duplicated", "reordered", "corrupted", "truncated"]
            + ["radio.loss", "radio.silent", "radio.farm"]
    }

    private static let effects: [Fault.Kind: String] = [.oddState: "disturbed", .fullDisk: "commitRefused"]

    /// What is missing: five epochs in every seed, two of them after it had healed, each kind of fault in a fifth of
    /// them, a third view in three tenths, a split and a hand-over in a twentieth each. Empty: the sweep means something.
    public var shortfalls: [String] {
        var missing: [String] = []
        if let epochsMin, epochsMin < 5 { missing.append("a seed with \(epochsMin) epochs of 5") }
        if let epochsHealedMin, epochsHealedMin < 2 {
            missing.append("a seed with \(epochsHealedMin) epochs of 2 after the network had healed")
        }
        for kind in Self.kinds {
            let count = withFault[kind] ?? 0
            if count * 5 < seeds { missing.append("\(kind) in \(count) of \(seeds) seeds, not in a fifth") }
        }
        if laterViews * 10 < seeds * 3 {
            missing.append("a view of 3 in \(laterViews) of \(seeds) seeds, not in three tenths")
        }
        if splits * 20 < seeds {
            missing.append("a certificate split in \(splits) of \(seeds) seeds, not in a twentieth")
        }
        if handovers * 20 < seeds {
            missing.append("another committee in \(handovers) of \(seeds) seeds, not in a twentieth")
        }
        return missing
    }
}
