internal import Chance
internal import Wire

/// A datagram that arrives.
struct Arrival {
    let at: Instant
    let host: Int
    let source: Endpoint
    let bytes: [UInt8]
}

/// What lies between hosts: delay, loss, and every fault that a plan asks for.
struct Network {
    private let plan: Plan
    private var chance: Chance
    private var active: [Fault] = []
    private(set) var injected: [String: UInt64] = [:]
    private(set) var lost: UInt64 = 0
    private(set) var bytesSent: UInt64 = 0

    init(plan: Plan, chance: Chance) {
        self.plan = plan
        self.chance = chance
    }

    static func endpoint(of host: Int) -> Endpoint {
        Endpoint(ipv4: 0x0A00_0001 + UInt32(host) << 8, port: 4_000)
    }

    static func host(at endpoint: Endpoint) -> Int? {
        guard let ipv4 = endpoint.ipv4, endpoint.port == 4_000, ipv4 & 0xFF == 1, ipv4 >> 24 == 10 else {
            return nil
        }
        return Int((ipv4 & 0x00FF_FFFF) >> 8)
    }

    mutating func begin(_ fault: Fault) { active.append(fault) }

    mutating func end(_ fault: Fault) {
        if let place = active.firstIndex(of: fault) { active.remove(at: place) }
    }

    mutating func send(
        _ bytes: [UInt8], from host: Int, to endpoint: Endpoint, at now: Instant, _ arrivals: inout [Arrival]
    ) {
        bytesSent += UInt64(bytes.count)
        guard let receiver = Self.host(at: endpoint), receiver < plan.hosts else {
            return lose("nobodyThere")
        }
        let isRough = now < .origin + .milliseconds(plan.healsAt)
        let links = isRough ? plan.roughLinks ?? plan.links : plan.links
        guard bytes.count <= links.mtu else { return lose("tooLarge") }
        var notBefore = Instant.origin
        for fault in active {
            if let reason = blocks(fault, host, receiver) { return lose(reason) }
            if fault.kind == .clog, fault.hosts.contains(host) || fault.hosts.contains(receiver) {
                notBefore = max(notBefore, .origin + .milliseconds(fault.until))
                injected["clogged", default: 0] += 1
            }
        }
        if chance.happens(links.lossPermille, in: 1000) { return lose("lost") }
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
            arrivals.append(
                Arrival(
                    at: max(now + delay, notBefore + delay), host: receiver,
                    source: Self.endpoint(of: host), bytes: spoilt(bytes, links)))
        }
    }

    private mutating func blocks(_ fault: Fault, _ from: Int, _ to: Int) -> String? {
        switch fault.kind {
        case .partition: fault.hosts.contains(from) != fault.hosts.contains(to) ? "partitioned" : nil
        case .cut:
            fault.hosts.contains(from) && (fault.others.isEmpty || fault.others.contains(to)) ? "cut" : nil
        case .loss:
            (fault.hosts.contains(from) || fault.hosts.contains(to))
                && chance.happens(fault.amount, in: 1000) ? "lost" : nil
        case .clog, .crash, .pause, .jump, .skew, .slowDisk: nil
        }
    }

    private mutating func spoilt(_ bytes: [UInt8], _ links: Links) -> [UInt8] {
        var bytes = bytes
        if !bytes.isEmpty, chance.happens(links.corruptPermille, in: 1000) {
            injected["corrupted", default: 0] += 1
            for _ in 0...chance.below(3) {
                bytes[chance.below(bytes.count)] ^= UInt8(1 + chance.below(255))
            }
        }
        if !bytes.isEmpty, chance.happens(links.truncatePermille, in: 1000) {
            injected["truncated", default: 0] += 1
            bytes.removeLast(1 + chance.below(bytes.count))
        }
        return bytes
    }

    private mutating func lose(_ reason: String) {
        lost += 1
        injected[reason, default: 0] += 1
    }
}
