internal import Bytes
internal import CSodium

/// How much work a passphrase costs whoever tries it: Argon2id's passes and its memory.
public struct SealingCost: Hashable, Sendable {
    /// libsodium's "sensitive" memory: more would put a small node's system at the mercy of a file.
    public static let memoryBytesMax: UInt64 = 1 << 30
    /// libsodium's least.
    public static let memoryBytesMin: UInt64 = 8_192
    /// Passes times memory of libsodium's "sensitive" setting: some seconds on a small computer.
    public static let workMax: UInt64 = 4 << 30
    /// A bound of its own, so that little memory does not allow endless passes.
    public static let operationsMax: UInt64 = 64

    public let operations: UInt64
    public let memoryBytes: UInt64

    public init(operations: UInt64, memoryBytes: UInt64) {
        self.operations = operations
        self.memoryBytes = memoryBytes
    }

    /// 256 MiB, three passes: libsodium's setting for keys at rest on a common server.
    public static let moderate = SealingCost(operations: 3, memoryBytes: 1 << 28)
    /// 64 MiB, two passes: for nodes with little memory.
    public static let interactive = SealingCost(operations: 2, memoryBytes: 1 << 26)

    var isGranted: Bool {
        guard operations <= Self.operationsMax, memoryBytes <= Self.memoryBytesMax else { return false }
        return operations * memoryBytes <= Self.workMax
    }

    var isPossible: Bool {
        operations >= 1 && memoryBytes >= Self.memoryBytesMin
    }
}

/// A seed under XChaCha20-Poly1305, with key and nonce made of passphrase and salt by Argon2id (version 1.3).
///
/// The nonce is derived and not stored: the salt is fresh for each file, so the pair never repeats. All
/// other fields of the file are authenticated with it, so nobody can take off a "test only" mark.
struct SealedSeed: Sendable {
    static let saltByteCount = 16
    private static let keyByteCount = 32
    private static let nonceByteCount = 24
    private static let tagByteCount = 16
    static let boxByteCount = SecretSeed.byteCount + tagByteCount

    let box: [UInt8]
    let salt: [UInt8]
    let cost: SealingCost

    /// Takes what a file says; refuses a cost before anyone pays it.
    init(box: [UInt8], salt: [UInt8], cost: SealingCost) throws(KeyFileError) {
        precondition(box.count == Self.boxByteCount && salt.count == Self.saltByteCount)
        guard cost.isGranted else { throw .costTooHigh }
        guard cost.operations >= 1 else { throw .badValue(field: "opslimit") }
        guard cost.isPossible else { throw .badValue(field: "memlimit") }
        self.box = box
        self.salt = salt
        self.cost = cost
    }

    init(
        sealing seed: SecretSeed, passphrase: RawSpan, salt: [UInt8], cost: SealingCost, isTestOnly: Bool
    ) throws(KeyFileError) {
        precondition(salt.count == Self.saltByteCount && cost.isGranted && cost.isPossible)
        let head = Array(Self.head(salt: salt, cost: cost, isTestOnly: isTestOnly).utf8)
        let derived = try Self.derive(passphrase: passphrase, salt: salt, cost: cost)
        var box = [UInt8](repeating: 0, count: Self.boxByteCount)
        unsafe derived.read { key in
            seed.read { seed in
                let status = unsafe seed.withUnsafeBytes { seed in
                    unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                        &box, nil, seed.octets, UInt64(seed.count), head, UInt64(head.count), nil,
                        key + Self.keyByteCount, key)
                }
                precondition(status == 0)
            }
        }
        self.box = box
        self.salt = salt
        self.cost = cost
    }

    func open(passphrase: RawSpan, isTestOnly: Bool) throws(KeyFileError) -> SecretSeed {
        let head = Array(head(isTestOnly: isTestOnly).utf8)
        let derived = try Self.derive(passphrase: passphrase, salt: salt, cost: cost)
        var status: Int32 = -1
        let seed = unsafe Guarded(byteCount: SecretSeed.byteCount) { page in
            unsafe derived.read { key in
                unsafe status = crypto_aead_xchacha20poly1305_ietf_decrypt(
                    page, nil, nil, box, UInt64(box.count), head, UInt64(head.count),
                    key + Self.keyByteCount, key)
            }
        }
        guard status == 0 else { throw .cannotUnseal }
        return SecretSeed(guarded: seed)
    }

    /// The file's text up to the box: also what the box authenticates.
    func head(isTestOnly: Bool) -> String {
        Self.head(salt: salt, cost: cost, isTestOnly: isTestOnly)
    }

    private static func head(salt: [UInt8], cost: SealingCost, isTestOnly: Bool) -> String {
        KeyFile.head(isTestOnly: isTestOnly) + """
            salt = "\(salt.hex)"
            opslimit = \(cost.operations)
            memlimit = \(cost.memoryBytes)

            """
    }

    /// The key and after it the nonce.
    private static func derive(
        passphrase: RawSpan, salt: [UInt8], cost: SealingCost
    ) throws(KeyFileError) -> Guarded {
        guard passphrase.byteCount <= KeyFile.passphraseByteCountMax else { throw .passphraseTooLong }
        let byteCount = keyByteCount + nonceByteCount
        var status: Int32 = -1
        let derived = unsafe Guarded(byteCount: byteCount) { page in
            unsafe passphrase.withUnsafeBytes { passphrase in
                // An empty passphrase has no address; then nothing is read from the page either.
                let start = unsafe passphrase.baseAddress ?? UnsafeRawPointer(page)
                unsafe status = crypto_pwhash(
                    page, UInt64(byteCount), start.assumingMemoryBound(to: CChar.self),
                    UInt64(passphrase.count), salt, cost.operations, Int(cost.memoryBytes),
                    crypto_pwhash_ALG_ARGON2ID13)
            }
        }
        guard status == 0 else { throw .notEnoughMemory }
        return derived
    }
}
