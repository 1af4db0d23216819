import Bytes
import Chance
import Identity
@testable import Membership
import TestKit
import Testing
import Wire

@Suite struct BootstrapListTests {
    private static let node = NodeID(hex: String(repeating: "5a", count: 32))!
    private static let name = node.text

    @Test func `a good list is read in its order`() {
        let list = BootstrapList(
            parsing: """
                # Where new nodes begin.

                earshot://\(Self.name)@127.0.0.1:4100
                  earshot://\(Self.node.hex)@[::1]:4101   # by hexadecimal digits\r
                earshot://\(Self.name.uppercased())@Seed-1.example.org:65535
                """)
        #expect(list.faults.isEmpty)
        #expect(list.entries.map(\.node) == [Self.node, Self.node, Self.node])
        #expect(list.entries.map(\.host) == ["127.0.0.1", "[::1]", "Seed-1.example.org"])
        #expect(list.entries.map(\.port) == [4100, 4101, 65535])
        #expect(
            list.entries.map(\.endpoint) == [
                .loopback(port: 4100), Endpoint(high: 0, low: 1, port: 4101), nil,
            ])
    }

    @Test func `an empty list is good and names nobody`() {
        for text in ["", "\n\n", "# nobody\n   \t\r\n"] {
            let list = BootstrapList(parsing: text)
            #expect(list.entries.isEmpty && list.faults.isEmpty)
        }
    }

    @Test(arguments: [
        ("http://x@127.0.0.1:1", BootstrapList.Problem.wrongScheme),
        ("earshot:/x", .wrongScheme),
        ("earshot://127.0.0.1:1", .noNode),
        ("earshot://@127.0.0.1:1", .noNode),
        ("earshot://5a5a@127.0.0.1:1", .badHexadecimalNode),
        ("earshot://\(String(repeating: "5g", count: 32))@127.0.0.1:1", .badHexadecimalNode),
        ("earshot://\(name.dropLast())q@127.0.0.1:1", .badNode(.checksum)),
        ("earshot://ear1@127.0.0.1:1", .badNode(.shortChecksum)),
        ("earshot://\(name)@127.0.0.1", .noPort),
        ("earshot://\(name)@[::1]", .noPort),
        ("earshot://\(name)@[::1:1", .badIPv6),
        ("earshot://\(name)@127.0.0.1:0", .badPort),
        ("earshot://\(name)@127.0.0.1:65536", .badPort),
        ("earshot://\(name)@127.0.0.1:-1", .badPort),
        ("earshot://\(name)@127.0.0.1:", .badPort),
        ("earshot://\(name)@127.0.0.1:01", .badPort),
        ("earshot://\(name)@127.0.0.1:1 trailing", .badPort),
        ("earshot://\(name)@:1", .noHost),
        ("earshot://\(name)@127.0.0.256:1", .badIPv4),
        ("earshot://\(name)@127.0.1:1", .badIPv4),
        ("earshot://\(name)@127.0.0.01:1", .badIPv4),
        ("earshot://\(name)@[::1::]:1", .badIPv6),
        ("earshot://\(name)@[1:2:3]:1", .badIPv6),
        ("earshot://\(name)@[]:1", .badIPv6),
        ("earshot://\(name)@::1:1", .badName),
        ("earshot://\(name)@-seed.example:1", .badName),
        ("earshot://\(name)@seed..example:1", .badName),
        ("earshot://\(name)@se_ed:1", .badName),
        ("earshot://\(name)@\(String(repeating: "a", count: 64)):1", .badName),
        (String(repeating: "x", count: 513), .lineTooLong),
    ])
    func `every kind of bad line is told`(line: String, problem: BootstrapList.Problem) {
        let good = "earshot://\(Self.name)@127.0.0.1:4100"
        let list = BootstrapList(parsing: "# list\n\(line)\n\(good)")
        #expect(list.faults == [BootstrapList.Fault(line: 2, what: problem)])
        #expect(list.entries.count == 1)
        #expect(!problem.description.isEmpty)
    }

    @Test func `all bad lines are told, up to a maximum`() {
        let two = BootstrapList(parsing: "bad\n\nworse\n")
        #expect(two.faults.map(\.line) == [1, 3])
        let many = BootstrapList(parsing: String(repeating: "bad\n", count: 1_000))
        #expect(many.faults.count == BootstrapList.faultsMax + 1)
        #expect(many.faults.last?.what == .tooManyFaults)
    }

    @Test func `a repeated entry names the first`() {
        let line = "earshot://\(Self.name)@127.0.0.1:4100"
        let list = BootstrapList(parsing: "\(line)\n# again\n\(line)\n")
        #expect(list.faults == [BootstrapList.Fault(line: 3, what: .repeated(firstLine: 1))])
    }

    @Test func `a list without end is refused`() {
        let lines = (1...1_100).map { "earshot://\(Self.name)@127.0.0.1:\($0)" }
        let list = BootstrapList(parsing: lines.joined(separator: "\n"))
        #expect(list.entries.count == BootstrapList.entriesMax)
        #expect(list.faults == [BootstrapList.Fault(line: 1_025, what: .tooManyEntries)])
        let long = BootstrapList(parsing: String(repeating: "#\n", count: 200_000))
        #expect(long.faults.map(\.what) == [.textTooLong])
    }

    @Test(arguments: Seed.all)
    func `a mutated list is read or told, never a crash`(seed: Seed) {
        var chance = seed.chance()
        let good = Array("earshot://\(Self.name)@[fe80::1:2]:4100\n".utf8)
        for _ in 0..<200 {
            var octets = good
            for _ in 0...chance.below(3) { octets.mutate(with: &chance) }
            let list = BootstrapList(parsing: String(decoding: octets, as: UTF8.self))
            #expect(list.entries.count + list.faults.count <= 3)
        }
    }
}

