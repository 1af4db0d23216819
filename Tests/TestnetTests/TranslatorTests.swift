import Foundation
import Identity
import Records
import Runtime
import Testing
import Wire

extension TestnetTests {
    /// Real nodes behind real translators of addresses.
    @Suite struct TranslatorTests {
        /// Three validators that anybody reaches, two behind what homes have, two behind symmetric translators, and an edge
        /// node behind one.
        private static let translators: [Translator] = [
            .none, .none, .none, .answersOnly, .answersOnly, .symmetric, .symmetric, .symmetric,
        ]

        /// A machine that does not let this process make namespaces with translators (it needs root, and a kernel with
        /// `nf_tables`) cannot run this; then it says so as a known issue, not as a success. The simulator's
        /// `behind-translators` shows the same on any machine.
        @Test func `nodes behind translators meet all others, and every epoch is final`() async throws {
            let scratch = try Scratch()
            let namespaces: Namespaces
            do {
                namespaces = try Namespaces(scratch: scratch.path)
                for (index, translator) in Self.translators.enumerated() {
                    try namespaces.addHost(index + 1, behind: translator)
                }
            } catch {
                withKnownIssue("no network namespaces with translators on this machine") {
                    Issue.record("\(error)")
                }
                return
            }
            var options = TestnetPlan.Options()
            options.nodes = 7
            options.validators = 7
            options.sensors = 0
            options.edges = 1
            options.spares = 0
            options.epochMilliseconds = 1_500
            options.scenario = .honest
            options.portBase = Ports.translators
            let plan = try TestnetPlan(options)
            let directory = TestnetDirectory(scratch.path + "/net")
            try directory.create(plan, replacing: false, airtimePermille: 1)
            let children = try start(plan, directory, in: namespaces)
            defer { stop(children) }
            let validators = plan.members.prefix(7)
            let stores = try await eventually("all stores to be there") {
                try? plan.members.map { try NodeStore(at: directory.data($0.name), readOnly: true) }
            }
            func status(_ number: Int) throws -> LiveStatus? { try stores[number - 1].status() }
            func accounts() throws -> String {
                try (1...7).map { number in
                    let status = try status(number)
                    let peers = (status?.peers ?? []).map { peer in
                        let other = plan.members.firstIndex { $0.id == peer.node }! + 1
                        return "\(other)" + (peer.link?.relay == nil ? "" : " over a relay")
                    }
                    return "\(number) sees \(peers.joined(separator: ", "))"
                }.joined(separator: "\n")
            }
            do {
                try await until("each validator to have the six others as peers") {
                    try (1...7).allSatisfy { try status($0)?.peers.count == 6 }
                }
                let met = try (1...7).compactMap { try status($0)?.openEpoch }.max() ?? 0
                try await until("three epochs more to be final on all, the edge node too") {
                    try stores.prefix(7).allSatisfy { try $0.lastEpoch() >= met + 2 }
                        && stores[7].followedEpoch() >= met + 2
                }
            } catch {
                Issue.record("\(error)\n\(try accounts())")
                return
            }
            // Behind what homes have: without a relay, at the latest when they try again after a minute. Behind two
            // symmetric ones, or one of each: over one.
            let ids = validators.map(\.id)
            func relay(_ number: Int, _ other: Int) throws -> NodeID? {
                try status(number)?.peers.first { $0.node == ids[other - 1] }?.link?.relay
            }
            try await until("4 and 5 to reach each other", within: .seconds(150)) {
                try relay(4, 5) == nil && relay(5, 4) == nil
            }
            #expect(try relay(4, 1) == nil && relay(6, 1) == nil)
            for (number, other) in [(6, 7), (4, 6), (5, 7)] {
                let over = try #require(
                    try relay(number, other), "\(number) reaches \(other) without a relay")
                #expect(ids.prefix(3).contains(over))
            }
            let seen = try (1...7).compactMap { try status($0)?.translation }
            #expect(!seen.prefix(5).contains(.symmetric) && !seen.suffix(2).contains(.endpointIndependent))
            // It calls all the others itself, and they tell whom they call where they see it.
            try await until("the edge node to know its translator") {
                try status(8)?.translation == .symmetric
            }
            let root = try stores[0].summary(2)?.stateRoot
            #expect(try stores.prefix(7).allSatisfy { try $0.summary(2)?.stateRoot == root })
        }

        private func start(
            _ plan: TestnetPlan, _ directory: TestnetDirectory, in namespaces: Namespaces
        ) throws -> [ChildProcess] {
            let first = plan.members[0]
            try "earshot://\(first.id.text)@\(Namespaces.address(1)):\(first.gossip.port)\n"
                .write(toFile: directory.peersFile, atomically: true, encoding: .utf8)
            return try plan.members.enumerated().map { index, member in
                let file = directory.configFile(member.name)
                let place =
                    Self.translators[index] == .none ? Namespaces.address(index + 1) : "0.0.0.0"
                let text = try String(contentsOfFile: file, encoding: .utf8)
                    .replacing("listen = \"127.0.0.1:", with: "listen = \"\(place):")
                try text.write(toFile: file, atomically: true, encoding: .utf8)
                return try namespaces.start(
                    earshot, ["node", "--config", file, "--stop-on-eof"], on: index + 1,
                    log: directory.log(member.name))
            }
        }

        private func stop(_ children: [ChildProcess]) {
            for child in children { child.terminate() }
            let deadline = ContinuousClock.now + .seconds(10)
            while children.contains(where: \.isRunning), ContinuousClock.now < deadline { usleep(20_000) }
            for child in children { child.kill() }
        }
    }
}
