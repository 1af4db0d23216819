import Bytes
import Chance
import Coverage
import Identity
import TestKit
import Testing
import Wire

struct MachineTests {
    static func machine(_ state: CoverageState? = nil) -> CoverageMachine {
        var parameters = Parameters()
        parameters.beaconThreshold = .max
        return CoverageMachine(
            settings: .init(network: Digest(of: [1]), parameters: parameters), node: Scene().ids[0],
            vrfKey: Scene().keys[0], chance: Chance(seed: 1), restored: state)
    }

    static func open(_ machine: inout CoverageMachine, _ epoch: Epoch, at now: Instant) -> [CoverageMachine
        .Action]
    {
        var actions: [CoverageMachine.Action] = []
        let device = Scene().devices[Scene().ids[0]]!
        machine.handle(
            .opened(
                epoch: epoch, randomness: Digest(of: [UInt8(epoch)]),
                device: (device.kind, device.versions[0])),
            at: now, actions: &actions)
        return actions
    }

    static func bundle(_ actions: [CoverageMachine.Action]) -> Bundle? {
        for case .makeBundle(let bundle) in actions { return bundle }
        return nil
    }

    @Test func `a restart says the same bundle and a reveal waits for finality`() throws {
        var machine = Self.machine()
        _ = Self.open(&machine, 1, at: .origin)
        var actions: [CoverageMachine.Action] = []
        machine.handle(.woke, at: machine.deadline, actions: &actions)
        let payload = [Beacon.marker, 1] + [UInt8](repeating: 7, count: 50)
        machine.handle(.heard(payload: payload, Scene().measurement), at: .origin, actions: &actions)
        machine.handle(.woke, at: machine.deadline, actions: &actions)
        let first = try #require(Self.bundle(actions))
        #expect(first.reveals.isEmpty)
        #expect(first.ownTag != nil)
        #expect(first.reports.count == 1)

        var again = Self.machine(try CoverageState(decoding: machine.state.encoded()))
        #expect(Self.bundle(Self.open(&again, 1, at: .origin)) == first)

        again.handle(.final(epoch: 1, includesOwnBundle: true), at: .origin, actions: &actions)
        _ = Self.open(&again, 2, at: .origin)
        actions = []
        again.handle(.woke, at: .origin + .seconds(500), actions: &actions)
        #expect(Self.bundle(actions)?.reveals.map(\.epoch) == [1])
    }

    @Test func `a transmission tells the antenna's gain that the registry has in its epoch`() throws {
        var machine = Self.machine()
        let device = Scene().devices[Scene().ids[0]]!
        for (epoch, gain) in [(Epoch(1), Int16(25)), (2, -31)] {
            let known = device.versions[0]
            let version = DeviceVersion(
                effective: epoch, owner: known.owner, vrfKey: known.vrfKey,
                profile: RadioProfile(region: .eu868, gain: gain), location: known.location)
            var actions: [CoverageMachine.Action] = []
            machine.handle(
                .opened(
                    epoch: epoch, randomness: Digest(of: [UInt8(epoch)]), device: (device.kind, version)),
                at: .origin, actions: &actions)
            machine.handle(.woke, at: machine.deadline, actions: &actions)
            let gains = actions.compactMap { if case .transmit(let beacon) = $0 { beacon.gain } else { nil } }
            #expect(gains == [gain])
            machine.handle(.final(epoch: epoch, includesOwnBundle: true), at: .origin, actions: &actions)
        }
    }

    @Test(arguments: Seed.all)
    func `a beacon keeps to its window and plan`(seed: Seed) throws {
        var chance = seed.chance()
        let key = VRFKey(seed: chance.octets(32).octetBytes)
        var parameters = Parameters()
        parameters.beaconThreshold = .max
        let output = key.evaluate(chance.octets(32).octetBytes).output
        let beacon = try #require(
            Beacon.transmission(output: output, epoch: 300, region: .us915, parameters: parameters))
        #expect(30_000...360_000 ~= beacon.offsetMilliseconds)
        #expect(beacon.payload.count == 52 && beacon.payload[0] == 0xE0 && beacon.payload[1] == 44)
        #expect(ChannelPlan.us915.frequencies.contains(beacon.frequency))
        parameters.beaconThreshold = output.prefix
        #expect(Beacon.transmission(output: output, epoch: 1, region: .us915, parameters: parameters) == nil)
    }
}
