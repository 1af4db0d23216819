internal import Bytes

/// The contents of a key file: one seed, in the open or sealed with a passphrase.
///
/// A small part of TOML: `name = "text"` or `name = number`, one a line, `#` comments. Sealed contents carry
/// `sealed`, `salt`, `opslimit` and `memlimit` instead of `seed`:
///
///     version = 1
///     kind = "earshot-key"
///     network = "any"
///     seed = "9d61…7f60"
///
/// The 32 raw octets of a seed are accepted too. No I/O here: who may read the file is the runtime's matter.
public struct KeyFile: Sendable {
    public static let version: UInt64 = 1
    public static let kind = "earshot-key"
    /// Ten times what we write: room for a person's comments.
    public static let byteCountMax = 4_096
    public static let passphraseByteCountMax = 1_024
    /// Octets of fresh entropy that sealing needs.
    public static let saltByteCount = SealedSeed.saltByteCount

    enum Content: Sendable {
        case open(SecretSeed)
        case sealed(SealedSeed)
    }

    /// The key is known to others, because it was made from a number: a node must refuse it wherever the
    /// genesis does not say that the network is a test. `network = "test"` in the file.
    public let isTestOnly: Bool
    let content: Content

    /// Holds the seed in the open.
    public init(seed: SecretSeed, isTestOnly: Bool) {
        self.isTestOnly = isTestOnly
        content = .open(seed)
    }

    /// Seals the seed. The salt MUST be fresh from the system's entropy: key and nonce both follow from it.
    public init(
        sealing seed: SecretSeed, passphrase: RawSpan, salt: [UInt8], cost: SealingCost = .moderate,
        isTestOnly: Bool
    ) throws(KeyFileError) {
        self.isTestOnly = isTestOnly
        content = .sealed(
            try SealedSeed(
                sealing: seed, passphrase: passphrase, salt: salt, cost: cost, isTestOnly: isTestOnly))
    }

    /// Reads what a file holds: 32 raw octets, or text.
    public init(contents: RawSpan) throws(KeyFileError) {
        if contents.byteCount == SecretSeed.byteCount {
            self.init(seed: SecretSeed(octets: contents), isTestOnly: false)
            return
        }
        guard contents.byteCount <= Self.byteCountMax else { throw .tooLarge }
        var text = [UInt8](copying: contents)
        defer { text.wipe() }
        var fields = try KeyFileFields(parsing: text)
        defer { fields.wipe() }
        try self.init(fields: fields)
    }

    public init(parsing text: String) throws(KeyFileError) {
        guard text.utf8.count <= Self.byteCountMax else { throw .tooLarge }
        var octets = Array(text.utf8)
        defer { octets.wipe() }
        var fields = try KeyFileFields(parsing: octets)
        defer { fields.wipe() }
        try self.init(fields: fields)
    }

    private init(fields: KeyFileFields) throws(KeyFileError) {
        guard try fields.number("version") == Self.version else { throw .badValue(field: "version") }
        guard try fields.text("kind") == Array(Self.kind.utf8) else { throw .badValue(field: "kind") }
        switch String(decoding: try fields.text("network"), as: UTF8.self) {
        case "any": isTestOnly = false
        case "test": isTestOnly = true
        default: throw .badValue(field: "network")
        }
        let sealing = ["sealed", "salt", "opslimit", "memlimit"]
        if fields.has("seed") {
            guard !sealing.contains(where: { fields.has($0) }) else { throw .ambiguous }
            var seed = try fields.octets("seed", count: SecretSeed.byteCount)
            defer { seed.wipe() }
            content = .open(SecretSeed(octets: seed.octetBytes))
        } else {
            guard sealing.contains(where: { fields.has($0) }) else { throw .missing(field: "seed") }
            let cost = SealingCost(
                operations: try fields.number("opslimit"), memoryBytes: try fields.number("memlimit"))
            content = .sealed(
                try SealedSeed(
                    box: try fields.octets("sealed", count: SealedSeed.boxByteCount),
                    salt: try fields.octets("salt", count: SealedSeed.saltByteCount),
                    cost: cost))
        }
    }

    public var isSealed: Bool {
        switch content {
        case .open: false
        case .sealed: true
        }
    }

    /// Whether a node may use the key on a network of this kind.
    public func permits(testNetwork: Bool) -> Bool {
        testNetwork || !isTestOnly
    }

    /// The seed, if it lies open.
    public func open() throws(KeyFileError) -> SecretSeed {
        switch content {
        case .open(let seed): return seed
        case .sealed: throw .passphraseNeeded
        }
    }

    /// The seed; where it lies open, the passphrase is not looked at. Takes a second and the file's memory.
    public func open(passphrase: RawSpan) throws(KeyFileError) -> SecretSeed {
        switch content {
        case .open(let seed): return seed
        case .sealed(let sealed): return try sealed.open(passphrase: passphrase, isTestOnly: isTestOnly)
        }
    }

    /// What to write to the file. Secret, unless `isSealed`.
    public var text: String {
        switch content {
        case .open(let seed):
            let hex = seed.read { seed in
                var octets = [UInt8](copying: seed)
                defer { octets.wipe() }
                return octets.hex
            }
            return Self.head(isTestOnly: isTestOnly) + "seed = \"\(hex)\"\n"
        case .sealed(let sealed):
            return sealed.head(isTestOnly: isTestOnly) + "sealed = \"\(sealed.box.hex)\"\n"
        }
    }

    static func head(isTestOnly: Bool) -> String {
        """
        version = \(version)
        kind = "\(kind)"
        network = "\(isTestOnly ? "test" : "any")"

        """
    }
}
