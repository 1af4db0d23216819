import Chance
import Radio
import TestKit
import Testing

/// An ether and the nodes' servers, in memory.
struct Field {
    var ether: EtherMachine
    var servers: [ForwarderServer<Int>]
    var frames: [[RadioFrame]]
    var outcomes: [(node: Int, id: UInt64, outcome: TransmitOutcome)] = []
    var now = Instant.origin

    init(_ config: EtherConfig) throws {
        try config.validate()
        ether = EtherMachine(config: config, now: .origin)
        servers = config.nodes.indices.map {
            ForwarderServer(settings: .init(), chance: Chance(seed: UInt64($0)))
        }
        frames = config.nodes.map { _ in [] }
        step(.woke)
    }

    mutating func step(_ event: EtherMachine.Event) {
        var actions: [EtherMachine.Action] = []
        ether.handle(event, at: now, actions: &actions)
        for case .send(let node, let bytes) in actions { deliver(.datagram(from: 0, bytes), to: node) }
    }

    mutating func deliver(_ event: ForwarderServer<Int>.Event, to node: Int) {
        for action in servers[node].run(event, at: now) {
            switch action {
            case .send(_, let bytes): step(.datagram(node: node, bytes))
            case .received(let frame): frames[node].append(frame)
            case .transmitted(let id, let outcome): outcomes.append((node, id, outcome))
            }
        }
    }

    mutating func transmit(_ packet: TransmitPacket, from node: Int, id: UInt64 = 0) {
        deliver(.transmit(packet, id: id), to: node)
    }

    mutating func run(for duration: Duration) {
        let end = now + duration
        while ether.deadline <= end {
            now = max(now, ether.deadline)
            step(.woke)
        }
        now = end
    }
}

@Suite struct EtherMachineTests {
    /// Nodes in a row on the equator, `spacing` degrees apart; a thousandth is 111 m.
    private func row(_ count: Int, spacing: Double = 0.01, seed: UInt64 = 1) -> EtherConfig {
        var config = EtherConfig(
            seed: seed,
            nodes: (0..<count).map { index in
                EtherConfig.Node(
                    name: "n\(index)", eui: GatewayEUI(UInt64(index + 1)).description, latitude: 0,
                    longitude: Double(index) * spacing, serverPort: 1700 + index)
            })
        config.shadowingDeciDb = 0
        config.fadingDeciDb = 0
        return config
    }

    @Test func `neighbours hear a packet when it ends, and its sender does not`() throws {
        var field = try Field(row(3))
        field.transmit(somePacket(), from: 0)
        #expect(field.outcomes.map(\.outcome) == [.accepted])
        field.run(for: .milliseconds(80))
        #expect(field.frames.allSatisfy { $0.isEmpty }, "it is still on the air")
        field.run(for: .seconds(1))
        #expect(field.frames.map(\.count) == [0, 1, 1])
        let near = field.frames[1][0]
        let far = field.frames[2][0]
        #expect(near.payload == [1, 2, 3] && near.dataRate == .sf7 && near.frequencyHz == 868_100_000)
        #expect(near.rssiDecidBm > far.rssiDecidBm)
        // 14 + 2.4 dBm, 1 dB lost, 100 m clear (71.2 dB), then 28 dB a decade to 1,112 m: −85 dBm.
        #expect(near.rssiDecidBm == -850 && near.snrDecidB == 130)
    }

    @Test func `too far is too weak, and the slowest data rate goes further`() throws {
        var field = try Field(row(2, spacing: 0.35))
        var packet = somePacket()
        field.transmit(packet, from: 0)
        field.run(for: .seconds(3))
        #expect(field.frames[1].isEmpty && field.ether.stats.tooWeak == 1)
        packet.dataRate = .sf12
        field.transmit(packet, from: 0)
        field.run(for: .seconds(3))
        #expect(field.frames[1].count == 1)
    }

    @Test func `who sends hears nothing meanwhile`() throws {
        var field = try Field(row(3))
        var other = somePacket([9])
        other.frequencyHz = 868_500_000
        field.transmit(somePacket(), from: 0)
        field.transmit(other, from: 1)
        field.run(for: .seconds(1))
        #expect(field.frames.map(\.count) == [0, 0, 2])
        #expect(field.ether.stats.deafWhileSending == 2)
    }

