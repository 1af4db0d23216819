import ArgumentParser
import Bytes
import Foundation
import Geo
import Identity
import Runtime
import Wire

struct TransactionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tx", abstract: "Make transactions, hand them to a node, and follow them.",
        discussion: """
            Each command signs with an account's key and hands the transaction to --node. With --offline it prints the \
            signed transaction in hexadecimal instead, for `earshot tx send`; then --nonce and --expiry must be given.
            """,
        subcommands: [
            Register.self, Update.self, Transfer.self, Stake.self, Unstake.self, Send.self, Status.self,
        ])
}

/// What every transaction needs.
struct SigningOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The genesis file of the network.", valueName: "file"))
    var genesis: String

    @Option(help: ArgumentHelp("Key file of the account that pays and signs.", valueName: "file"))
    var key: String

    @Option(
        help: ArgumentHelp(
            "The node to hand it to: earshot://<node id>@host:port, or a bootstrap list with it first.",
            valueName: "node"))
    var node: String?

    @Flag(help: "Print the signed transaction instead of sending it.")
    var offline = false

    @Option(help: "Number of the transaction: one above the account's last. Asked of the node if absent.")
    var nonce: UInt64?

    @Option(help: "The last epoch that may hold it. 100 epochs from now if absent.")
    var expiry: UInt64?

    @Option(help: "Fee in tokens; the network's least if absent.", transform: amount)
    var fee: Amount?

    @Flag(help: "Wait until it is final; exits with 1 if the node drops it instead.")
    var wait = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard let node else {
            guard offline else {
                throw ValidationError(
                    "name the node with --node earshot://<node id>@host:port, or sign with --offline")
            }
            guard nonce != nil, expiry != nil else {
                throw ValidationError("--offline needs --nonce and --expiry, or --node to ask for them")
            }
            return
        }
        try checkNode(node)
    }
}

/// The answer to a transaction command.
struct TransactionDocument: Encodable {
    let id: String
    let status: String
    let epoch: UInt64?
    let reason: String?

    init(_ id: Digest, _ status: TransactionStatus) {
        self.id = id.hex
        switch status {
        case .unknown: (self.status, epoch, reason) = ("unknown", nil, nil)
        case .pending: (self.status, epoch, reason) = ("accepted", nil, nil)
        case .final(let number): (self.status, epoch, reason) = ("final", number, nil)
        case .refused(let fault): (self.status, epoch, reason) = ("refused", nil, fault.explanation)
        }
    }

    func print(_ output: OutputOptions) throws {
        if output.json { return try printJSON(self) }
        switch status {
        case "accepted": Swift.print("accepted; follow it with `earshot tx status \(id)`")
        case "final": Swift.print("final in epoch \(epoch ?? 0)")
        case "refused": Swift.print("refused: \(reason ?? "")")
        default: Swift.print("unknown: this node has not seen it, or has forgotten it")
        }
        if status != "unknown" { Swift.print("id \(id)") }
    }
}

extension SigningOptions {
    /// Signs, sends and reports; exits with 1 if it is refused, or waited for in vain.
    func carryOut(_ kind: (_ keys: NodeKeys, _ network: Digest) throws -> TransactionKind) throws {
        let genesis = try GenesisFile.read(genesis)
        let keys = try NodeKeys.load(key, for: genesis)
        let account = keys.signing.nodeID
        let wallet = try node.map { try openWallet(at: $0, genesis.network) }
        var nonce = nonce
        var expiry = expiry
        if let wallet, nonce == nil || expiry == nil {
            let known = try wallet.account(account)
            // One node's word, which may be any number.
            nonce = nonce ?? known.account.nonce &+ 1
            expiry = expiry ?? known.lastFinal &+ 100
        }
        let transaction = Transaction(
            account: account, nonce: nonce!, fee: fee ?? genesis.parameters.feeMin, expiry: expiry!,
            kind: try kind(keys, genesis.network)
        ).signed(by: keys.signing, network: genesis.network)
        if offline {
            let hex = transaction.encoded().hex
            return output.json ? try printJSON(["transaction": hex, "id": transaction.id.hex]) : print(hex)
        }
        try Self.send(transaction, by: wallet!, wait: wait, output)
    }

    static func send(_ transaction: Transaction, by wallet: Wallet, wait: Bool, _ output: OutputOptions)
        throws
    {
        var status = try wallet.submit(transaction)
        if wait {
            while case .pending = status {
                Thread.sleep(forTimeInterval: 0.2)
                status = try wallet.status(of: transaction.id)
            }
        }
        try TransactionDocument(transaction.id, status).print(output)
        switch status {
        case .refused: throw ExitCode(1)
        // It was dropped meanwhile, and waited for in vain.
        case .unknown where wait: throw ExitCode(1)
        case .unknown, .pending, .final: break
        }
    }
}

private func openWallet(at node: String, _ network: Digest) throws -> Wallet {
    let (node, endpoint) = try PeersFile.node(node)
    return try Wallet(node: node, at: endpoint, network: network)
}

func amount(_ text: String) throws -> Amount {
    guard let amount = units(text) else {
        throw ValidationError(
            "\(text) is no amount: write tokens with at most eight decimals, for instance 12.5")
    }
    return amount
}

