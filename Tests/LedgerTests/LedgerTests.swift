import Bytes
import Chance
import Identity
import Ledger
import TestKit
import Testing
import Wire

/// Orders of any kind by anyone, most of which make sense.
private func anyKind(_ chance: inout Chance, account: UInt64) -> TransactionKind {
    let device = 101 + UInt64(chance.below(12))
    let validator = 201 + UInt64(chance.below(8))
    let amount = Amount(1 + chance.below(1_500)) * World.token
    switch chance.below(9) {
    case 0:
        let kind: DeviceKind = chance.happens(1, in: 2) ? .hotspot : .sensor
        let place = chance.happens(1, in: 2) ? location() : nil
        return .registerDevice(kind, consent(device, owner: id(account)), profile, place)
    case 1:
        let owner = chance.happens(1, in: 2) ? id(UInt64(1 + chance.below(6))) : nil
        return .updateDevice(id(device), RadioProfile(region: .eu868, gain: 7), owner: owner)
    case 2: return .locate(id(device), location(Int32(chance.below(9))))
    case 3, 4: return .transfer(to: id(UInt64(1 + chance.below(6))), amount)
    case 5: return .registerValidator(consent(validator, owner: id(account)), stake: amount)
    case 6: return .stake(id(validator), amount)
    default: return .unstake(id(validator), amount)
    }
}

/// A block with a pool's choice of random transactions, random verdicts and random activities.
private func anyInput(_ world: World, _ chance: inout Chance) -> BlockInput {
    var pool = TransactionPool()
    for _ in 0..<40 {
        let account = UInt64(1 + chance.below(6))
        let kind = anyKind(&chance, account: account)
        let skip = UInt64(pool.transactions(of: id(account)).count)
        let fee = Amount(1_000 + chance.below(5_000))
        _ = pool.insert(
            world.transaction(account, kind, fee: fee, skip: skip), ledger: world.ledger, epoch: world.next)
    }
    let transactions = pool.select(
        max: chance.below(40), randomness: randomness(world.next), ledger: world.ledger, epoch: world.next)
    var verdicts: [BeaconVerdict] = []
    for back in 1...2 where world.next > back {
        let epoch = world.next - Epoch(back)
        let known = world.ledger.devices.filter { $0.device.version(at: epoch) != nil }.map(\.id.prefix)
        guard !known.isEmpty else { continue }
        for _ in 0..<chance.below(5) {
            let reports = (0..<chance.below(5)).map { _ in
                (known[chance.below(known.count)], UInt32(chance.below(20_000)))
            }
            verdicts.append(
                verdict(
                    epoch: epoch, beaconer: known[chance.below(known.count)],
                    units: UInt32(chance.below(20_000)), reports: reports, tag: chance.bits()))
        }
    }
    var activities: [(NodeID, Activity)] = []
    for number in 101..<UInt64(106) where chance.happens(1, in: 3) {
        var activity = Activity()
        activity.lastWitnessed = Epoch(chance.below(3))
        activities.append((id(number), activity))
    }
    var input = world.input(transactions, verdicts: verdicts, activities: activities)
    if world.ledger.epoch > 0, chance.happens(1, in: 3) {
        let seats = world.ledger.committee(for: world.ledger.epoch)
        let absent = UInt16(chance.below(seats.seats.count))
        if seats.weight - seats.seats[Int(absent)].weight >= seats.quorum {
            input.parentCertificate = world.certificate(without: [absent])
        }
    }
    return input
}

private func isSame(_ left: BlockOutcome, _ right: BlockOutcome) -> Bool {
    left.stateRoot == right.stateRoot && left.rewards == right.rewards && left.minted == right.minted
        && left.totals == right.totals && left.nextEpochCommittee == right.nextEpochCommittee
        && left.changes.map(\.0) == right.changes.map(\.0) && left.changes.map(\.1) == right.changes.map(\.1)
}

@Test(arguments: Seed.all) func `the books balance over random blocks, and execution is pure`(seed: Seed)
    throws
{
    var chance = seed.chance()
    var world = World()
    var persisted: [StateKey: [UInt8]] = Dictionary(uniqueKeysWithValues: world.ledger.entries)
    for _ in 0..<20 {
        let input = anyInput(world, &chance)
        let root = world.ledger.stateRoot
        let outcome = try world.ledger.execute(input)
        var shuffled = input
        chance.shuffle(&shuffled.verdicts)
        chance.shuffle(&shuffled.activities)
        #expect(isSame(outcome, try world.ledger.execute(shuffled)))
        #expect(world.ledger.stateRoot == root)

        let encoded = outcome.changes.map { $0.0.encoded() }
        #expect(zip(encoded, encoded.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
        // `run` asserts that the books balance and that the trie is that of the tables.
        try world.run(input)
        for (key, value) in outcome.changes {
            #expect(persisted[key] != value)
            persisted[key] = value
        }
        #expect(persisted == Dictionary(uniqueKeysWithValues: world.ledger.entries))
    }
    // What was persisted block by block makes the same ledger, which goes on in the same way.
    var entries = persisted.map { ($0.key, $0.value) }
    chance.shuffle(&entries)
    var restored = world
    restored.ledger = try Ledger(
        restoring: entries, parameters: world.genesis.parameters, epoch: world.ledger.epoch)
    #expect(restored.ledger.stateRoot == world.ledger.stateRoot)
    restored.ledger.assertInvariants()
    for _ in 0..<6 {
        let input = anyInput(world, &chance)
        #expect(isSame(try world.run(input), try restored.run(input)))
    }
}

