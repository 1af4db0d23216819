internal import Baseline
internal import Bytes
internal import Chance
internal import Foundation
internal import Identity
internal import Node
internal import Wire

/// Datagrams that mean nothing, all read and thrown away by one node of eight that goes on being one.
///
/// Half is noise of all sizes, half are datagrams that this node once took, with an octet or four changed, cut off or
/// lengthened. They are sent 32 at a time and read before the next, so that no buffer of the system loses any.
enum GarbageRows {
    private static let poolCount = 4_096

    static func measure(isFull: Bool) throws -> [Row] {
        let count = isFull ? 10_000_000 : 1_000_000
        let world = FleetWorld(nodes: 8, validators: 4, seed: 53)
        let fleet = try Fleet(world, seed: 4)
        var chance = Chance(seed: 5)
        let target = fleet[0]!
        target.samplesMax = 2_000
        fleet.run(for: .seconds(20))
        target.samplesMax = 0
        let pool = pool(from: target.sampled, &chance)
        let before = Standing(of: fleet, without: target)
        let sender = Socket(at: 0x7F00_0002)
        let batch = Batch()
        // Two rounds through all that is to come: whatever grows at first has grown.
        for number in 0..<(2 * poolCount) { target.receive(pool[number % poolCount], from: sender.endpoint) }
        let memory = Memory.resident
        let start = Clock.now
        var (cpu, taken, bare, next) = (Int64(0), 0, Int64(0), 0)
        let bareSocket = Socket()
        while taken < count {
            for _ in 0..<32 {
                sender.send(pool[next % poolCount], to: target.socket.endpoint)
                // The same to somebody who only reads, so that the cost of reading can be told.
                sender.send(pool[next % poolCount], to: bareSocket.endpoint)
                next += 1
            }
            cpu += time(baseline_thread_cpu) {
                taken += batch.receive(from: target.socket) { target.receive($0, from: $1) }
            }
            bare += time(baseline_thread_cpu) { while batch.discard(from: bareSocket) > 0 {} }
            // The rest of the fleet goes on, and the target with it.
            if next.isMultiple(of: 1_024) { fleet.turn() }
        }
        let seconds = Double((Clock.now - start).nanoseconds) / 1e9
        let grown = Double(Memory.resident - memory) / 1_048_576
        let newcomer = Stranger(askingAt: target, of: world, chance: &chance)
        newcomer.ask(7)
        let answers = fleet.run(for: .seconds(10), lookingEvery: .milliseconds(1)) {
            newcomer.hasAnswer(to: 7)
        }
        let after = Standing(of: fleet, without: target)
        let name = "\(taken) garbage datagrams at one node"
        return [
            .time("\(name): processor of each", Double(cpu) / Double(taken)),
            .time("– of it, to read them alone", Double(bare) / Double(next)),
            .number("– in a second", Double(taken) / seconds, unit: "/s"),
            .number("– memory grown by", max(0, grown), unit: "MiB", most: 1),
            Row(
                name: "– then a stranger's handshake and question", measured: answers ? "answered" : "silent",
                reach: "answered", isReached: answers),
            Row(
                name: "– peers of this node, of the others", measured: "\(after) of \(before)",
                reach: "the same", isReached: after == before && before.own > 0),
        ]
    }

    private static func pool(from valid: [[UInt8]], _ chance: inout Chance) -> [[UInt8]] {
        precondition(!valid.isEmpty)
        return (0..<poolCount).map { number in
            guard number.isMultiple(of: 2) else { return chance.octets(chance.below(1_453)) }
            var octets = valid[chance.below(valid.count)]
            switch chance.below(4) {
            case 0: octets.removeLast(1 + chance.below(octets.count))
            case 1: octets += chance.octets(1 + chance.below(64))
            default:
                for _ in 0..<(1 + chance.below(4)) {
                    // Heads say most, so that half of the changes are there.
                    let place = chance.below(chance.happens(1, in: 2) ? min(16, octets.count) : octets.count)
                    octets[place] ^= UInt8(1 + chance.below(255))
                }
            }
            return octets
        }
    }

    /// How many peers a node has, and all others together.
    private struct Standing: Equatable, CustomStringConvertible {
        let own: Int
        let others: Int

        init(of fleet: Fleet, without target: FleetHost) {
            own = target.node.view.peers.count
            others = fleet.living.reduce(0) { $0 + ($1 === target ? 0 : $1.node.view.peers.count) }
        }

        var description: String { "\(own) and \(others)" }
    }
}

enum Memory {
    /// Octets that this process has in memory now (proc(5), statm: pages, the second number).
    static var resident: Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return text.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 4_096 } ?? 0
    }
}
