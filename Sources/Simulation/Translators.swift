internal import Chance
internal import Wire

/// What translators of addresses remember: who sent where, and from which port that is seen.
struct Translators {
    /// Of symmetric ones: each way has one of its own.
    static let ports: ClosedRange<UInt16> = 10_000...65_000

    private struct Way: Hashable {
        let from: Int
        let to: Int
        let port: UInt16
    }

    private struct Mapping {
        let port: UInt16
        var usedAt: Instant
    }

    /// When a host last sent to another.
    private var sent: [Int: Instant] = [:]
    /// When a host last sent to anybody.
    private var sentAtAll: [Int: Instant] = [:]
    private var mappings: [Way: Mapping] = [:]
    private var nextPorts: [Int: UInt16] = [:]

    mutating func note(_ host: Int, to: Int, at now: Instant) {
        sent[host << 16 | to] = now
        sentAtAll[host] = now
    }

    func isOpen(_ host: Int, toward other: Int, life: Duration, at now: Instant) -> Bool {
        sent[host << 16 | other].map { now < $0 + life } ?? false
    }

    func isOpen(_ host: Int, life: Duration, at now: Instant) -> Bool {
        sentAtAll[host].map { now < $0 + life } ?? false
    }

    /// The port by which that place sees the host; a way that was closed gets a new one.
    mutating func port(
        of host: Int, to: Int, _ toPort: UInt16, life: Duration, at now: Instant
    ) -> UInt16 {
        let way = Way(from: host, to: to, port: toPort)
        if let mapping = mappings[way], now < mapping.usedAt + life {
            mappings[way]!.usedAt = now
            return mapping.port
        }
        let port = nextPorts[host] ?? Self.ports.lowerBound
        nextPorts[host] = port < Self.ports.upperBound ? port + 1 : Self.ports.lowerBound
        mappings[way] = Mapping(port: port, usedAt: now)
        return port
    }

    /// Whether what comes from a place to a port answers what the host sent there from it.
    func admits(
        _ port: UInt16, of host: Int, from: Int, _ fromPort: UInt16, life: Duration, at now: Instant
    ) -> Bool {
        guard let mapping = mappings[Way(from: host, to: from, port: fromPort)] else { return false }
        return mapping.port == port && now < mapping.usedAt + life
    }
}
