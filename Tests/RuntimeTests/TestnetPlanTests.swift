import Bytes
import Foundation
import Geo
import Identity
import Runtime
import Testing
import Wire

@Suite struct `A testnet's plan` {
    private func plan(seed: UInt64, nodes: Int = 8, spares: Int = 1) throws -> TestnetPlan {
        var options = TestnetPlan.Options()
        options.seed = seed
        options.nodes = nodes
        options.spares = spares
        return try TestnetPlan(options)
    }

    @Test func `follows from its seed alone`() throws {
        let first = try plan(seed: 42)
        let second = try plan(seed: 42)
        #expect(first.genesis == second.genesis)
        #expect(first.members.map(\.id) == second.members.map(\.id))
        #expect(first.members.map(\.position) == second.members.map(\.position))
        #expect(first.members.map(\.gossip) == second.members.map(\.gossip))
        #expect(first.firstLeader == second.firstLeader)
        #expect(try plan(seed: 43).genesis.network != first.genesis.network)
    }

    @Test func `edge nodes stand after all others and change none of them`() throws {
        var options = TestnetPlan.Options()
        let without = try TestnetPlan(options)
        options.edges = 3
        let with = try TestnetPlan(options)
        #expect(with.members.dropLast(3).map(\.id) == without.members.map(\.id))
        #expect(with.members.dropLast(3).map(\.gossip) == without.members.map(\.gossip))
        #expect(with.members.suffix(3).map(\.name) == ["edge1", "edge2", "edge3"])
        #expect(with.members.suffix(3).allSatisfy { $0.isEdge && $0.roles == .hotspot })
        #expect(!with.members.dropLast(3).contains { $0.isEdge })
        #expect(with.genesis.devices.count == without.genesis.devices.count + 3)
        #expect(with.genesis.validators == without.genesis.validators)
    }

    @Test func `spare sites change nothing else`() throws {
        let without = try plan(seed: 7, spares: 0)
        let with = try plan(seed: 7, spares: 5)
        #expect(without.genesis == with.genesis)
        #expect(with.spares.count == 5)
        let places = with.members.map(\.position) + with.spares.map(\.position)
        #expect(Set(places).count == places.count)
    }

    @Test func `puts honest hotspots further apart than tooNear`() throws {
        var options = TestnetPlan.Options()
        options.nodes = 20
        options.scenario = .honest
        let members = try TestnetPlan(options).members
        for (index, member) in members.enumerated() {
            for other in members[..<index] {
                #expect(member.position.distanceMetres(to: other.position) > 600)
            }
        }
    }

    @Test func `has at least four validators where there are four nodes`() throws {
        #expect(try plan(seed: 1, nodes: 4).genesis.validators.count == 4)
        #expect(try plan(seed: 1, nodes: 8).genesis.validators.count == 4)
        #expect(try plan(seed: 1, nodes: 20).genesis.validators.count == 10)
    }

    @Test func `stands at the given sites, and says when they are too few`() throws {
        var options = TestnetPlan.Options()
        options.nodes = 4
        options.sensors = 0
        options.scenario = .honest
        options.sites = (0..<4).map {
            Position(latitude: 470_000_000 + 100_000 * Int32($0), longitude: 80_000_000)!
        }
        #expect(try TestnetPlan(options).members.map(\.position) == options.sites)
        options.nodes = 5
        #expect(throws: RuntimeError.self) { try TestnetPlan(options) }
    }

    @Test func `a claim may lie any number of times around the Earth`() throws {
        let here = try #require(Position(latitude: 0, longitude: 1_790_000_000))
        let over = here.moved(eastMetres: 222_390, northMetres: 0).longitude
        #expect(abs(over + 1_790_000_000) < 100)
        for metres in [Int.min, -80_060_349, -40_500_000, 40_500_000, 80_060_349, .max] {
            let there = here.moved(eastMetres: metres, northMetres: metres)
            #expect(abs(there.longitude) <= 1_800_000_000)
        }
        // Twice around.
        let again = here.moved(eastMetres: 80_060_350, northMetres: 0)
        #expect(abs(again.longitude - here.longitude) < 100)
    }

    @Test func `refuses ports beyond the last`() {
        var options = TestnetPlan.Options()
        options.portBase = 65_530
        #expect(throws: RuntimeError.self) { try TestnetPlan(options) }
    }
}