    @Test func `two packets alike spoil each other, unless one is much stronger`() throws {
        var config = row(4)
        config.nodes[3].longitude = 0.0101
        var field = try Field(config)
        // To node 1, node 3 is 11 m away and node 2 a kilometre; node 0 hears both from afar.
        field.transmit(somePacket([1]), from: 3)
        field.transmit(somePacket([2]), from: 2)
        field.run(for: .seconds(1))
        #expect(field.frames[1].map(\.payload) == [[1]])
        #expect(field.ether.stats.collided == 1 || field.ether.stats.collided == 2)
        config.collisions = false
        field = try Field(config)
        field.transmit(somePacket([1]), from: 3)
        field.transmit(somePacket([2]), from: 2)
        field.run(for: .seconds(1))
        #expect(field.frames[1].count == 2 && field.frames[0].count == 2)
    }

    @Test func `deaf, silent and detuned nodes are what they are called`() throws {
        var config = row(4)
        config.nodes[1].deaf = true
        config.nodes[2].antenna = .silent
        config.nodes[3].frequencyOffsetHz = 150_000
        var field = try Field(config)
        for node in 0..<4 {
            field.transmit(somePacket([UInt8(node)]), from: node, id: UInt64(node))
            field.run(for: .seconds(1))
        }
        #expect(field.outcomes.map(\.outcome) == [.accepted, .accepted, .accepted, .accepted])
        #expect(field.frames.map { $0.map(\.payload) } == [[[1], [3]], [], [], [[0], [1]]])
        #expect(field.frames[0].map(\.frequencyHz) == [868_100_000, 868_250_000])
    }

    @Test func `an inverted packet is for devices and a packet without checksum is not forwarded`() throws {
        var field = try Field(row(2))
        var packet = somePacket()
        packet.invertedPolarity = true
        field.transmit(packet, from: 0)
        packet.invertedPolarity = false
        packet.checksum = false
        field.transmit(packet, from: 0)
        field.run(for: .seconds(1))
        #expect(field.frames[1].isEmpty && field.ether.stats.forwarders[1].heard == 1)
    }

    @Test func `a wormhole repeats what it hears at another place, once`() throws {
        var config = row(3, spacing: 5)
        config.wormholes = [
            .init(from: Place(latitude: 0, longitude: 0.001), to: Place(latitude: 0, longitude: 10.001)),
            .init(from: Place(latitude: 0, longitude: 10.001), to: Place(latitude: 0, longitude: 0.001)),
        ]
        var field = try Field(config)
        field.transmit(somePacket(), from: 0)
        field.run(for: .seconds(5))
        #expect(field.frames.map(\.count) == [0, 0, 1])
        #expect(field.ether.stats.relayed == 1)
        #expect(field.frames[2][0].payload == [1, 2, 3])
    }

    /// What is heard is a function of the seed, the packets and the receivers.
    @Test(arguments: Seed.all) func `the order of transmissions changes nothing that is heard`(_ seed: Seed)
        throws
    {
        var config = row(6, spacing: 0.05, seed: seed.value)
        config.shadowingDeciDb = 80
        config.fadingDeciDb = 40
        config.lossPermille = 200
        var chance = seed.chance()
        var jobs = (0..<24).map { (node: $0 % 6, payload: [UInt8($0), 7, 7]) }
        var heard: [[[UInt8]: RadioFrame]] = []
        for _ in 0..<2 {
            var field = try Field(config)
            for job in jobs {
                field.transmit(somePacket(job.payload), from: job.node)
                field.run(for: .milliseconds(500))
            }
            let all = field.frames.enumerated().flatMap { node, frames in
                frames.map { (key: [UInt8(node)] + $0.payload, frame: $0) }
            }
            heard.append(Dictionary(uniqueKeysWithValues: all.map { ($0.key, $0.frame) }))
            chance.shuffle(&jobs)
        }
        #expect(!heard[0].isEmpty && heard[0].count < 24 * 5)
        #expect(Set(heard[0].keys) == Set(heard[1].keys))
        for (key, frame) in heard[0] {
            let again = try #require(heard[1][key])
            #expect(frame.rssiDecidBm == again.rssiDecidBm && frame.snrDecidB == again.snrDecidB)
        }
    }