@Suite struct EndpointTextTests {
    @Test(arguments: [
        ("127.0.0.1:4100", Endpoint.loopback(port: 4100)),
        ("255.255.255.255:65535", Endpoint(ipv4: .max, port: 65535)),
        ("0.0.0.0:0", Endpoint(ipv4: 0, port: 0)),
        ("[::1]:1", Endpoint(high: 0, low: 1, port: 1)),
        ("[::]:1", Endpoint(high: 0, low: 0, port: 1)),
        ("[2001:db8::]:1", Endpoint(high: 0x2001_0DB8_0000_0000, low: 0, port: 1)),
        ("[1:2:3:4:5:6:7:8]:1", Endpoint(high: 0x0001_0002_0003_0004, low: 0x0005_0006_0007_0008, port: 1)),
        ("[1:2:3:4:5:6:7::]:1", Endpoint(high: 0x0001_0002_0003_0004, low: 0x0005_0006_0007_0000, port: 1)),
        ("[::ffff:127.0.0.1]:7", Endpoint.loopback(port: 7)),
        ("[FE80::aB]:9", Endpoint(high: 0xFE80_0000_0000_0000, low: 0xAB, port: 9)),
    ])
    func `an address is read`(text: String, endpoint: Endpoint) {
        #expect(Endpoint(text: text) == endpoint)
        #expect(Endpoint(text: endpoint.description) == endpoint)
    }

    @Test(arguments: [
        "", ":", ":1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0:1", "1.2.3.4.5:1", "localhost:1",
        "[::1]", "[::1]:", "::1:1", "[]:1", "[:]:1", "[:::]:1", "[1::2::3]:1", "[1:2:3:4:5:6:7]:1",
        "[1:2:3:4:5:6:7:8:9]:1", "[1:2:3:4:5:6:7:8::]:1", "[12345::]:1", "[g::]:1", "[1.2.3.4::]:1",
        "[::1.2.3]:1", "[fe80::1%eth0]:1", "127.0.0.1:65536", "127.0.0.1:00", "+1.2.3.4:5", "[::1]x:1",
        "127.0.0.1:123456",
    ])
    func `what is no address is none`(text: String) {
        #expect(Endpoint(text: text) == nil)
    }
}