@Suite struct `Files of a network` {
    private func withFile(_ text: String, _ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString + ".toml").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test(arguments: [1, 42, 99] as [UInt64]) func `a genesis reads back as it was written`(seed: UInt64)
        throws
    {
        var options = TestnetPlan.Options()
        options.seed = seed
        let genesis = try TestnetPlan(options).genesis
        try withFile(GenesisFile.text(of: genesis, comment: "two\nlines")) { path in
            let read = try GenesisFile.read(path)
            #expect(read == genesis)
        }
    }

    @Test func `a genesis with a misspelt setting is refused by its name`() throws {
        let genesis = try TestnetPlan(TestnetPlan.Options()).genesis
        let text = GenesisFile.text(of: genesis, comment: "").replacingOccurrences(
            of: "fee_min", with: "fee_mni")
        try withFile(text) { path in
            #expect(complaint { _ = try GenesisFile.read(path) }.contains("fee_mni is not a setting"))
        }
    }

    @Test(arguments: [
        ("unbonding_epochs = 50", "unbonding_epochs = 3"),
        ("evidence_bytes_max = 33554432", "evidence_bytes_max = 9000"),
    ])
    func `a genesis with which the rules do not work is refused by what is wrong`(
        right: String, wrong: String
    ) throws {
        let text = GenesisFile.text(of: try TestnetPlan(TestnetPlan.Options()).genesis, comment: "")
        #expect(text.contains(right))
        try withFile(text.replacingOccurrences(of: right, with: wrong)) { path in
            let name = String(wrong.prefix { $0 != " " })
            #expect(complaint { _ = try GenesisFile.read(path) }.contains("\(name) must be"))
        }
    }

    @Test func `a genesis whose device stands outside its cell is refused`() throws {
        let genesis = try TestnetPlan(TestnetPlan.Options()).genesis
        let location = genesis.devices[0].location!
        let elsewhere = Cell(containing: Position(latitude: 0, longitude: 0)!, resolution: 12)
        let text = GenesisFile.text(of: genesis, comment: "").replacingOccurrences(
            of: "\(location.cell)", with: "\(elsewhere)")
        try withFile(text) { path in
            #expect(complaint { _ = try GenesisFile.read(path) }.contains("cell"))
        }
    }

    @Test(arguments: [-201, 301]) func `a genesis with the gain of no antenna is refused`(gain: Int) throws {
        let genesis = try TestnetPlan(TestnetPlan.Options()).genesis
        let text = GenesisFile.text(of: genesis, comment: "")
        for (gain, isRefused) in [(gain, true), (gain.signum() * (abs(gain) - 1), false)] {
            try withFile(text.replacingOccurrences(of: "gain = 20\n", with: "gain = \(gain)\n")) { path in
                let said = complaint { _ = try GenesisFile.read(path) }
                #expect(said.contains("gain must be -200 to 300, in 0.1 dBi") == isRefused, "\(said)")
            }
        }
    }

