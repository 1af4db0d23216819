internal import Bytes
internal import Foundation
public import Identity
public import Wire

/// Everything a node signs and proves with, from one seed.
public struct NodeKeys: Sendable {
    public let signing: SigningKey
    public let vrf: VRFKey
    /// For handshakes.
    public let exchange: ExchangeKey

    public init(seed: RawSpan) {
        self.init(seed: SecretSeed(octets: seed))
    }

    /// Loads a key file; a sealed one asks for its passphrase in `EARSHOT_PASSPHRASE`. Keys made from a public seed
    /// are refused on any network that is not a test.
    public static func load(_ path: String, for genesis: Genesis?) throws -> NodeKeys {
        let file = try KeyFileStore.load(path: path)
        if let genesis, !file.permits(testNetwork: genesis.isTest) {
            throw RuntimeError(
                "\(path) was made from a public seed, so anybody can sign with it; network \(genesis.name) is no test. "
                    + "Make a real key with `earshot keys new`")
        }
        let seed: SecretSeed
        if file.isSealed {
            guard let passphrase = ProcessInfo.processInfo.environment["EARSHOT_PASSPHRASE"] else {
                throw RuntimeError(
                    "\(path) is sealed: put its passphrase into the environment variable EARSHOT_PASSPHRASE")
            }
            let octets = Array(passphrase.utf8)
            seed = try file.open(passphrase: octets.span.octetBytes)
        } else {
            seed = try file.open()
        }
        return NodeKeys(seed: seed)
    }

    /// From a seed in guarded memory.
    public init(seed: SecretSeed) {
        signing = seed.signingKey
        vrf = seed.vrfKey
        exchange = seed.exchangeKey
    }
}