extension TransactionFault {
    /// What it means and what to do.
    var explanation: String {
        switch self {
        case .badSignature: "the signature does not hold on this network; is the genesis file the right one?"
        case .badConsent: "the device's consent does not hold"
        case .wrongNonce: "the nonce is not one above the account's last; ask again without --nonce"
        case .expired: "its expiry epoch has passed; sign it again"
        case .expiryTooFar: "its expiry is too far ahead; choose an earlier one"
        case .feeTooLow: "the fee is below the network's least"
        case .insufficientBalance:
            "the account does not hold the amount with all fees (a device's entry, its place and a new account cost more)"
        case .alreadyRegistered: "this node is registered already; use `earshot tx update`"
        case .notRegistered: "no such node is registered"
        case .notOwner: "this account does not own it"
        case .stakeTooLow: "the stake would be below the network's least"
        case .insufficientStake: "there is not that much at stake"
        case .tooManyChanges: "too many changes wait to become effective; try again in a few epochs"
        case .implausibleLocation: "the coordinates do not lie in the cell"
        case .invalidKey: "the VRF key is not valid"
        case .zeroAmount: "the amount is zero"
        case .poolFull: "the node holds too many waiting transactions; try again or raise the fee"
        }
    }
}

extension TransactionCommand {
    struct Register: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Register a hotspot, sensor or validator; it is effective four epochs after its block.",
            discussion: """
                Above the transaction's fee a hotspot or sensor costs the network's registration fee, and its place the location fee: \
                `registration_fee` and `location_fee` in the genesis file, in 10⁻⁸ tokens. A validator's stake is its bond.
                """)

        enum Kind: String, ExpressibleByArgument, CaseIterable { case hotspot, sensor, validator }

        @Argument(help: "hotspot, sensor or validator.")
        var kind: Kind

        @Option(
            help: ArgumentHelp(
                "Key file of the node itself, which consents; the account's own if absent.", valueName: "file"
            ))
        var device: String?

        @Option(parsing: .unconditional, help: "Latitude of the antenna in degrees.")
        var latitude: Double?

        @Option(parsing: .unconditional, help: "Longitude of the antenna in degrees.")
        var longitude: Double?

        @Option(parsing: .unconditional, help: "Antenna gain in dBi.")
        var gain = 2.0

        @Option(help: "Radio region: EU868 or US915.")
        var region = "EU868"

        @Option(help: "A validator's stake in tokens.", transform: amount)
        var stake: Amount?

        @OptionGroup var signing: SigningOptions

        func validate() throws {
            if kind == .validator, stake == nil { throw ValidationError("a validator needs --stake") }
            _ = try profile(region: region, gain: gain)
            _ = try location(latitude, longitude)
        }

        func run() throws {
            try signing.carryOut { keys, network in
                let deviceKeys =
                    try device.map { try NodeKeys.load($0, for: GenesisFile.read(signing.genesis)) } ?? keys
                let consent = Consent(
                    device: deviceKeys.signing, owner: keys.signing.nodeID, vrfKey: deviceKeys.vrf.publicKey,
                    network: network)
                if kind == .validator { return .registerValidator(consent, stake: stake!) }
                return .registerDevice(
                    kind == .hotspot ? .hotspot : .sensor, consent, try profile(region: region, gain: gain),
                    try location(latitude, longitude))
            }
        }
    }

    struct Update: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a device's radio facts, owner or place; effective four epochs after its block.",
            discussion: """
                Radio facts are stated as a whole: give --gain and --region also where only the owner changes. `earshot inspect \
                NODE account DEVICE` shows what they are. A new place is a transaction of its own.
                """)

        @Argument(help: "The device's node id.", transform: nodeID)
        var device: NodeID

        @Option(
            parsing: .unconditional,
            help:
                "Latitude of the antenna in degrees; with --longitude this asserts a new place and nothing else."
        )
        var latitude: Double?

        @Option(parsing: .unconditional, help: "Longitude of the antenna in degrees.")
        var longitude: Double?

        @Option(parsing: .unconditional, help: "Antenna gain in dBi.")
        var gain: Double?

        @Option(help: "Radio region: EU868 or US915.")
        var region: String?

        @Option(help: "Node id of the new owner.", transform: nodeID)
        var owner: NodeID?

        @OptionGroup var signing: SigningOptions

        func validate() throws { _ = try change() }

        private func change() throws -> TransactionKind {
            if let location = try location(latitude, longitude) {
                guard gain == nil, region == nil, owner == nil else {
                    throw ValidationError(
                        "a new place is a transaction of its own: leave out --gain, --region and --owner, and state "
                            + "them in another one")
                }
                return .locate(device, location)
            }
            // What is left out here would not stay what it is, and nobody is asked what that is.
            guard let gain, let region else {
                throw ValidationError(
                    "radio facts are stated as a whole: give --gain and --region, the present ones if they stay "
                        + "(`earshot inspect NODE account \(device.text)` shows them)")
            }
            return .updateDevice(device, try profile(region: region, gain: gain), owner: owner)
        }

        func run() throws { try signing.carryOut { _, _ in try change() } }
    }

    struct Transfer: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send tokens to another account.",
            discussion: """
                Who has no account yet gets one, which every node keeps for ever: that costs a thousand times the network's least fee \
                (`fee_min` in the genesis file, in 10⁻⁸ tokens) above the transaction's own.
                """)

        @Argument(help: "The receiving account's id.", transform: nodeID)
        var to: NodeID

        @Argument(help: "Tokens, with at most eight decimals.", transform: amount)
        var tokens: Amount

        @OptionGroup var signing: SigningOptions

        func run() throws {
            try signing.carryOut { _, _ in .transfer(to: to, tokens) }
        }
    }

    struct Stake: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add to a validator's stake.")

        @Argument(help: "The validator's node id.", transform: nodeID)
        var validator: NodeID

        @Argument(help: "Tokens.", transform: amount)
        var tokens: Amount

        @OptionGroup var signing: SigningOptions

        func run() throws {
            try signing.carryOut { _, _ in .stake(validator, tokens) }
        }
    }

    struct Unstake: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take from a validator's stake; it is paid out when the unbonding time has passed.")

        @Argument(help: "The validator's node id.", transform: nodeID)
        var validator: NodeID

        @Argument(help: "Tokens.", transform: amount)
        var tokens: Amount

        @OptionGroup var signing: SigningOptions

        func run() throws {
            try signing.carryOut { _, _ in .unstake(validator, tokens) }
        }
    }

    struct Send: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hand a transaction that was signed offline to a node.")

        @Argument(help: "The signed transaction in hexadecimal.")
        var transaction: String

        @Option(help: ArgumentHelp("The genesis file of the network.", valueName: "file"))
        var genesis: String

        @Option(
            help: ArgumentHelp(
                "The node: earshot://<node id>@host:port, or a bootstrap list with it first.",
                valueName: "node"))
        var node: String

        @Flag(help: "Wait until it is final; exits with 1 if the node drops it instead.")
        var wait = false

        @OptionGroup var output: OutputOptions

        func validate() throws {
            _ = try signed()
            try checkNode(node)
        }

        // No `transform`, whose errors would repeat all of it.
        private func signed() throws -> Transaction {
            guard let octets = [UInt8](hex: transaction), let transaction = try? Transaction(decoding: octets)
            else {
                throw ValidationError("this is no transaction: paste what --offline printed, whole")
            }
            return transaction
        }

        func run() throws {
            let transaction = try signed()
            let wallet = try openWallet(at: node, GenesisFile.read(genesis).network)
            try SigningOptions.send(transaction, by: wallet, wait: wait, output)
        }
    }

    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask a node what became of a transaction.",
            discussion: """
                Exits with 0 if it is final or waits to be, and with 1 if the node does not know it or nothing can be said.
                """)

        @Argument(help: "The transaction's id.", transform: transactionID)
        var id: Digest

        @Option(help: ArgumentHelp("The genesis file of the network.", valueName: "file"))
        var genesis: String

        @Option(
            help: ArgumentHelp(
                "The node: earshot://<node id>@host:port, or a bootstrap list with it first.",
                valueName: "node"))
        var node: String

        @OptionGroup var output: OutputOptions

        func validate() throws { try checkNode(node) }

        func run() throws {
            let network = try GenesisFile.read(genesis).network
            let wallet = try openWallet(at: node, network)
            let status = try wallet.status(of: id)
            try TransactionDocument(id, status).print(output)
            switch status {
            case .unknown, .refused: throw ExitCode(1)
            case .pending, .final: break
            }
        }
    }
}

