internal import Baseline
internal import Bytes
internal import Chance
internal import Identity
internal import Node
internal import Session
internal import Wire

/// Fifty thousand initiations a second at one node of eight, from 256 addresses in as many prefixes, all of which might
/// be made up: none of them ever answers.
///
/// Two kinds: with a right `mac1`, from a caller who knows the node's id (4,096 keys, each initiation genuine); and with a
/// wrong one. What holds is the limit of 50 handshakes a second; beyond it a proof of address is asked for, at no
/// state. The allowance of a prefix counts for proven sources only, so that it takes no part here; it would spare
/// the loopback.
enum SpoofRows {
    private static let rate = 50_000
    private static let callers = 4_096

    static func measure(isFull: Bool, _ add: ([Row]) -> Void) throws {
        let world = FleetWorld(nodes: 8, validators: 4, seed: 54)
        let fleet = try Fleet(world, seed: 6)
        fleet.run(for: .seconds(10))
        let target = fleet[0]!
        var chance = Chance(seed: 7)
        let calls = initiations(to: target, of: world, &chance)
        let strangers = (0..<callers).map { _ -> [UInt8] in
            var call = calls[chance.below(calls.count)]
            call[1_168 + chance.below(16)] ^= 1
            return call
        }
        let sources = (0..<256).map { Socket(at: 0x7F01_0001 + UInt32($0) << 8) }
        let seconds = isFull ? 30 : 5
        for (name, pool) in [("right mac1", calls), ("wrong mac1", strangers)] {
            add(
                flood(
                    fleet, target, pool, from: sources, seconds: seconds, "\(rate) initiations/s, \(name)",
                    &chance))
            fleet.run(for: .seconds(12))
        }
    }

    private static func flood(
        _ fleet: Fleet, _ target: FleetHost, _ pool: [[UInt8]], from sources: [Socket], seconds: Int,
        _ name: String, _ chance: inout Chance
    ) -> [Row] {
        let bareSocket = Socket()
        let batch = Batch()
        let peers = target.node.view.peers.count
        let newcomer = Stranger(askingAt: target, of: fleet.world, chance: &chance)
        var newcomerTook: Double?
        var (cpu, bare, taken, sent) = (Int64(0), Int64(0), 0, 0)
        var (answers, answered) = (0, 0)
        let start = Clock.now
        var asked: Instant?
        let total = rate * seconds
        while sent < total {
            let due = Int((Clock.now - start).nanoseconds / (1_000_000_000 / Int64(rate)))
            if sent >= due { continue }
            for _ in 0..<32 {
                let source = sources[sent % sources.count]
                let call = pool[sent % pool.count]
                source.send(call, to: target.socket.endpoint)
                source.send(call, to: bareSocket.endpoint)
                sent += 1
            }
            let before = (target.socket.sentDatagrams, target.socket.sentOctets)
            cpu += time(baseline_thread_cpu) {
                taken += batch.receive(from: target.socket) { target.receive($0, from: $1) }
            }
            answers += target.socket.sentDatagrams - before.0
            answered += target.socket.sentOctets - before.1
            bare += time(baseline_thread_cpu) { while batch.discard(from: bareSocket) > 0 {} }
            // The system's buffers of those who called hold their answers until here.
            if sent.isMultiple(of: 8_192) {
                for source in sources { while batch.discard(from: source) > 0 {} }
            }
            fleet.turn()
            if asked == nil, Clock.now - start > .seconds(2) {
                asked = Clock.now
                newcomer.ask(9)
            }
            if let asked, newcomerTook == nil, newcomer.hasAnswer(to: 9) {
                newcomerTook = Double((Clock.now - asked).nanoseconds) / 1e6
            }
        }
        let length = Double((Clock.now - start).nanoseconds) / 1e9
        // By what each cost: a machine that others use sends fewer than asked for.
        let share = Double(cpu - bare) / Double(sent) * Double(rate) / 1e7
        return [
            .number("\(name): sent", Double(sent) / length, unit: "/s"),
            .number("– processor beyond bare receiving, for \(rate)/s", share, unit: "% of a core", most: 10),
            .time("– beyond bare receiving, each", Double(cpu - bare) / Double(sent)),
            .time("– bare receiving, each", Double(bare) / Double(sent)),
            .number("– octets out by octets in", Double(answered) / Double(taken * 1_200), unit: "", most: 1),
            .number("– datagrams out by datagrams in", Double(answers) / Double(taken), unit: "", most: 1),
            Row(
                name: "– meanwhile a newcomer's handshake and question",
                measured: newcomerTook.map { String(Int($0.rounded())) + " ms" } ?? "no answer",
                reach: "answered", isReached: newcomerTook != nil),
            Row(
                name: "– peers of this node after", measured: "\(target.node.view.peers.count) of \(peers)",
                reach: "the same", isReached: target.node.view.peers.count == peers),
        ]
    }

    /// A first initiation each of many keys, as their own sessions make it.
    private static func initiations(
        to target: FleetHost, of world: FleetWorld, _ chance: inout Chance
    ) -> [[UInt8]] {
        (0..<callers).map { _ in
            let octets = chance.octets(32)
            let key = SigningKey(seed: octets.octetBytes)
            let card = NodeRecord(
                node: key.nodeID, sequence: 1, roles: .observer, endpoints: [.loopback(port: 9)], region: nil,
                version: 1
            ).signed(by: key, network: world.network)
            let now = Clock.now
            let sessions = Sessions(
                key: SecretSeed(octets: octets.octetBytes).exchangeKey, record: card, network: world.network,
                settings: small, secrets: .simulated(chance.split()),
                wallNanoseconds: UInt64(now.nanoseconds),
                now: now)
            var actions: [Sessions.Action] = []
            sessions.handle(.open(target.id, target.socket.endpoint), at: now, actions: &actions)
            for case .transmit(let call, _) in actions { return call }
            preconditionFailure("a dial begins with an initiation")
        }
    }

    /// Callers that have one session.
    private static var small: Session.Settings {
        var settings = Session.Settings()
        settings.sessionsMax = 64
        return settings
    }
}
