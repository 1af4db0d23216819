public import Chance

/// Where secrets come from: ephemeral keys, session indices, path challenges, cookie secrets.
///
/// Not `Chance`, whose whole stream follows from any eight octets of it: who saw one session index would know
/// every key after it. The runtime hands in the system's entropy; only a simulation hands in a seed.
public struct SecretSource {
    private let draw: (Int) -> [UInt8]

    /// `draw` returns as many octets as it is asked for, none of them predictable from others.
    public init(_ draw: @escaping (Int) -> [UInt8]) {
        self.draw = draw
    }

    /// The same octets in every run: for simulation and tests, never where anything is at stake.
    public static func simulated(_ chance: Chance) -> SecretSource {
        var chance = chance
        return SecretSource { chance.octets($0) }
    }

    func octets(_ count: Int) -> [UInt8] {
        let octets = draw(count)
        precondition(octets.count == count, "the source of secrets is short")
        return octets
    }
}

/// Local: nodes of one network may differ in all of it.
public struct Settings: Equatable, Sendable {
    /// Initiations with a good mac1 in a second, above which a proof of address is demanded.
    public var handshakesPerSecondMax = 50
    /// Half-open sessions above which it is demanded too.
    public var pendingBeforeCookies = 32
    /// Handshakes of one proven /24 or /64, in the long run and at once.
    public var prefixHandshakesPerSecond = 20
    public var prefixBurst = 5
    /// Of one proven /48 of IPv6 beside that: one customer's, with 65,536 times a /64.
    public var siteHandshakesPerSecond = 100
    public var siteBurst = 25
    /// Prefixes that this limit spares, beside loopback, as `Admission.prefix(of:)` tells them.
    public var exemptPrefixes: Set<UInt64> = []
    /// Peers at one time, whatever their state: some 4 KiB each, most of it replay windows.
    public var sessionsMax = 1_024
    /// Places of these that strangers do not get.
    public var slotsKeptForDials = 32
    /// Sessions that strangers have begun and not confirmed; the oldest gives way.
    public var halfOpenMax = 256
    /// Initiations until a node is given up: half a minute.
    public var attemptsMax = 8
    /// Of a datagram with all that sessions add. 1,200 fits through IPv6's least link; more only if a probe of
    /// the path said so.
    public var datagramByteCountMax = 1_200
    /// A key's successor is agreed on after so many datagrams, if time does not come first.
    public var rekeyAfterDatagrams: UInt64 = 1 << 60
    /// This node is behind a NAT: every session's path is kept open.
    public var isBehindNAT = false
    /// Gives the keys of each handshake away, to whoever reads the actions.
    public var logsKeys = false

    public init() {}

    func check() {
        precondition(handshakesPerSecondMax > 0 && pendingBeforeCookies > 0)
        precondition(prefixHandshakesPerSecond > 0 && prefixBurst > 0)
        precondition(siteHandshakesPerSecond > 0 && siteBurst > 0)
        precondition(0 <= slotsKeptForDials && slotsKeptForDials < sessionsMax)
        precondition(halfOpenMax > 0 && attemptsMax > 0 && rekeyAfterDatagrams > 0)
        precondition((Packet.initiationByteCount...Packet.dataByteCountMax).contains(datagramByteCountMax))
    }
}