/// Reads an id that a user typed.
func nodeID(_ text: String) throws -> NodeID {
    do { return try NodeID(text: text) } catch {
        throw ValidationError("\(text) is no node id or account: \(error)")
    }
}

private func transactionID(_ text: String) throws -> Digest {
    guard let id = Digest(hex: text) else { throw ValidationError("an id has 64 hexadecimal digits") }
    return id
}

private func profile(region: String, gain: Double) throws -> RadioProfile {
    guard let region = Region(name: region) else {
        throw ValidationError(
            "\(region) is no region; there are \(Region.allCases.map(\.name).joined(separator: ", "))")
    }
    guard let tenths = Int16(exactly: (gain * 10).rounded()), RadioProfile.gains.contains(tenths) else {
        throw ValidationError("--gain must be -20 to 30 dBi")
    }
    return RadioProfile(region: region, gain: tenths)
}

private func location(_ latitude: Double?, _ longitude: Double?) throws -> Location? {
    guard let latitude, let longitude else {
        guard latitude == nil, longitude == nil else {
            throw ValidationError("give both --latitude and --longitude")
        }
        return nil
    }
    guard abs(latitude) <= 90, abs(longitude) <= 180,
        let position = Position(
            latitude: Int32((latitude * 1e7).rounded()), longitude: Int32((longitude * 1e7).rounded()))
    else { throw ValidationError("\(latitude), \(longitude) is no place on Earth") }
    return Location(
        position: position, cell: Cell(containing: position, resolution: Location.resolution))
}
