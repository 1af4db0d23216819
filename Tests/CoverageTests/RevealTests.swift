import Bytes
import Chance
import Coverage
import Identity
import TestKit
import Testing
import Wire

/// The machine's promises about what it says and when.
struct RevealTests {
    typealias Action = CoverageMachine.Action

    static func step(
        _ machine: inout CoverageMachine, _ event: CoverageMachine.Event, at now: Instant = .origin
    ) -> [Action] {
        var actions: [Action] = []
        machine.handle(event, at: now, actions: &actions)
        return actions
    }

    /// Opens an epoch and sends its beacon.
    static func send(_ machine: inout CoverageMachine, _ epoch: Epoch) -> Transmission? {
        _ = MachineTests.open(&machine, epoch, at: .origin)
        for case .transmit(let beacon) in step(&machine, .woke, at: machine.deadline) { return beacon }
        return nil
    }

    static let late = Instant.origin + .seconds(599)

    @Test func `a lower power than planned is what the reveal says, a higher one is not`() throws {
        for (used, said) in [(Int16(120), Int16(120)), (400, 161)] {
            var machine = MachineTests.machine()
            let beacon = try #require(Self.send(&machine, 1))
            #expect(beacon.power == 161)
            _ = Self.step(&machine, .transmitted(power: used))
            _ = Self.step(&machine, .woke, at: Self.late)
            _ = Self.step(&machine, .final(epoch: 1, includesOwnBundle: true))
            _ = MachineTests.open(&machine, 2, at: .origin)
            let bundle = try #require(MachineTests.bundle(Self.step(&machine, .woke, at: Self.late)))
            #expect(bundle.reveals.map(\.power) == [said])
            #expect(bundle.reveals.map(\.frequency) == [beacon.frequency])
        }
    }

    @Test func `what the radio refused is not declared`() throws {
        var machine = MachineTests.machine()
        _ = try #require(Self.send(&machine, 1))
        _ = Self.step(&machine, .transmitted(power: nil))
        let bundle = try #require(MachineTests.bundle(Self.step(&machine, .woke, at: Self.late)))
        #expect(bundle.ownTag == nil)
        _ = Self.step(&machine, .final(epoch: 1, includesOwnBundle: true))
        #expect(machine.state.pending.isEmpty)
    }

    @Test func `a reveal whose bundle missed its block is told once more, and then no more`() throws {
        for includes in [true, false] {
            var machine = MachineTests.machine()
            _ = try #require(Self.send(&machine, 1))
            _ = Self.step(&machine, .woke, at: Self.late)
            _ = Self.step(&machine, .final(epoch: 1, includesOwnBundle: true))
            var told: [[Epoch]] = []
            for epoch in Epoch(2)...4 {
                _ = MachineTests.open(&machine, epoch, at: .origin)
                let bundle = try #require(MachineTests.bundle(Self.step(&machine, .woke, at: Self.late)))
                told.append(bundle.reveals.map(\.epoch).filter { $0 == 1 })
                _ = Self.step(&machine, .final(epoch: epoch, includesOwnBundle: includes))
            }
            #expect(told == (includes ? [[1], [], []] : [[1], [1], []]))
        }
    }

    @Test func `more beacons than a bundle holds make it partial, and any of them may stay`() throws {
        var kept: Set<Wire.Tag> = []
        for seed in UInt64(0)..<2 {
            var machine = CoverageMachine(
                settings: .init(network: Digest(of: [1]), parameters: Parameters()), node: Scene().ids[0],
                vrfKey: Scene().keys[0], chance: Chance(seed: seed), restored: nil)
            _ = MachineTests.open(&machine, 1, at: .origin)
            for count in 1...(Bundle.reportsMax + 60) {
                let payload =
                    [Beacon.marker, 1, UInt8(count & 255), UInt8(count >> 8)]
                    + [UInt8](repeating: 0, count: 48)
                _ = Self.step(&machine, .heard(payload: payload, Scene().measurement))
            }
            let bundle = try #require(MachineTests.bundle(Self.step(&machine, .woke, at: Self.late)))
            #expect(bundle.isPartial && bundle.reports.count == Bundle.reportsMax)
            #expect(bundle.encoded().count <= Bundle.byteCountMax)
            #expect(try Bundle(decoding: bundle.encoded()) == bundle)
            kept.formUnion(bundle.reports.map(\.tag))
        }
        // Two draws of 200 of 260 together keep some 247.
        #expect(kept.count > Bundle.reportsMax + 20)
    }

