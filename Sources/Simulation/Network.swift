internal import Chance
internal import Wire

/// A datagram that arrives.
struct Arrival {
    let at: Instant
    let host: Int
    let source: Endpoint
    let bytes: [UInt8]
}

/// What happened to one datagram between two hosts: enough to do the same to it again.
public struct Fate: Codable, Equatable, Sendable {
    /// Nanoseconds on the way, for each copy; empty: lost.
    public var delays: [Int64] = []
    /// Octets that changed: position and difference.
    public var flips: [[Int]] = []
    /// What was cut off at the end.
    public var cutOff = 0

    init() {}
}

/// What lies between hosts: delay, loss, and every fault that a plan asks for.
struct Network {
    private let plan: Plan
    /// One for each sender: a host that sends a datagram more leaves the others' chances alone.
    private var chances: [Chance]
    /// For faults that lose by chance: where fates are recorded, these are drawn all the same.
    private var faultChances: [Chance]
    /// Fates to use before any is drawn, each list for one sender and receiver, the next one last.
    private var recorded: [Int: [Fate]]
    private var active: [Fault] = []
    private let twinned: [Int]
    /// Who leads the first view of the newest epoch.
    var leader: Int?
    /// When each host's line is free again.
    private var lineFree: [Instant]
    private var translators = Translators()
    private(set) var injected: [String: UInt64] = [:]
    private(set) var lost: UInt64 = 0
    private(set) var bytesSent: UInt64 = 0
    private(set) var bytesSentBy: [UInt64]

    init(plan: Plan, twinned: [Int], fates: [RecordedFate], chance: Chance) {
        self.plan = plan
        self.twinned = twinned
        let machines = plan.hosts + twinned.count
        var chance = chance
        chances = (0..<machines).map { _ in chance.split() }
        faultChances = (0..<machines).map { _ in chance.split() }
        lineFree = Array(repeating: .origin, count: machines)
        bytesSentBy = Array(repeating: 0, count: machines)
        recorded = [:]
        for fate in fates.reversed() { recorded[fate.from << 16 | fate.to, default: []].append(fate.fate) }
    }

    private static let port: UInt16 = 4_000
    private static let movedPort: UInt16 = 4_001

    static func endpoint(of host: Int) -> Endpoint { endpoint(of: host, port: port) }

    private static func endpoint(of host: Int, port: UInt16) -> Endpoint {
        Endpoint(ipv4: 0x0A00_0001 + UInt32(host) << 8, port: port)
    }

    static func host(at endpoint: Endpoint) -> (host: Int, port: UInt16)? {
        guard let ipv4 = endpoint.ipv4, ipv4 & 0xFF == 1, ipv4 >> 24 == 10,
            endpoint.port == port || endpoint.port == movedPort || Translators.ports.contains(endpoint.port)
        else { return nil }
        return (Int((ipv4 & 0x00FF_FFFF) >> 8), endpoint.port)
    }

    /// The host that a machine passes for.
    private func face(of machine: Int) -> Int {
        machine < plan.hosts ? machine : twinned[machine - plan.hosts]
    }

    mutating func begin(_ fault: Fault) { active.append(fault) }

    mutating func end(_ fault: Fault) {
        if let place = active.firstIndex(of: fault) { active.remove(at: place) }
    }

    var isFaulty: Bool { !active.isEmpty }

    func faults(_ kind: Fault.Kind) -> [Fault] { active.filter { $0.kind == kind } }

    private func isMoved(_ host: Int) -> Bool {
        active.contains { $0.kind == .readdress && $0.hosts.contains(host) }
    }

