internal import Bytes
public import Chance
public import Identity
internal import Rules
public import Wire

/// The coverage side of one device: beacons, hears, bundles and reveals (protocol, section 6).
///
/// Upon opening e: its VRF says whether and when to beacon; the record of it is durable before the radio is
/// told. Upon hearing a beacon that names e or e+1: a report for that epoch, durable. At 75 %: one bundle,
/// kept unsigned in the state, so that a restart says the same again. Upon e final, and not before: the
/// reveal, in the bundle of e+1, and of e+2 if that of e+1 did not get in.
public struct CoverageMachine: Sendable {
    public struct Settings: Hashable, Sendable {
        public let network: Digest
        public let parameters: Parameters

        public init(network: Digest, parameters: Parameters) {
            self.network = network
            self.parameters = parameters
        }
    }

    public enum Event: Sendable {
        /// Epoch opens; `device` as the registry has it in that epoch, nil if this node is none.
        case opened(epoch: Epoch, randomness: Digest, device: (kind: DeviceKind, version: DeviceVersion)?)
        case heard(payload: [UInt8], Measurement)
        /// The EIRP used, in 0.1 dBm, or nil if nothing was sent.
        case transmitted(power: Int16?)
        /// This node has itself verified that the block is final.
        case final(epoch: Epoch, includesOwnBundle: Bool)
        case reading(Reading)
        case woke
    }

    /// In order: what is persisted before something else is durable before it.
    public enum Action: Equatable, Sendable {
        case transmit(Transmission)
        case persist(CoverageState)
        /// To be signed.
        case makeBundle(Bundle)
    }

    private enum Counter: Int, CaseIterable {
        case heard, foreignPayload, otherEpoch, ownEcho, repeated, late, noDevice, transmitted, refused
        case readingsDropped
    }

    private static let bundlePercent: Int64 = 75

    private let settings: Settings
    private let node: NodeID
    private let vrfKey: VRFKey
    private var chance: Chance
    public private(set) var state: CoverageState
    private var device: (kind: DeviceKind, version: DeviceVersion)?
    private var planned: (transmission: Transmission, own: CoverageState.Own, at: Instant)?
    private var bundleAt: Instant = .never
    private var counts = [UInt64](repeating: 0, count: Counter.allCases.count)

    public init(settings: Settings, node: NodeID, vrfKey: VRFKey, chance: Chance, restored: CoverageState?) {
        self.settings = settings
        self.node = node
        self.vrfKey = vrfKey
        self.chance = chance
        state = restored ?? CoverageState()
        if isRemoved(.sameBundleAgain) { state.bundle = nil }
    }

    public var deadline: Instant { min(planned?.at ?? .never, bundleAt) }

    /// Every table with its present size and its bound.
    public var gauges: [(name: String, value: Int, limit: Int)] {
        [
            ("reports", state.heard.reports.count, Bundle.reportsMax),
            ("reportsAhead", state.heardNext.reports.count, Bundle.reportsMax),
            ("reveals", state.pending.count, Bundle.revealsMax),
            ("readings", state.readings.count, CoverageState.readingsMax),
        ]
    }

    /// For tests and simulation, at any time.
    public func assertInvariants() {
        precondition(gauges.allSatisfy { $0.value <= $0.limit })
        precondition(zip(state.pending, state.pending.dropFirst()).allSatisfy { $0.epoch < $1.epoch })
        precondition(Int(state.heard.count) >= state.heard.reports.count)
        precondition(Int(state.heardNext.count) >= state.heardNext.reports.count)
        precondition(state.bundle.map { $0.epoch == state.epoch } ?? true)
    }

