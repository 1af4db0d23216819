import ArgumentParser
import Foundation
import Identity
import Runtime
import Wire

struct GenesisCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "genesis", abstract: "Found a network: make and check genesis files.",
        subcommands: [New.self, Check.self])

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a genesis file for one or more validators.",
            discussion: """
                Each --validator is what `earshot keys show` calls node and vrf, with a colon between. Edit the printed \
                file to add devices, accounts and other parameters, then check it with `earshot genesis check`. Everybody in the \
                network needs the same file.
                """)

        @Option(help: "The network's name.")
        var name: String

        @Option(help: "A founding validator, <node id>:<vrf key>; repeat for each.")
        var validator: [String]

        @Option(help: "Stake and balance of each validator, in tokens.")
        var stake = "10000"

        @Option(help: "Length of an epoch in seconds.")
        var epochSeconds: UInt32 = 600

        @Flag(help: "A test network: keys made from public seeds are accepted.")
        var test = false

        func validate() throws {
            _ = try founders()
            guard epochSeconds > 0, epochSeconds < 1_000_000 else {
                throw ValidationError("--epoch-seconds must be 1 to 999999")
            }
        }

        private func founders() throws -> [GenesisValidator] {
            guard let stake = units(stake) else {
                throw ValidationError("--stake must be tokens, for instance 10000")
            }
            return try validator.map { text in
                let parts = text.split(separator: ":")
                guard parts.count == 2, let id = try? NodeID(text: String(parts[0])),
                    let vrfKey = VRFPublicKey(hex: String(parts[1])), vrfKey.isValid
                else {
                    throw ValidationError(
                        "--validator \(text): write <node id>:<vrf key>, both from `earshot keys show`")
                }
                return GenesisValidator(validator: id, owner: id, vrfKey: vrfKey, stake: stake)
            }
        }

        func run() throws {
            let validators = try founders()
            var parameters = Parameters()
            parameters.epochMilliseconds = epochSeconds * 1000
            let genesis = Genesis(
                name: name, isTest: test, parameters: parameters, randomness0: Digest(of: Entropy.octets(32)),
                randomness1: Digest(of: Entropy.octets(32)),
                accounts: validators.map { GenesisAccount(account: $0.owner, balance: $0.stake) },
                devices: [],
                validators: validators)
            if let flaw = genesis.flaw { throw ValidationError("no network can start from this: \(flaw)") }
            print(GenesisFile.text(of: genesis, comment: "Genesis of \(name)."), terminator: "")
        }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a genesis file and show what it founds.")

        @Argument(help: "The genesis file.")
        var file: String

        @OptionGroup var output: OutputOptions

        struct Document: Encodable {
            let name: String
            let test: Bool
            let network: String
            let validators: Int
            let devices: Int
            let accounts: Int
            let epochMilliseconds: Int
        }

        func run() throws {
            let genesis = try GenesisFile.read(file)
            let document = Document(
                name: genesis.name, test: genesis.isTest, network: genesis.network.hex,
                validators: genesis.validators.count, devices: genesis.devices.count,
                accounts: genesis.accounts.count, epochMilliseconds: Int(genesis.parameters.epochMilliseconds)
            )
            if output.json { return try printJSON(document) }
            print(
                """
                network     \(document.name)\(document.test ? " (a test: public keys are accepted)" : "")
                identity    \(document.network)
                validators  \(document.validators)
                devices     \(document.devices)
                accounts    \(document.accounts)
                epoch       \(Double(document.epochMilliseconds) / 1000) s
                """)
        }
    }
}
