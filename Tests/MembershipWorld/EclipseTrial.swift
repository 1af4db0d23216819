package import Chance
internal import Identity
internal import Membership
internal import Wire

/// A victim among strangers of whom a fifth are an attacker's, from its first moment through two restarts.
///
/// - Until 20 s: the honest meet, with the attacker among them.
/// - At 20 s the victim starts, and the attacker waits for it: at first it dials from all its addresses ten times in a
///   second, then from some of them.
/// - At 60 s the victim starts again from what it remembers and its list; at 100 s, from what it remembers alone.
package struct EclipseTrial: Sendable {
    /// Of whom, with the attacker's nodes, a fifth are the attacker's.
    package static let honest = 4 * Attacker.addresses
    /// A view is looked at from then on after each start: before, a single peer is a whole view.
    private static let settling: Duration = .seconds(10)
    package static let life: Duration = .seconds(40)
    private static let young: Duration = .seconds(2)
    private static let step: Duration = .milliseconds(100)
    private static let lossPercent = 2

    package enum List: CaseIterable, Sendable {
        /// Three honest nodes.
        case honest
        /// One honest node and two of the attacker's.
        case infiltrated
    }

    /// The attacker's part of each view at its highest, 0 to 1; a view without anybody counts as its own.
    package struct Share: Sendable {
        package var active = 0.0
        package var passive = 0.0
    }

    /// In the victim's first life, in the one with its list, and in the one with its memory alone.
    package private(set) var shares: [Share] = []

    /// - Parameter life: How long each life of the victim is looked at.
    package init(
        chance: Chance, tactic: Attacker.Tactic, list: List, honest: Int = honest,
        life length: Duration = life
    ) {
        var chance = chance
        let attacker = Attacker(tactic, chance: chance.split(), region: World.someRegion(honest))
        let world = World(chance: chance, lossPercent: Self.lossPercent, isSpread: true)
        world.delayMax = .milliseconds(50)
        world.region = World.someRegion
        world.elsewhere = { [unowned world] in attacker.answer($0, in: world) }
        let good = (0..<3).map { (World.id($0), world.place($0)) }
        for index in 0..<honest { world.add(good.filter { $0.0 != World.id(index) }) }
        var turn = 0
        func pass() {
            for _ in 0..<10 {
                attacker.attack(world.place(turn % honest), fromAddresses: 1, in: world)
                turn += 1
            }
            world.run(for: Self.step)
        }
        while world.now < .origin + .seconds(20) { pass() }

        let victim = honest
        let entries =
            switch list {
            case .honest: good
            case .infiltrated: [good[0]] + attacker.entries.prefix(2)
            }
        for life in 0..<3 {
            switch life {
            case 0: world.add(entries)
            case 1: world.restart(victim, bootstrap: entries)
            default: world.restart(victim)
            }
            let start = world.now
            var share = Share()
            while world.now < start + length {
                let isYoung = world.now < start + Self.young
                attacker.attack(
                    world.place(victim), fromAddresses: isYoung ? Attacker.addresses : 5, in: world)
                pass()
                guard world.now >= start + Self.settling else { continue }
                let now = Self.share(of: world.hosts[victim].machine)
                share.active = max(share.active, now.active)
                share.passive = max(share.passive, now.passive)
            }
            world.hosts[victim].machine.assertInvariants()
            shares.append(share)
        }
    }

    private static func share(of machine: Membership) -> Share {
        let peers = Set(machine.peers)
        let others = machine.accounts.map(\.node).filter { !peers.contains($0) }
        func part(_ nodes: some Collection<NodeID>) -> Double {
            nodes.isEmpty ? 1 : Double(nodes.count(where: Attacker.made)) / Double(nodes.count)
        }
        return Share(active: part(peers), passive: part(others))
    }
}
