import Bytes
import Chance
import Identity
import TestKit
import Testing
import Wire

@testable import Node

/// When a node that starts says what its radio has for it, alone and with a beacon in every epoch.
@Suite struct `A node that starts in the midst of an epoch` {
    private let world = World(count: 4, chance: Seed.all[0].chance(), beaconPermille: 1_000)
    private let start = Instant.origin + .seconds(100)
    private let window = Duration.milliseconds(Int64(World.epochMilliseconds))

    private func settings(votesFrom: Epoch, _ roles: Roles) -> NodeSettings {
        var settings = NodeSettings(
            roles: roles, endpoints: [.loopback(port: 4_000)], bootstrap: [], region: nil, recordSequence: 1)
        settings.votesFrom = votesFrom
        return settings
    }

    private func machine(
        isEdge: Bool, votesFrom: Epoch = 0, boot: BootRecords = BootRecords(), _ actions: inout [NodeAction]
    ) throws -> any NodeMachine {
        let seed = world.seeds[0]
        let vrfKey = VRFKey.derived(fromNodeSeed: seed.span.octetBytes)
        if isEdge {
            return try EdgeNode(
                genesis: world.genesis, network: world.genesis.network, key: world.key(0), vrfKey: vrfKey,
                settings: settings(votesFrom: votesFrom, .hotspot), boot: boot, chance: Chance(seed: 1),
                now: start, actions: &actions)
        }
        return try Node(
            genesis: world.genesis, key: world.key(0), vrfKey: vrfKey,
            settings: settings(votesFrom: votesFrom, [.hotspot, .validator]), boot: boot,
            chance: Chance(seed: 1), now: start, actions: &actions)
    }

    /// Transmissions and own bundles of one window, and when each came after the start.
    private func said(
        isEdge: Bool = false, votesFrom: Epoch = 0, boot: BootRecords = BootRecords()
    ) throws -> (beacons: [Duration], bundles: [Duration], boot: BootRecords) {
        var actions: [NodeAction] = []
        let node = try machine(isEdge: isEdge, votesFrom: votesFrom, boot: boot, &actions)
        var (beacons, bundles): ([Duration], [Duration]) = ([], [])
        var left = boot
        var now = start
        while true {
            for action in actions {
                switch action {
                case .transmit: beacons.append(now - start)
                case .persist(.bundle(let bundle, isOwn: true)), .persist(.outbox(let bundle)):
                    bundles.append(now - start)
                    left.ownBundle = bundle
                case .persist(.coverage(let bytes)): left.coverage = bytes
                default: break
                }
            }
            actions = []
            now = max(now, node.deadline)
            guard now <= start + window else { return (beacons, bundles, left) }
            node.handle(.woke, at: now, actions: &actions)
        }
    }

    @Test func `hands its bundle in when the others do`() throws {
        for (ago, due) in [(0, 1_500), (400, 1_100), (1_400, 100), (1_500, 0), (1_999, 0)] {
            var boot = BootRecords()
            boot.openedAgo = .milliseconds(ago)
            let said = try said(boot: boot)
            #expect(said.bundles == [.milliseconds(due)], "opened \(ago) ms ago")
            #expect(said.beacons.allSatisfy { $0 < .milliseconds(due) })
        }
    }

    @Test(arguments: [Duration.seconds(-3_600), .seconds(-1), .seconds(2), .seconds(1 << 40)])
    func `hands in one bundle, neither too soon nor never, whatever a clock said`(ago: Duration) throws {
        var boot = BootRecords()
        boot.openedAgo = ago
        let said = try said(boot: boot)
        #expect(said.bundles == [ago < .zero ? .milliseconds(1_500) : .zero])
    }

    @Test func `sends no beacon and no bundle twice`() throws {
        let first = try said()
        #expect(first.beacons.count == 1 && first.bundles.count == 1)
        for ago in [0, 1_000, 2_000] {
            var boot = first.boot
            boot.openedAgo = .milliseconds(ago)
            let again = try said(boot: boot)
            #expect(again.beacons == [] && again.bundles == [])
        }
    }

    @Test(arguments: [false, true]) func `sends no beacon that it will not declare`(isEdge: Bool) throws {
        let votes = try said(isEdge: isEdge)
        #expect(votes.beacons.count == 1 && votes.bundles.count == 1)
        for votesFrom in [Epoch(2), .max] {
            let observes = try said(isEdge: isEdge, votesFrom: votesFrom)
            #expect(observes.beacons == [] && observes.bundles == [])
        }
    }
}
