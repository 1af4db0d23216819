internal import Bytes
public import Identity
internal import Rules
public import Wire

/// The state after a final block, and the pure execution of the next (protocol §6, §9, §10).
///
/// A value: `execute` tries a block on it and changes nothing, `apply` takes the result of a trial over.
/// Copies share their storage until one of them applies, so keep one ledger and let outcomes wait, not copies
/// of it.
///
/// Choices the design leaves open:
/// - Fees go to the treasury and nobody is paid out of it: a builder that fills its own block loses the fees.
/// - To register a device, and to assert its place, costs what genesis says, to the treasury as well. Nothing else makes an identity
///   dear: invented hotspots that witness one another are many ears at one roof, and would dilute whoever is honest there.
/// - Nor does anything else make an account dear, which no node may ever forget (its old transactions could be said again): a
///   transfer that opens one costs a thousand least fees more. What is earned opens one for nothing.
/// - Emission that nobody earns is never minted. What is earned is minted whole; the units that rounding down
///   leaves over go to the treasury.
/// - Facts are changed by who owns the device or validator by its *latest* version, effective or not: what
///   was handed over cannot be taken back in the epochs before it takes effect.
/// - Only its owner stakes for a validator. The amount leaves the balance at once and weighs from r + 4;
///   unstaked, it weighs in every committee that was fixed before r + 4, and is the owner's again
///   `unbondingEpochs` after the last of these: what it voted for can be penalised all that time.
/// - `Totals.minted` counts from genesis on; what genesis gives is in the supply alone.
public struct Ledger: Sendable {
    /// A change in block r takes effect at r + 4, so that no key or fact can be chosen against known
    /// randomness.
    public static var effectDelayEpochs: Epoch { isRemoved(.registryDelay) ? 1 : 4 }
    /// Committee weights and every sum of amounts stay below 2⁶².
    public static let supplyMax: Amount = (1 << 62) - 1
    /// How far ahead a transaction may expire: bounds how long a pool must remember it.
    public static let expiryEpochsMax: Epoch = 1_000

    /// What a transfer to whoever has no account yet costs above its fee: with genesis' standard of 1,000 units a hundredth of a token.
    public static func accountFee(_ parameters: Parameters) -> Amount {
        let (fee, overflow) = parameters.feeMin.multipliedReportingOverflow(by: 1_000)
        return overflow ? .max : fee
    }

    public let parameters: Parameters
    /// The last executed block.
    public internal(set) var epoch: Epoch
    var tables: Tables
    var trie: StateTrie

    /// Block 0. Versions in genesis are effective from epoch 0; its committee serves periods 0 and 1.
    public init(genesis: Genesis) {
        precondition(genesis.flaw == nil, "a genesis that nobody checked")
        parameters = genesis.parameters
        epoch = 0
        tables = Tables()
        for entry in genesis.accounts where entry.balance > 0 {
            tables.accounts[entry.account] = Account()
            tables.accounts[entry.account]!.balance = entry.balance
            tables.totals.supply += entry.balance
        }
        for entry in genesis.devices {
            let version = DeviceVersion(
                effective: 0, owner: entry.owner, vrfKey: entry.vrfKey, profile: entry.profile,
                location: entry.location)
            tables.set(Device(kind: entry.kind, versions: [version]), for: entry.device)
        }
        for entry in genesis.validators {
            let version = ValidatorVersion(
                effective: 0, owner: entry.owner, vrfKey: entry.vrfKey, stake: entry.stake)
            tables.set(Validator(versions: [version]), for: entry.validator)
            tables.totals.supply += entry.stake
            tables.totals.staked += entry.stake
        }
        tables.committees = [0: genesis.committee, 1: genesis.committee]
        precondition(tables.balances)
        trie = StateTrie()
        trie = trie.updated(with: entries.map { StateTrie.Write(key: $0.0, value: $0.1) })
    }

    init(parameters: Parameters, epoch: Epoch, tables: Tables, trie: StateTrie) {
        self.parameters = parameters
        self.epoch = epoch
        self.tables = tables
        self.trie = trie
    }
}