    public var counters: [(name: String, value: UInt64)] {
        Counter.allCases.map { ("\($0)", counts[$0.rawValue]) }
    }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        switch event {
        case .opened(let epoch, let randomness, let device):
            self.device = device
            opened(epoch, randomness, at: now, &actions)
        case .heard(let payload, let measurement): heard(payload, measurement, &actions)
        case .transmitted(let power): transmitted(power, &actions)
        case .final(let epoch, let includesOwn): final(epoch, includesOwn, &actions)
        case .reading(let reading): read(reading, &actions)
        case .woke: break
        }
        fire(at: now, &actions)
    }

    private mutating func count(_ counter: Counter) { counts[counter.rawValue] += 1 }

    // MARK: Opening and closing

    private mutating func opened(
        _ epoch: Epoch, _ randomness: Digest, at now: Instant, _ actions: inout [Action]
    ) {
        guard epoch >= state.epoch else { return }
        let isReturn = epoch == state.epoch
        if !isReturn {
            // An epoch opens because the one before is final.
            release()
            state.heard = state.epoch + 1 == epoch ? state.heardNext : .init()
            state.heardNext = .init()
            state.bundle = nil
            state.epoch = epoch
            state.pending.removeAll { $0.epoch + 2 < epoch }
        }
        planned = nil
        bundleAt = .never
        guard let device else { return actions.append(.persist(state)) }
        let length = Int64(settings.parameters.epochMilliseconds)
        if let bundle = state.bundle {
            actions.append(.makeBundle(bundle))
        } else {
            bundleAt = now + .milliseconds(length * Self.bundlePercent / 100)
            if device.kind == .hotspot, device.version.location != nil, state.own == nil,
                !state.pending.contains(where: { $0.epoch == epoch })
            {
                plan(epoch, randomness, device.version.profile, at: now)
            }
        }
        if !isReturn { actions.append(.persist(state)) }
    }

    private mutating func plan(
        _ epoch: Epoch, _ randomness: Digest, _ profile: RadioProfile, at now: Instant
    ) {
        let alpha = Randomness.beaconAlpha(
            network: settings.network, epoch: epoch, randomness: randomness, device: node)
        let (output, proof) = vrfKey.evaluate(alpha.octetBytes)
        guard
            var beacon = Beacon.transmission(
                output: output, epoch: epoch, region: profile.region, parameters: settings.parameters)
        else { return }
        beacon.gain = profile.gain
        let reveal = Reveal(
            epoch: epoch, proof: proof, frequency: beacon.frequency, dataRate: beacon.dataRate,
            power: beacon.power)
        planned = (
            beacon, CoverageState.Own(tag: beacon.tag, reveal: reveal),
            now + .milliseconds(Int64(beacon.offsetMilliseconds))
        )
    }

    private mutating func final(_ epoch: Epoch, _ includesOwn: Bool, _ actions: inout [Action]) {
        guard epoch == state.epoch else { return }
        if includesOwn, let bundle = state.bundle {
            state.pending.removeAll { reveal in bundle.reveals.contains { $0.epoch == reveal.epoch } }
            if let last = bundle.readings.last { state.readings.removeAll { $0.sequence <= last.sequence } }
        }
        release()
        planned = nil
        bundleAt = .never
        actions.append(.persist(state))
    }

    /// The own beacon's epoch is final: its reveal may be told.
    private mutating func release() {
        guard let own = state.own else { return }
        state.own = nil
        state.pending.removeAll { $0.epoch + 1 < own.reveal.epoch || $0.epoch == own.reveal.epoch }
        state.pending.append(own.reveal)
        if state.pending.count > Bundle.revealsMax { state.pending.removeFirst() }
    }

    // MARK: The radio

    private mutating func transmitted(_ power: Int16?, _ actions: inout [Action]) {
        guard let own = state.own, own.reveal.epoch == state.epoch else { return }
        let reveal = own.reveal
        guard let power else {
            count(.refused)
            // Once declared it must be revealed, sent or not.
            guard state.bundle == nil else { return }
            state.own = nil
            return actions.append(.persist(state))
        }
        guard power < reveal.power else { return }
        state.own?.reveal = Reveal(
            epoch: reveal.epoch, proof: reveal.proof, frequency: reveal.frequency, dataRate: reveal.dataRate,
            power: power)
        actions.append(.persist(state))
    }

    private mutating func heard(_ payload: [UInt8], _ measurement: Measurement, _ actions: inout [Action]) {
        guard payload.count == Beacon.payloadByteCount, payload[0] == Beacon.marker else {
            return count(.foreignPayload)
        }
        guard state.epoch > 0, device != nil else { return count(.noDevice) }
        let isNext = payload[1] == UInt8(truncatingIfNeeded: state.epoch + 1)
        guard isNext || payload[1] == UInt8(truncatingIfNeeded: state.epoch) else {
            return count(.otherEpoch)
        }
        guard isNext || state.bundle == nil else { return count(.late) }
        let tag = Tag(payload: payload)
        guard tag != state.own?.tag else { return count(.ownEcho) }
        var heard = isNext ? state.heardNext : state.heard
        guard !heard.reports.contains(where: { $0.tag == tag }) else { return count(.repeated) }
        let epoch = isNext ? state.epoch + 1 : state.epoch
        let report = WitnessReport(
            tag: tag, measurement: measurement,
            proof: .init(payload: payload, reporter: node, epoch: epoch, measurement: measurement))
        count(.heard)
        heard.count = heard.count == .max ? .max : heard.count + 1
        if heard.reports.count < Bundle.reportsMax {
            heard.reports.append(report)
        } else {
            // Reservoir sampling (Vitter's algorithm R): every report is as likely to stay.
            let place = chance.below(Int(heard.count))
            if place < Bundle.reportsMax { heard.reports[place] = report }
        }
        if isNext { state.heardNext = heard } else { state.heard = heard }
        actions.append(.persist(state))
    }

    private mutating func read(_ reading: Reading, _ actions: inout [Action]) {
        guard (state.readings.last.map { $0.sequence < reading.sequence }) ?? true else {
            return count(.readingsDropped)
        }
        if state.readings.count == CoverageState.readingsMax {
            state.readings.removeFirst()
            count(.readingsDropped)
        }
        state.readings.append(reading)
        actions.append(.persist(state))
    }

    // MARK: Time

    private mutating func fire(at now: Instant, _ actions: inout [Action]) {
        if let planned, now >= planned.at {
            self.planned = nil
            // Woken after the bundle was due: too late to be declared.
            if now < bundleAt {
                state.own = planned.own
                count(.transmitted)
                actions += [.persist(state), .transmit(planned.transmission)]
            }
        }
        guard now >= bundleAt else { return }
        bundleAt = .never
        let epoch = state.epoch
        let bundle = Bundle(
            author: node, epoch: epoch, ownTag: state.own?.tag,
            reports: state.heard.reports.sorted { $0.tag < $1.tag },
            isPartial: Int(state.heard.count) > state.heard.reports.count,
            reveals: isRemoved(.revealAfterFinality) && state.own != nil
                ? [state.own!.reveal]
                : state.pending.filter { $0.epoch < epoch && epoch <= $0.epoch + 2 },
            readings: Array(state.readings.prefix(Bundle.readingsMax)))
        state.bundle = bundle
        actions += [.persist(state), .makeBundle(bundle)]
    }
}
