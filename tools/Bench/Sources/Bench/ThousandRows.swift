internal import Bytes
internal import Chance
internal import Dissemination
internal import Identity
internal import Wire

/// A thousand machines in made-up time, each with eight peers in the mean, and one message after the other: how long it is
/// on its way, and what it costs. A path takes 4 to 110 ms, the same both ways and always.
enum ThousandRows {
    private static let messages = 20

    static func measure() -> [Row] {
        var rows: [Row] = []
        for (what, loss, crashed) in [("", 0, 0), (", 20 % lost", 20, 0), (", 20 % crashed", 0, 20)] {
            var mesh = Mesh(seed: 1, loss: loss, crashed: crashed)
            for _ in 0..<messages { mesh.spread() }
            let deliveries = Double(mesh.delays.count)
            let delays = mesh.delays.sorted()
            let name = "300 octets to 1000 simulated nodes" + what
            func percentile(_ of: Int) -> Double { Double(delays[(delays.count - 1) * of / 100]) }
            rows.append(.number("\(name): median", percentile(50), unit: "ms"))
            rows.append(
                .number("– 99 of 100", percentile(99), unit: "ms", most: loss + crashed == 0 ? 400 : nil))
            rows.append(.number("– last", percentile(100), unit: "ms"))
            // What is lost on every way to a node is left to reconciliation, which is not in this world.
            rows.append(
                .number("– missed", Double(mesh.missed), unit: "deliveries", most: loss == 0 ? 0 : nil))
            rows.append(.number("– copies a node", Double(mesh.copies) / deliveries, unit: ""))
            rows.append(
                .number(
                    "– octets a delivery", Double(mesh.octets) / deliveries, unit: "B",
                    most: loss + crashed == 0 ? 1_300 : nil))
        }
        return rows
    }
}

private struct Mesh {
    private static let count = 1_000
    /// Peers that each chooses; as many choose it.
    private static let chosen = 4
    private static let messageOctets = 300
    /// What a session adds to a frame that travels alone.
    private static let overhead = 33
    private static let pause = 3_000

    private struct Link {
        let to: Int
        let milliseconds: Int
    }

    private var chance: Chance
    private let loss: Int
    private var machines: [Dissemination] = []
    private var links: [[NodeID: Link]] = Array(repeating: [:], count: Self.count)
    private var isUp = Array(repeating: true, count: Self.count)
    /// Frames by the millisecond of their arrival, in the order sent.
    private var arrivals: [Int: [(frame: Frame, from: Int, to: Int)]] = [:]
    private var now = 0
    private var number = 0
    private var publishedAt = 0
    private var hasIt = Array(repeating: false, count: Self.count)

    private(set) var delays: [Int] = []
    private(set) var missed = 0
    private(set) var copies = 0
    private(set) var octets = 0

    init(seed: UInt64, loss: Int, crashed: Int) {
        chance = Chance(seed: seed)
        self.loss = loss
        for _ in 0..<Self.count { machines.append(Dissemination(chance: chance.split(), now: .origin)) }
        for index in 0..<Self.count {
            for _ in 0..<Self.chosen { connect(index, chance.below(Self.count)) }
        }
        // Nobody knows it yet, when the messages come.
        for index in 0..<Self.count { isUp[index] = !chance.happens(crashed, in: 100) }
    }

    private static func id(_ index: Int) -> NodeID {
        NodeID(octets: [UInt8(index & 255), UInt8(index >> 8)].padded(to: 32).octetBytes)
    }

    private mutating func connect(_ one: Int, _ other: Int) {
        guard one != other, links[one][Self.id(other)] == nil else { return }
        let milliseconds = 4 + chance.below(107)
        for (from, to) in [(one, other), (other, one)] {
            links[from][Self.id(to)] = Link(to: to, milliseconds: milliseconds)
            handle(.connected(Self.id(to)), at: from)
        }
    }

    /// One message, of whoever is up.
    mutating func spread() {
        var author = chance.below(Self.count)
        while !isUp[author] { author = chance.below(Self.count) }
        number += 1
        hasIt = Array(repeating: false, count: Self.count)
        hasIt[author] = true
        publishedAt = now
        // The tag of evidence.
        let message = [0] + chance.octets(Self.messageOctets - 1)
        handle(.publish(message, .evidence), at: author)
        for _ in 0..<Self.pause {
            for (frame, from, to) in arrivals.removeValue(forKey: now) ?? [] where isUp[to] {
                if case .message = frame { copies += 1 }
                handle(.frame(frame, from: Self.id(from)), at: to)
            }
            let at = Instant(milliseconds: now)
            for index in machines.indices where isUp[index] && machines[index].deadline <= at {
                handle(.woke, at: index)
            }
            now += 1
        }
        missed += machines.indices.count { isUp[$0] && !hasIt[$0] }
    }

    private mutating func handle(_ event: Dissemination.Event, at index: Int) {
        var actions: [Dissemination.Action] = []
        machines[index].handle(event, at: Instant(milliseconds: now), actions: &actions)
        for action in actions {
            switch action {
            case .send(let peer, let frame): send(frame, from: index, to: peer)
            case .deliver(_, let digest, _):
                hasIt[index] = true
                delays.append(now - publishedAt)
                handle(.accepted(ShortID(digest)), at: index)
            case .ignored: preconditionFailure("nobody does wrong")
            }
        }
    }

    private mutating func send(_ frame: Frame, from index: Int, to peer: NodeID) {
        octets += Payload(frames: [frame]).encoded().count + Self.overhead
        guard !chance.happens(loss, in: 100) else { return }
        let link = links[index][peer]!
        arrivals[now + link.milliseconds, default: []].append((frame, index, link.to))
    }
}

extension Instant {
    fileprivate init(milliseconds: Int) { self = .origin + .milliseconds(milliseconds) }
}

extension [UInt8] {
    fileprivate func padded(to count: Int) -> [UInt8] {
        self + [UInt8](repeating: 1, count: count - self.count)
    }
}