    @Test(arguments: Seed.all)
    func `the same seed gives the same datagrams, and a late driver hears the same`(
        _ seed: Seed
    ) throws {
        var config = row(5, spacing: 0.03, seed: seed.value)
        config.shadowingDeciDb = 60
        func trace(late: Bool) throws -> (frames: [[RadioFrame]], stats: EtherStats) {
            var field = try Field(config)
            for node in 0..<5 { field.transmit(somePacket([UInt8(node)]), from: node) }
            if late {
                field.now = field.now + .seconds(9)
                field.step(.woke)
            } else {
                field.run(for: .seconds(9))
            }
            return (field.frames, field.ether.stats)
        }
        let first = try trace(late: false)
        let second = try trace(late: false)
        let late = try trace(late: true)
        #expect(first.frames == second.frames && first.stats == second.stats)
        #expect(first.frames == late.frames)
    }

    @Test(arguments: Seed.all) func `garbage from a node's port does not disturb the ether`(_ seed: Seed)
        throws
    {
        var chance = seed.chance()
        var field = try Field(row(2))
        for _ in 0..<2000 {
            var bytes = GatewayFrame.pullResponse(token: 1, packet: somePacket()).encode()
            for _ in 0...chance.below(3) { bytes.mutate(with: &chance) }
            field.step(.datagram(node: chance.below(2), bytes))
            field.run(for: .milliseconds(chance.below(20)))
        }
        field.run(for: .seconds(60))
        let before = field.frames[1].count
        field.transmit(somePacket([4, 5, 6]), from: 0)
        field.run(for: .seconds(1))
        #expect(field.frames[1].count == before + 1)
    }

    @Test func `a configuration is read with its defaults and refused with the field's name`() throws {
        let node =
            #"{"name":"a","eui":"00000000000000aa","latitude":51.5,"longitude":-0.1,"serverPort":1700}"#
        let config = try EtherConfig(
            json: Array("{\"seed\":7,\"nodes\":[\(node)],\"collisions\":false}".utf8))
        #expect(config.nodes[0].antenna == .normal && config.nodes[0].gainDeciDb == 12 && !config.collisions)
        #expect(config.exponentHundredths == 280)
        func fault(_ nodes: String, _ rest: String = "") -> EtherConfigError? {
            do throws(EtherConfigError) {
                _ = try EtherConfig(json: Array("{\"seed\":7,\"nodes\":[\(nodes)]\(rest)}".utf8))
                return nil
            } catch { return error }
        }
        #expect(fault(node) == nil)
        #expect(fault("\(node),\(node)") == .duplicate("a"))
        #expect(fault(node.replacing("51.5", with: "91")) == .outOfRange("a.latitude"))
        #expect(fault(node.replacing("00aa", with: "00")) == .outOfRange("a.eui"))
        #expect(fault(node.replacing("1700", with: "70000")) == .outOfRange("a.serverPort"))
        #expect(fault(node, ",\"exponentHundredths\":100") == .outOfRange("exponentHundredths"))
        #expect(fault(node, ",\"powerMinDBm\":20,\"powerMaxDBm\":10") == .outOfRange("powerMaxDBm"))
        #expect(fault(node, ",\"powerMinDBm\":51") == .outOfRange("powerMinDBm"))
        #expect(fault(node, ",\"powerMinDBm\":51,\"powerMaxDBm\":52") == .outOfRange("powerMinDBm"))
        #expect(fault(node, ",\"frequencyMinHz\":4294967295") == .outOfRange("frequencyMinHz"))
        #expect(fault(node, ",\"frequencyMinHz\":930000000") == .outOfRange("frequencyMaxHz"))
        guard case .unreadable = fault("7") else {
            Issue.record("a number is not a node")
            return
        }
    }
}