    /// Sends one datagram; returns what was drawn for it, unless a fault kept it before anything was.
    mutating func send(
        _ bytes: [UInt8], from machine: Int, to endpoint: Endpoint, at now: Instant,
        _ arrivals: inout [Arrival]
    ) -> (fate: Fate, to: Int)? {
        bytesSent += UInt64(bytes.count)
        bytesSentBy[machine] += UInt64(bytes.count)
        let host = face(of: machine)
        guard let (receiver, port) = Self.host(at: endpoint), receiver < plan.hosts else {
            lose("nobodyThere")
            return nil
        }
        let isRough = now < .origin + .milliseconds(plan.healsAt)
        let links = isRough ? plan.roughLinks ?? plan.links : plan.links
        guard bytes.count <= links.mtu else {
            lose("tooLarge")
            return nil
        }
        guard let leaves = pass(bytes.count, of: machine, to: receiver, port, at: now) else {
            return nil
        }
        let sourcePort = translate(from: host, to: receiver, port, at: now)
        guard letsIn(receiver, port, from: host, sourcePort, at: now) else { return nil }
        let source = Self.endpoint(of: host, port: sourcePort)
        let fate = recorded[machine << 16 | receiver]?.popLast() ?? draw(links, from: machine, bytes)
        if fate.delays.isEmpty { lose("lost") }
        let spoilt = spoil(bytes, fate)
        // Of two machines with one key, half of the others reach the one, half the other.
        let twin = twinned.firstIndex(of: receiver).map { plan.hosts + $0 }
        let target = twin != nil && host % 2 == 0 ? twin! : receiver
        for delay in fate.delays {
            arrivals.append(
                Arrival(at: leaves + .nanoseconds(delay), host: target, source: source, bytes: spoilt))
        }
        return (fate, receiver)
    }

    /// When a datagram leaves; nil if a fault swallows it.
    private mutating func pass(
        _ count: Int, of machine: Int, to: Int, _ port: UInt16, at now: Instant
    ) -> Instant? {
        let from = face(of: machine)
        var leaves = now
        for fault in active {
            let isFrom = fault.hosts.contains(from)
            let isTo = fault.hosts.contains(to)
            switch fault.kind {
            case .partition where isFrom != isTo: return lose("partitioned")
            case .cut where isFrom && (fault.others.isEmpty || fault.others.contains(to)): return lose("cut")
            case .leaderCut where from == leader || to == leader: return lose("leaderCutOff")
            case .flap where isFrom && isTo && isShut(fault, from, to, at: now): return lose("flapped")
            case .loss where (isFrom || isTo) && faultChances[machine].happens(fault.amount, in: 1000):
                return lose("lost")
            case .clog where isFrom || isTo:
                leaves = max(leaves, .origin + .milliseconds(fault.until))
                injected["clogged", default: 0] += 1
            case .swizzle where isFrom || isTo:
                guard let free = freed(fault, isFrom ? from : to, at: now) else { break }
                leaves = max(leaves, free)
                injected["swizzled", default: 0] += 1
            case .bandwidth where isFrom:
                let free = max(lineFree[from], now) + .microseconds(count * 8_000 / max(1, fault.amount))
                guard free < now + .seconds(1) else { return lose("lineFull") }
                lineFree[from] = free
                leaves = max(leaves, free)
            case .nat where isTo:
                let life = Duration.milliseconds(fault.amount)
                guard !translators.isOpen(to, toward: from, life: life, at: now) else { break }
                _ = translate(from: from, to: to, port, at: now)
                return lose("notLetIn")
            default: break
            }
        }
        return leaves
    }

    /// Where a receiver sees the sender: each translator on the way out remembers that something left, whatever becomes
    /// of it further on.
    private mutating func translate(from: Int, to: Int, _ toPort: UInt16, at now: Instant) -> UInt16 {
        var port = isMoved(from) ? Self.movedPort : Self.port
        for fault in active where fault.kind.isTranslator && fault.hosts.contains(from) {
            translators.note(from, to: to, at: now)
            guard fault.kind == .symmetric else { continue }
            port = translators.port(of: from, to: to, toPort, life: .milliseconds(fault.amount), at: now)
        }
        return port
    }

