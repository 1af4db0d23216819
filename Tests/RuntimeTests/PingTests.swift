import Bytes
import Chance
import Geo
import Identity
import Session
import Testing
import Wire

@testable import Runtime

/// A ping, a node at the other end, and what lies between them, in virtual time.
private final class Path {
    static let network = Digest(of: Array("a network of pings".utf8))
    static let place = Endpoint(ipv4: 0xC000_0201, port: 4_000)
    static let pinger = Endpoint(ipv4: 0xC000_0202, port: 50_000)
    static let latency: Duration = .milliseconds(7)
    static let wall: UInt64 = 1_700_000_000_000_000_000

    let seed: SecretSeed
    let node: Sessions
    private(set) var ping: Ping
    private(set) var now = Instant(nanoseconds: 5_000_000_000)
    private let started: Instant
    /// What the way makes of a datagram to the node, and of one to the ping.
    var there: ([UInt8]) -> [[UInt8]] = { [$0] }
    var back: ([UInt8]) -> [[UInt8]] = { [$0] }
    /// What the node does with a payload.
    var answer: (Path, Payload) -> Void = { path, payload in
        for case .probe(let nonce) in payload.frames { path.send(.pong(nonce: nonce)) }
    }
    private var first: [[UInt8]] = []
    private var flying: [(at: Instant, octets: [UInt8], isBack: Bool)] = []

    init(
        count: Int = 5, isSigned: Bool = true, wallAhead: Int64 = 0, settings: Session.Settings = .init(),
        id: NodeID? = nil, region: Cell? = nil
    ) {
        var chance = Chance(seed: 7)
        seed = SecretSeed(octets: chance.octets(32).octetBytes)
        let key = seed.signingKey
        var record = NodeRecord(
            node: key.nodeID, sequence: 3, roles: .validator, endpoints: [Self.place], region: nil, version: 1
        )
        if isSigned { record = record.signed(by: key, network: Self.network) }
        node = Sessions(
            key: seed.exchangeKey, record: record, network: Self.network, settings: settings,
            secrets: .simulated(chance.split()),
            wallNanoseconds: UInt64(Int64(Self.wall) + wallAhead), now: now)
        ping = Ping(
            id ?? key.nodeID, at: Self.place, writtenAs: "there:4000", network: Self.network, count: count,
            region: region, seed: SecretSeed(octets: chance.octets(32).octetBytes),
            secrets: .simulated(chance.split()),
            wallNanoseconds: Self.wall, now: now, transmit: &first)
        started = now
    }

    func send(_ frame: Frame) {
        guard let to = node.openNodes.first else { return }
        handle(.send(to, Payload(frames: [frame]).encoded()))
    }

    func handle(_ event: Sessions.Event) {
        var actions: [Sessions.Action] = []
        node.handle(event, at: now, actions: &actions)
        for action in actions {
            switch action {
            case .transmit(let octets, _): fly(back(octets), isBack: true)
            case .received(_, let octets):
                if let payload = try? Payload(decoding: octets.octetBytes) { answer(self, payload) }
            default: break
            }
        }
    }

    func tell(_ event: Ping.Event) {
        var sent: [[UInt8]] = []
        ping.handle(event, at: now, transmit: &sent)
        for octets in sent { fly(there(octets), isBack: false) }
    }

    private func fly(_ datagrams: [[UInt8]], isBack: Bool) {
        flying += datagrams.map { (now + Self.latency, $0, isBack) }
    }

    /// Runs until the ping is done, which it is whatever the node does.
    @discardableResult
    func run(for duration: Duration = .seconds(120)) -> PingReport {
        for octets in first { fly(there(octets), isBack: false) }
        first = []
        let end = now + duration
        while !ping.isDone {
            let next = min(flying.first?.at ?? .never, ping.deadline, node.deadline)
            guard next <= end else { break }
            now = max(now, next)
            if let datagram = flying.first, datagram.at <= now {
                flying.removeFirst()
                if datagram.isBack {
                    tell(.datagram(datagram.octets))
                } else {
                    handle(.datagram(datagram.octets, from: Self.pinger))
                }
            }
            if ping.deadline <= now { tell(.woke) }
            if node.deadline <= now { handle(.woke) }
        }
        return ping.report
    }

    var passed: Duration { now - started }
}

@Suite struct `A ping` {
    @Test func `of a node that answers says who, from where, when and how fast`() {
        let path = Path(wallAhead: -3_000_000_000)
        let report = path.run()
        #expect(path.ping.isDone && report.answers)
        #expect(report.record?.roles == .validator && report.record?.sequence == 3)
        #expect(report.observed == Path.pinger)
        #expect(report.clock?.ahead == .seconds(-3) && report.clock?.doubt == Path.latency)
        #expect(report.handshake == Path.latency * 2)
        #expect(report.sent == 5)
        #expect(report.roundTrips == Array(repeating: Path.latency * 2, count: 5))
        #expect(path.node.openNodes.count == 1, "the goodbye is still on its way")
    }

    @Test func `counts what is lost`() {
        let path = Path()
        var answers = 0
        path.answer = { path, payload in
            for case .probe(let nonce) in payload.frames {
                answers += 1
                if answers != 2 { path.send(.pong(nonce: nonce)) }
            }
        }
        let report = path.run()
        #expect(report.answers && report.sent == 5 && report.roundTrips.count == 4)
    }