@Test(arguments: Seed.all) func `blocks in trial share one state and only the final one counts`(seed: Seed)
    throws
{
    var chance = seed.chance()
    var world = World()
    try world.run()
    let one = anyInput(world, &chance)
    let other = anyInput(world, &chance)
    let first = try world.ledger.execute(one)
    let second = try world.ledger.execute(other)
    var copy = world
    copy.ledger.apply(second)
    world.ledger.apply(first)
    #expect(copy.ledger.stateRoot == second.stateRoot)
    #expect(world.ledger.stateRoot == first.stateRoot)
    world.ledger.assertInvariants()
    copy.ledger.assertInvariants()
}

@Test func `entries are in the order of their encoding and make the root`() throws {
    let world = World()
    let keys = world.ledger.entries.map { $0.0.encoded() }
    #expect(zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
    #expect(keys.count == 1 + 4 + 4 + 4 + 2)
    let restored = try Ledger(
        restoring: world.ledger.entries.reversed(), parameters: world.genesis.parameters, epoch: 0)
    #expect(restored.stateRoot == world.ledger.stateRoot)
    #expect(restored.totals == world.ledger.totals)
}

@Test func `entries that are no state are refused`() throws {
    let world = World()
    let entries = world.ledger.entries
    func refusal(_ edit: (inout [(StateKey, [UInt8])]) -> Void) -> RestoreError? {
        var edited = entries
        edit(&edited)
        do {
            _ = try Ledger(restoring: edited, parameters: world.genesis.parameters, epoch: 0)
            return nil
        } catch {
            return error
        }
    }
    #expect(refusal { _ in } == nil)
    #expect(refusal { $0.append($0[1]) } == .duplicate(entries[1].0))
    #expect(refusal { $0.remove(at: 0) } == .missingTotals)
    #expect(refusal { $0.removeAll { $0.0 == .committee(1) } } == .wrongCommittees)
    #expect(refusal { $0.append((.committee(2), world.genesis.committee.encoded())) } == .wrongCommittees)
    #expect(refusal { $0.removeAll { $0.0 == .account(id(1)) } } == .unbalanced)
    #expect(refusal { $0.removeAll { $0.0 == .validator(id(201)) } } == .unbalanced)
    #expect(refusal { $0.append((.account(id(99)), Account().encoded())) } == .malformed(.account(id(99))))
    #expect(refusal { $0.append((.activity(id(99)), [1])) } == .malformed(.activity(id(99))))
    #expect(refusal { $0.append((.activity(id(99)), Activity().encoded())) } == .malformed(.activity(id(99))))
    let empty = Device(kind: .sensor, versions: []).encoded()
    #expect(refusal { $0.append((.device(id(99)), empty)) } == .malformed(.device(id(99))))
    let late = StateKey.unbonding(0, id(1))
    #expect(refusal { $0.append((late, UInt64(1).encoded())) } == .malformed(late))
}

@Test func `a ledger proves what it holds and what it does not`() throws {
    var world = World()
    try world.run([world.transaction(1, .transfer(to: id(9), World.token))])
    let account = world.ledger.account(id(9))
    let proof = world.ledger.proof(for: .account(id(9)))
    #expect(proof.verify(root: world.ledger.stateRoot, key: .account(id(9)), value: account.encoded()))
    let absent = StateKey.account(id(10))
    #expect(world.ledger.proof(for: absent).verify(root: world.ledger.stateRoot, key: absent, value: nil))
}

@Test func `the state root of a known genesis and its first block is frozen`() throws {
    var world = World()
    #expect(world.ledger.stateRoot.hex == "86a287736e172b0682b2318f0a7a20766c47cee4584da43f4adc8f68bf8066ff")
    let outcome = try world.run([world.transaction(1, .transfer(to: id(9), World.token))])
    #expect(outcome.stateRoot.hex == "8d17fb61eda35b993acee5ea43ae3b895cce381d8694ec095d4b6f8effe39a1f")
}