    /// Whether the receiver's translators let in what comes from that port, and it is where it was sent to.
    private mutating func letsIn(
        _ to: Int, _ port: UInt16, from: Int, _ fromPort: UInt16, at now: Instant
    ) -> Bool {
        var isTranslated = false
        for fault in active where fault.hosts.contains(to) {
            let life = Duration.milliseconds(fault.amount)
            switch fault.kind {
            case .symmetric:
                isTranslated = true
                guard translators.admits(port, of: to, from: from, fromPort, life: life, at: now) else {
                    lose("notLetIn")
                    return false
                }
            case .fullCone where !translators.isOpen(to, life: life, at: now):
                lose("notLetIn")
                return false
            default: break
            }
        }
        guard isTranslated || port == (isMoved(to) ? Self.movedPort : Self.port) else {
            lose("movedAway")
            return false
        }
        return true
    }

    /// Whether a flapping link is shut now: the same for every datagram of the moment.
    private func isShut(_ fault: Fault, _ from: Int, _ to: Int, at now: Instant) -> Bool {
        let turn = (now - .origin).milliseconds / Int64(max(1, fault.amount))
        var turns = Chance(seed: plan.seed ^ UInt64(turn) << 32)
        let mutes = turns.happens(1, in: 2)
        let link = mutes ? from : from << 16 | to
        var chance = Chance(seed: turns.bits() ^ UInt64(link))
        return chance.happens(1, in: 2)
    }

    /// Until when a swizzled host is clogged; nil if it is not at this time. Begins in the list's order in the
    /// fault's first half, ends in another order in its second half.
    private func freed(_ fault: Fault, _ host: Int, at now: Instant) -> Instant? {
        let place = fault.hosts.firstIndex(of: host)!
        let half = (fault.until - fault.at) / 2
        let begins = fault.at + half * place / fault.hosts.count
        let turned = (place * 7 + fault.amount) % fault.hosts.count
        let ends = fault.at + half + half * (turned + 1) / fault.hosts.count
        guard now >= .origin + .milliseconds(begins), now < .origin + .milliseconds(ends) else { return nil }
        return .origin + .milliseconds(ends)
    }

    private mutating func draw(_ links: Links, from machine: Int, _ bytes: [UInt8]) -> Fate {
        var fate = Fate()
        var chance = chances[machine]
        defer { chances[machine] = chance }
        if chance.happens(links.lossPermille, in: 1000) { return fate }
        let copies = chance.happens(links.duplicatePermille, in: 1000) ? 2 : 1
        if copies == 2 { injected["duplicated", default: 0] += 1 }
        for _ in 0..<copies {
            var delay = chance.duration(
                in: .microseconds(links.latencyMicrosecondsMin)
                    ... .microseconds(links.latencyMicrosecondsMax))
            if chance.happens(links.reorderPermille, in: 1000) {
                injected["reordered", default: 0] += 1
                delay = delay * (2 + chance.below(9))
            }
            fate.delays.append(delay.nanoseconds)
        }
        guard !bytes.isEmpty else { return fate }
        if chance.happens(links.corruptPermille, in: 1000) {
            injected["corrupted", default: 0] += 1
            for _ in 0...chance.below(3) {
                fate.flips.append([chance.below(bytes.count), 1 + chance.below(255)])
            }
        }
        if chance.happens(links.truncatePermille, in: 1000) {
            injected["truncated", default: 0] += 1
            fate.cutOff = 1 + chance.below(bytes.count)
        }
        return fate
    }

    private func spoil(_ bytes: [UInt8], _ fate: Fate) -> [UInt8] {
        guard !fate.flips.isEmpty || fate.cutOff > 0 else { return bytes }
        var bytes = bytes
        for flip in fate.flips where flip.count == 2 && bytes.indices.contains(flip[0]) {
            bytes[flip[0]] ^= UInt8(truncatingIfNeeded: flip[1])
        }
        bytes.removeLast(min(bytes.count, max(0, fate.cutOff)))
        return bytes
    }

    @discardableResult
    private mutating func lose(_ reason: String) -> Instant? {
        lost += 1
        injected[reason, default: 0] += 1
        return nil
    }
}

extension Fault.Kind {
    var isTranslator: Bool { self == .nat || self == .fullCone || self == .symmetric }
}