    @Test(arguments: Seed.all)
    func `the order of hearing does not show in the bundle`(seed: Seed) throws {
        var chance = seed.chance()
        let payloads = (0..<20).map { [Beacon.marker, 1, $0] + [UInt8](repeating: 9, count: 49) }
        var bundles: [Bundle] = []
        for _ in 0..<2 {
            var order = payloads
            chance.shuffle(&order)
            var machine = MachineTests.machine()
            _ = MachineTests.open(&machine, 1, at: .origin)
            for payload in order { _ = Self.step(&machine, .heard(payload: payload, Scene().measurement)) }
            bundles.append(try #require(MachineTests.bundle(Self.step(&machine, .woke, at: Self.late))))
        }
        #expect(bundles[0] == bundles[1])
        #expect(!bundles[0].isPartial)
    }

    @Test(arguments: Seed.all)
    func `whatever happens, nothing of a beacon is told before its epoch is final`(seed: Seed) throws {
        var chance = seed.chance()
        var machine = MachineTests.machine()
        var (epoch, now) = (Epoch(0), Instant.origin)
        // By epoch: the payload that was transmitted and the one bundle that was made.
        var sent: [Epoch: Transmission] = [:]
        var made: [Epoch: Bundle] = [:]
        var final: Set<Epoch> = [0]
        for _ in 0..<120 {
            now = now + .milliseconds(Int64(chance.below(120_000)))
            var actions: [Action] = []
            switch chance.below(10) {
            case 0:
                if final.contains(epoch) { epoch += 1 }
                actions = MachineTests.open(&machine, epoch, at: now)
            case 1:
                final.insert(epoch)
                actions = Self.step(
                    &machine, .final(epoch: epoch, includesOwnBundle: chance.happens(1, in: 2)), at: now)
            case 2:
                actions = Self.step(
                    &machine, .transmitted(power: chance.happens(1, in: 4) ? nil : 100), at: now)
            case 3:
                let payload =
                    [Beacon.marker, UInt8(epoch), UInt8(chance.below(4))] + [UInt8](repeating: 1, count: 49)
                actions = Self.step(&machine, .heard(payload: payload, Scene().measurement), at: now)
            case 4:
                // A restart: what is in the state is all that is left.
                machine = MachineTests.machine(try CoverageState(decoding: machine.state.encoded()))
                if final.contains(epoch) { epoch += 1 }
                actions = MachineTests.open(&machine, epoch, at: now)
            case 5:
                // A stale or foreign event of finality.
                actions = Self.step(&machine, .final(epoch: epoch + 1, includesOwnBundle: true), at: now)
            default:
                now = min(max(now, machine.deadline), now + .seconds(3_600))
                actions = Self.step(&machine, .woke, at: now)
            }
            for action in actions {
                switch action {
                case .transmit(let beacon):
                    // Once more only after a restart, where the radio had refused it.
                    #expect(sent[epoch] == nil || sent[epoch] == beacon, "one beacon an epoch")
                    sent[epoch] = beacon
                    #expect(machine.state.own?.tag == beacon.tag || machine.state.own == nil)
                case .makeBundle(let bundle):
                    #expect(made[epoch] == nil || made[epoch] == bundle, "one bundle an epoch")
                    made[epoch] = bundle
                    #expect(bundle.epoch == epoch)
                    for reveal in bundle.reveals {
                        #expect(final.contains(reveal.epoch) && reveal.epoch < epoch)
                    }
                    if let tag = bundle.ownTag { #expect(sent[epoch]?.tag == tag) }
                case .persist(let state):
                    for reveal in state.pending { #expect(final.contains(reveal.epoch)) }
                }
            }
        }
    }
}