    @Test func `believes no pong but those it asked for, and each once`() {
        let path = Path()
        path.answer = { path, _ in
            for nonce: UInt64 in [0, 0, 99, .max] { path.send(.pong(nonce: nonce)) }
        }
        #expect(path.run().roundTrips.count == 1)
    }

    @Test func `without any answer ends after eight seconds`() {
        let path = Path()
        path.there = { _ in [] }
        #expect(path.run().fault == .noAnswer)
        #expect(path.passed < .seconds(9) && path.passed >= .seconds(7))
    }

    @Test func `tells nothing from something that is no such node`() {
        let path = Path()
        path.back = { _ in [Array("SSH-2.0".utf8)] }
        #expect(path.run().fault == .strangeAnswer)
    }

    @Test func `tells a node that only asks for proofs of address`() {
        var settings = Session.Settings()
        settings.handshakesPerSecondMax = 1
        let path = Path(settings: settings)
        var count = 0
        path.there = { octets in
            count += 1
            // Twice in a second is load for this node; with the proof, none gets through.
            return count == 1 ? [octets, octets] : []
        }
        path.back = { $0[0] == 3 ? [$0] : [] }
        #expect(path.run().fault == .cookieOnly)
    }

    @Test func `tells a card that nobody signed`() {
        #expect(Path(isSigned: false).run().fault == .badRecord)
    }

    @Test func `tells a key that nobody can hold`() {
        let path = Path(id: NodeID(octets: [UInt8](repeating: 0, count: 32).octetBytes))
        #expect(path.ping.isDone && path.ping.report.fault == .badIdentity)
    }

    @Test func `tells a handshake after which nothing comes`() {
        let path = Path()
        path.back = { $0[0] == 2 ? [$0] : [] }
        let report = path.run()
        #expect(report.fault == .unconfirmed && report.record != nil && report.sent == 5)
    }

    @Test func `tells a session in which no ping is answered`() {
        let path = Path()
        path.answer = { _, _ in }
        #expect(path.run().fault == .noPong)
    }

    @Test func `tells a node that ends the session`() {
        let path = Path()
        path.answer = { path, _ in path.handle(.close(path.node.openNodes[0], code: 3)) }
        #expect(path.run().fault == .closedByPeer(3))
    }

    @Test func `tells a node that falls silent on the way`() {
        let path = Path(count: 1_000)
        path.run(for: .seconds(5))
        path.back = { _ in [] }
        let report = path.run()
        #expect(report.fault == .fellSilent && report.roundTrips.count >= 20)
        #expect(path.passed < .seconds(40))
    }

    @Test func `ends with what the system says of the way`() {
        for (code, fault) in [
            (111, PingFault.refused), (90, .tooLarge), (113, .unreachable("No route to host")),
        ]
            as [(Int32, PingFault)]
        {
            let path = Path()
            path.tell(.socketFailed(code))
            #expect(path.ping.isDone && path.ping.report.fault == fault)
        }
    }

    @Test func `may be stopped, and what came until then counts`() {
        let early = Path()
        early.tell(.stop)
        #expect(early.ping.report.fault == .interrupted)
        let late = Path(count: 1_000)
        late.run(for: .seconds(2))
        late.tell(.stop)
        #expect(late.ping.report.answers && late.ping.report.roundTrips.count >= 9)
        late.tell(.woke)
        #expect(late.ping.deadline == .never)
    }
}

@Suite struct `A question who is near` {
    private static let bern = Cell(containing: Position("46.95,7.45")!, resolution: 5)

    private static func card(_ number: UInt8, isSigned: Bool = true) -> NodeRecord {
        let key = SigningKey(seed: Digest(of: [number]).octets.octetBytes, isGuarded: false)
        let card = NodeRecord(
            node: key.nodeID, sequence: 1, roles: .hotspot, endpoints: [Path.place], region: bern, version: 1)
        return isSigned ? card.signed(by: key, network: Path.network) : card
    }

    @Test func `is answered by cards, of which those that nobody signed are left out`() {
        let path = Path(region: Self.bern)
        var asked: [Cell] = []
        path.answer = { path, payload in
            for case .nearby(let cell) in payload.frames {
                asked.append(cell)
                path.send(
                    .records([Self.card(1), Self.card(2, isSigned: false), Self.card(3)], asks: false))
            }
        }
        let report = path.run()
        #expect(asked == [Self.bern])
        #expect(report.answers && report.cards == [Self.card(1), Self.card(3)] && report.badCards == 1)
        #expect(path.passed < .seconds(1), "the first answer is enough")
    }

    @Test func `is asked again where there is no time for strangers, and then given up`() {
        let path = Path(region: Self.bern)
        var asked = 0
        path.answer = { path, payload in
            for case .nearby in payload.frames {
                asked += 1
                // What nobody asked for is no answer.
                path.send(asked < 3 ? .pong(nonce: 0) : .records([Self.card(1)], asks: false))
            }
        }
        #expect(path.run().cards == [Self.card(1)] && asked == 3)

        let silent = Path(region: Self.bern)
        silent.answer = { path, _ in path.send(.records([Self.card(1)], asks: true)) }
        #expect(silent.run().fault == .noCards)
        #expect(silent.ping.report.sent == Ping.askingsMax && silent.passed < .seconds(5))
    }
}