    @Test func `a missing file is named`() {
        #expect(
            complaint { _ = try GenesisFile.read("/nowhere/genesis.toml") }.contains("/nowhere/genesis.toml"))
        #expect(complaint { _ = try NodeConfig.read("/nowhere/node.toml") }.contains("/nowhere/node.toml"))
    }

    private let config = """
        key = "node.key"
        data = "data"
        genesis = "../genesis.toml"
        roles = ["hotspot", "validator"]
        listen = "127.0.0.1:4000"
        """

    @Test func `paths of a node's file are relative to it`() throws {
        try withFile(config) { path in
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            let read = try NodeConfig.read(path)
            #expect(read.keyFile == folder + "/node.key")
            #expect(read.roles == [.hotspot, .validator])
            #expect(read.listen == .loopback(port: 4000))
            #expect(read.radio == nil)
        }
    }

    @Test func `an edge node is a hotspot or a sensor, and begins with a list`() throws {
        let list = "\nedge = true\nbootstrap = \"net.peers\""
        let device = config.replacingOccurrences(of: ", \"validator\"", with: "")
        try withFile(device + list) { path in
            let read = try NodeConfig.read(path)
            #expect(read.isEdge)
            try withFile(read.text) { again in
                let isEdge = try NodeConfig.read(again).isEdge
                #expect(isEdge)
            }
        }
        try withFile(device) { path in
            let isEdge = try NodeConfig.read(path).isEdge
            #expect(!isEdge)
        }
        try withFile(config + list) { path in
            #expect(complaint { _ = try NodeConfig.read(path) }.contains("validators and observers"))
        }
        try withFile(device + "\nedge = true") { path in
            #expect(complaint { _ = try NodeConfig.read(path) }.contains("bootstrap list"))
        }
    }

    @Test func `a node listens anywhere, and to packet forwarders on the loopback only`() throws {
        for address in ["0.0.0.0:4000", "192.0.2.1:4000", "[::]:4000", "[2001:db8::1]:4000", "[::1]:4000"] {
            try withFile(config.replacingOccurrences(of: "127.0.0.1:4000", with: address)) { path in
                let listen = try NodeConfig.read(path).listen
                #expect(listen == Endpoint(text: address))
            }
            guard Endpoint(text: address)?.isLoopback == false else { continue }
            try withFile(config + "\nradio = \"\(address)\"") { path in
                #expect(complaint { _ = try NodeConfig.read(path) }.contains("packet forwarders"))
            }
        }
    }

    @Test func `a node announces what others can reach, and nothing else`() throws {
        try withFile(config + "\nannounce = [\"192.0.2.1:4000\", \"[2001:db8::1]:4000\"]") { path in
            let read = try NodeConfig.read(path)
            #expect(read.announce == ["192.0.2.1:4000", "[2001:db8::1]:4000"].map { Endpoint(text: $0)! })
            try withFile(read.text) { path in
                let again = try NodeConfig.read(path).announce
                #expect(again == read.announce)
            }
        }
        for places in ["[]", "[\"0.0.0.0:4000\"]", "[\"192.0.2.1:0\"]", "[\"a\", \"b\"]"] {
            try withFile(config + "\nannounce = \(places)") { path in
                #expect(complaint { _ = try NodeConfig.read(path) }.contains("announce"))
            }
        }
    }

    @Test func `a scenario names what is odd, and a typo is refused`() throws {
        let text = """
            name = "mine"
            [[node]]
            number = 2
            region = "US915"
            frequency_offset_hz = 120000
            unregistered = true
            """
        try withFile(text) { path in
            let quirks = try TestnetScenario.read(path, memberCount: 2).quirks(of: 2)
            #expect(quirks.region == .us915)
            #expect(quirks.frequencyOffsetHz == 120_000)
            #expect(quirks.isUnregistered)
        }
        try withFile(text.replacingOccurrences(of: "unregistered", with: "unregisterd")) { path in
            #expect(
                complaint { _ = try TestnetScenario.read(path, memberCount: 2) }.contains(
                    "unregisterd is not a setting"))
        }
    }

    @Test(arguments: [
        ("number = 5", "node[1].number is 5, but there are 4 nodes"),
        ("number = 0", "node[1].number must be"),
        ("number = 2\n[[node]]\nnumber = 2", "node[2].number names node 2 a second time"),
        ("number = 3\nnear = 3", "node[1].near must be"), ("number = 3\nnear = 0", "node[1].near must be"),
        ("number = 3\nsame_owner_as = 5", "node[1].same_owner_as is 5, but there are 4 nodes"),
        ("number = 3\nsame_owner_as = 0", "node[1].same_owner_as must be"),
    ]) func `a scenario is of nodes that are there, of each once`(_ node: String, _ said: String) throws {
        try withFile("name = \"mine\"\n[[node]]\n\(node)\n") { path in
            let complaint = complaint { _ = try TestnetScenario.read(path, memberCount: 4) }
            #expect(complaint.contains(said), "\(complaint)")
        }
    }

    @Test func `the playground in Peers is a network`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let folder = root.appending(path: "Peers/local").path
        let genesis = try GenesisFile.read(folder + "/genesis.toml")
        #expect(genesis.isTest)
        let entries = try PeersFile.read(folder + "/local.peers")
        // Both nodes of the list are its validators, with the keys that README makes.
        #expect(Set(entries.map(\.node)) == Set(genesis.validators.map(\.validator)))
        for (number, name) in [(UInt64(1), "one"), (2, "two")] {
            let id = NodeKeys(seed: TestnetPlan.keySeed(number, index: 0).span.octetBytes).signing.nodeID
            let entry = try #require(entries.first { $0.node == id })
            #expect(try NodeConfig.read(folder + "/\(name).toml").listen == entry.endpoint)
        }
    }
}

/// What a call says when it throws; nothing if it does not.
func complaint(_ body: () throws -> Void) -> String {
    do {
        try body()
        return ""
    } catch {
        return "\(error)"
    }
}
