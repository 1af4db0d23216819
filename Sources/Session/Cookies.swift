internal import Bytes
internal import Chance
internal import Identity
internal import Rules
internal import Wire

/// The keys that everyone can derive from a responder's static key: they prove nothing but that the sender
/// knows whom it calls, which is enough to answer strays and scanners with silence.
struct ResponderKeys {
    let mac1: [UInt8]
    let cookie: [UInt8]

    init(of responder: ExchangePublicKey) {
        mac1 = Self.derive("mac1----", responder)
        cookie = Self.derive("cookie--", responder)
    }

    private static func derive(_ label: String, _ responder: ExchangePublicKey) -> [UInt8] {
        let input = Array(label.utf8) + responder.octets
        return blake2b(input.octetBytes, key: nil, byteCount: 32)
    }

    /// BLAKE2b-128 over everything before it.
    func mac1(_ message: ArraySlice<UInt8>) -> [UInt8] { mac(message, key: mac1) }
}

func mac(_ message: ArraySlice<UInt8>, key: [UInt8]) -> [UInt8] {
    blake2b(message.span.octetBytes, key: key, byteCount: Packet.macByteCount)
}

/// Makes cookies and knows them again, without remembering whom they were given to: a cookie is the address
/// under a secret that lives for two minutes and is honoured for two more.
struct CookieJar {
    static let secretLifetime: Duration = .seconds(120)
    /// An initiator uses a cookie as long as it is sure to be honoured.
    static let cookieLifetime: Duration = .seconds(120)

    private var current: [UInt8]
    private var previous: [UInt8]?
    private var born: Instant

    init(secrets: SecretSource, at now: Instant) {
        current = secrets.octets(32)
        born = now
    }

    mutating func rotate(secrets: SecretSource, at now: Instant) {
        let age = now - born
        guard age >= Self.secretLifetime else { return }
        previous?.wipeSecret()
        if age < Self.secretLifetime * 2 {
            previous = current
        } else {
            // Nobody came for so long that the last one is over too.
            current.wipeSecret()
            previous = nil
        }
        current = secrets.octets(32)
        born = now
    }

    func cookie(for source: Endpoint) -> [UInt8] { Self.cookie(source, secret: current) }

    /// Whether `mac2` was made with a cookie that this source was given.
    func honours(_ mac2: [UInt8], over message: ArraySlice<UInt8>, from source: Endpoint) -> Bool {
        if mac(message, key: cookie(for: source)).equalsInConstantTime(mac2) { return true }
        guard let previous else { return false }
        return mac(message, key: Self.cookie(source, secret: previous)).equalsInConstantTime(mac2)
    }

    private static func cookie(_ source: Endpoint, secret: [UInt8]) -> [UInt8] {
        let source = isRemoved(.cookieBinding) ? Endpoint.loopback(port: 0) : source
        return blake2b(source.encoded().octetBytes, key: secret, byteCount: Packet.cookieByteCount)
    }
}

/// How much work strangers may cause. All of fixed size, however many they are.
struct Admission {
    /// Buckets of address prefixes: 32 KiB. Two prefixes that meet in one share it for the moment.
    static let bucketCount = 4_096
    static let loadPeriod: Duration = .seconds(1)

    private var windowStart: Instant = .origin
    private var windowCount = 0
    private var loadedUntil: Instant = .origin
    /// The moment at which the bucket will be full again; in the past for one that is.
    private var full = [Instant](repeating: .origin, count: bucketCount)
    /// Places are drawn, so that nobody can choose to meet somebody else in a bucket.
    private let key: UInt64

    init(secrets: SecretSource) { key = Packet.integer(secrets.octets(8), at: 0) }

    /// Counts one initiation with a good mac1. True if a proof of address is due, and for a second after.
    mutating func isLoaded(settings: Settings, pending: Int, at now: Instant) -> Bool {
        if now - windowStart >= Self.loadPeriod {
            windowStart = now
            windowCount = 0
        }
        windowCount += 1
        if windowCount > settings.handshakesPerSecondMax || pending > settings.pendingBeforeCookies {
            loadedUntil = now + Self.loadPeriod
        }
        return now < loadedUntil
    }

    /// Takes a token of a proven source's prefix (the generic cell rate algorithm of ITU-T I.371), and of its site's: an IPv6
    /// /48 is given to one customer, and has 65,536 prefixes.
    mutating func admits(_ source: Endpoint, settings: Settings, at now: Instant) -> Bool {
        let prefix = Self.prefix(of: source)
        if source.isLoopback || settings.exemptPrefixes.contains(prefix) { return true }
        var buckets = [
            (
                place(of: prefix), Duration.seconds(1) / settings.prefixHandshakesPerSecond,
                settings.prefixBurst
            )
        ]
        if source.ipv4 == nil, !source.isRelayed {
            // Told from its first /64 by being turned over, as no prefix begins so.
            let site = ~(prefix & ~0xFFFF)
            buckets.append(
                (place(of: site), Duration.seconds(1) / settings.siteHandshakesPerSecond, settings.siteBurst))
        }
        for (place, interval, burst) in buckets {
            full[place] = max(full[place], now)
            guard full[place] - now <= interval * (burst - 1) else { return false }
        }
        for (place, interval, _) in buckets { full[place] = full[place] + interval }
        return true
    }

    private func place(of prefix: UInt64) -> Int {
        Int(Self.mixed(prefix ^ key) % UInt64(Self.bucketCount))
    }

    /// A /24 of IPv4, told from the /64 of IPv6 by bits that no global address has. Each way over a relay is one of its own:
    /// who calls over one must not use up what others may, and the relay bounds what it carries.
    static func prefix(of endpoint: Endpoint) -> UInt64 {
        if endpoint.isRelayed { return endpoint.high | endpoint.low }
        return endpoint.ipv4.map { 0xFFFF_0000_0000 | UInt64($0 >> 8) } ?? endpoint.high
    }

    /// SplitMix64's last step.
    private static func mixed(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// The newest timestamp of each static key that completed a first message: an older or equal one is a replay.
///
/// Who is forgotten (the longest silent, when the table is full, and all at a restart) can be replayed: that wins one
/// half-open entry, because no data confirms it, and three seconds of our own dial where our id is the higher.
struct Timestamps {
    /// Some 80 octets each.
    static let countMax = 4_096

    private var entries: [ExchangePublicKey: (timestamp: UInt64, heard: UInt64)] = [:]
    private var tick: UInt64 = 0

    var count: Int { entries.count }

    /// Notes a timestamp of an authenticated message; false if it is not newer than the last.
    mutating func advance(_ key: ExchangePublicKey, to timestamp: UInt64) -> Bool {
        tick += 1
        if let known = entries[key] {
            guard timestamp > known.timestamp else { return false }
        } else if entries.count >= Self.countMax {
            // Ticks are all different, so the order of the table does not matter.
            if let oldest = entries.min(by: { $0.value.heard < $1.value.heard })?.key {
                entries[oldest] = nil
            }
        }
        entries[key] = (timestamp, tick)
        return true
    }
}
