internal import Bytes
internal import Geo
internal import Identity
internal import Wire

/// The network that the benchmark runs on: hotspots on a grid of a kilometre, one validator.
enum World {
    static let owner = key(0xA0)
    static let validator = key(0xB0)

    static func key(_ number: UInt64) -> NodeID {
        var writer = ByteWriter(capacity: 32)
        writer.integer(number.byteSwapped)
        writer.raw([UInt8](repeating: 0, count: 24))
        return NodeID(octets: writer.bytes.octetBytes)
    }

    static func genesis(authors: [NodeID], validators: [NodeID]) -> Genesis {
        genesis(
            devices: authors.map {
                GenesisDevice(
                    device: $0, kind: .hotspot, owner: owner, vrfKey: VRFPublicKey(words: $0.words),
                    profile: RadioProfile(region: .eu868, gain: 12), location: nil)
            }, validators: validators)
    }

    /// - Parameter accounts: Keys 1 to this number hold a thousand tokens each.
    static func genesis(
        devices: [GenesisDevice], validators: [NodeID] = [validator], accounts: UInt64 = 0
    ) -> Genesis {
        var parameters = Parameters()
        parameters.beaconThreshold = .max
        return Genesis(
            name: "bench", isTest: true, parameters: parameters, randomness0: randomness(0),
            randomness1: randomness(1),
            accounts: (0..<accounts).map {
                GenesisAccount(account: key($0 + 1), balance: 1_000_000_000)
            },
            devices: devices,
            validators: validators.map {
                GenesisValidator(
                    validator: $0, owner: owner, vrfKey: VRFPublicKey(words: $0.words),
                    stake: parameters.stakeMin)
            })
    }

    static func randomness(_ epoch: Epoch) -> Digest { Digest(of: epoch.encoded()) }

    /// Place `column`, `row` of the grid, a kilometre apart, in the middle of Europe.
    static func location(column: Int, row: Int) -> Location {
        let position = Position(
            latitude: 480_000_000 + Int32(row) * 90_000, longitude: 100_000_000 + Int32(column) * 135_000)!
        return Location(position: position, cell: Cell(containing: position, resolution: Location.resolution))
    }
}
