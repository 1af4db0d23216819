internal import Baseline
internal import Chance
internal import Identity
internal import Node

/// How soon peers miss a node whose power went out, and whether they ever miss one that lives.
///
/// A false death: a living peer that was suspected and then given up. The core that the fleet runs on is wanted by three
/// others in the last row, so that all nodes together get a quarter of it, in slices of the system's.
enum CrashRows {
    private static let nodes = 50
    private static let crashes = 5

    static func measure(isFull: Bool, _ add: ([Row]) -> Void) throws {
        let world = FleetWorld(nodes: nodes, validators: 4, seed: 52)
        let fleet = try Fleet(world, seed: 3)
        fleet.run(for: .seconds(20))
        let length = isFull ? 300 : 30
        add(crash(fleet))
        fleet.run(for: .seconds(5))
        fleet.lossPercent = 5
        add([falseDeaths(fleet, seconds: length, "5 % lost")])
        guard baseline_burn(3) else { return }
        add([falseDeaths(fleet, seconds: length, "5 % lost, a quarter of a core for all")])
        _ = baseline_burn(0)
    }

    private static func crash(_ fleet: Fleet) -> [Row] {
        // Not the bootstrap nodes: peers of any kind do.
        let fallen = (0..<crashes).map { 10 + 7 * $0 }
        let ids = Set(fallen.map { fleet.world.keys[$0].nodeID })
        for number in fallen { fleet.end(number) }
        var expected = 0
        var delays: [Double] = []
        let start = Clock.now
        for host in fleet.living {
            expected += host.node.view.peers.count { ids.contains($0.0) }
            host.onDisconnected = { peer, _ in
                if ids.contains(peer) { delays.append(Double((Clock.now - start).nanoseconds) / 1e9) }
            }
        }
        fleet.run(for: .seconds(30)) { delays.count >= expected }
        for host in fleet.living { host.onDisconnected = nil }
        delays.sort()
        let name = "\(crashes) of \(nodes) nodes crash"
        guard delays.count >= expected, expected > 0 else { return [.seconds("\(name): noticed", nil)] }
        return [
            .seconds("\(name): a neighbour has dropped it, median of \(expected)", delays[expected / 2]),
            .seconds("– last", delays.last, most: 5),
        ]
    }

    private static func falseDeaths(_ fleet: Fleet, seconds: Int, _ how: String) -> Row {
        var deaths = 0
        for host in fleet.living {
            host.onDisconnected = { _, wasSuspected in deaths += wasSuspected ? 1 : 0 }
        }
        fleet.run(for: .seconds(seconds))
        for host in fleet.living { host.onDisconnected = nil }
        let name = "\(fleet.living.count) nodes, \(how), \(seconds) s: living peers taken for dead"
        return .number(name, Double(deaths), unit: "", most: 0)
    }
}