// MARK: - Queries

extension Ledger {
    public var stateRoot: Digest { trie.root }
    /// The whole of it, which stays as it is while the ledger moves on.
    public var state: StateTrie { trie }
    public var totals: Totals { tables.totals }

    /// An account that never did or got anything is an empty one.
    public func account(_ id: NodeID) -> Account { tables.accounts[id] ?? Account() }
    public func device(_ id: NodeID) -> Device? { tables.devices[id] }
    public func validator(_ id: NodeID) -> Validator? { tables.validators[id] }
    public func activity(_ id: NodeID) -> Activity { tables.activities[id] ?? Activity() }

    /// Everything registered that transmits, ascending by identifier, effective or not.
    public var hotspots: [(id: NodeID, device: Device)] { devices.filter { $0.device.kind == .hotspot } }

    /// Everything registered, ascending by identifier.
    public var devices: [(id: NodeID, device: Device)] {
        tables.devices.sorted { $0.key < $1.key }.map { (id: $0.key, device: $0.value) }
    }

    public var deviceCount: Int { tables.devices.count }

    /// Ascending by identifier, with or without a seat.
    public var validators: [(id: NodeID, validator: Validator)] {
        tables.validators.sorted { $0.key < $1.key }.map { (id: $0.key, validator: $0.value) }
    }

    /// Whether this node may author a bundle for `epoch`: registered and effective by then.
    public func isEffective(_ id: NodeID, at epoch: Epoch) -> Bool {
        tables.devices[id]?.version(at: epoch) != nil || tables.validators[id]?.version(at: epoch) != nil
    }

    /// What an account waits for, ascending by the epoch of release.
    public func unbonding(of owner: NodeID) -> [(due: Epoch, amount: Amount)] {
        tables.unbondings.compactMap { due, owners in owners[owner].map { (due: due, amount: $0) } }
            .sorted { $0.due < $1.due }
    }

    /// The whole state, ascending by the key's encoding: what is persisted.
    public var entries: [(StateKey, [UInt8])] {
        // Over nothing, everything is a change; the totals of genesis may be zero and are written all the
        // same.
        var draft = Draft(base: Tables(), parameters: parameters)
        draft.changes.accounts = tables.accounts
        draft.changes.devices = tables.devices
        draft.changes.validators = tables.validators
        draft.changes.activities = tables.activities
        draft.changes.committees = tables.committees.mapValues { $0 }
        for (due, owners) in tables.unbondings {
            for (owner, amount) in owners {
                draft.changes.unbondings[UnbondingKey(due: due, owner: owner)] = amount
            }
        }
        return [(.totals, tables.totals.encoded())] + draft.entries().map { ($0.0, $0.1!) }
    }

    /// Shows what the state holds at `key`, or that it holds nothing there.
    public func proof(for key: StateKey) -> StateProof {
        trie.proof(of: StateTrie.path(of: key))
    }

    /// Walks everything; for tests and simulation, after each block.
    public func assertInvariants() {
        precondition(tables.balances, "the books do not balance")
        let periods = Self.periodsHeld(after: epoch, committeeEpochs: parameters.committeeEpochs)
        precondition(tables.committees.keys.sorted() == periods, "a committee is missing or stale")
        precondition(
            tables.devices.values.allSatisfy { Self.isAscending($0.versions.map(\.effective)) }
                && tables.validators.values.allSatisfy { Self.isAscending($0.versions.map(\.effective)) },
            "versions out of order")
        let changing = tables.devices.filter { $0.value.versions.count > 1 }.map(\.key)
        precondition(Set(changing) == tables.changingDevices)
        let rebuilt = StateTrie().updated(with: entries.map { StateTrie.Write(key: $0.0, value: $0.1) })
        precondition(rebuilt.root == stateRoot, "the trie is not that of the tables")
    }

    /// Not empty and strictly ascending.
    static func isAscending(_ epochs: [Epoch]) -> Bool {
        !epochs.isEmpty && zip(epochs, epochs.dropFirst()).allSatisfy { $0 < $1 }
    }
}
