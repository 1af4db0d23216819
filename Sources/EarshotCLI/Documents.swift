import Identity
import Records
import Wire

// The JSON forms of what tools print. Names and meanings are kept; new fields may be added.

/// A finalised epoch. Amounts are tokens as decimal text.
struct EpochDocument: Encodable {
    let epoch: UInt64
    let view: UInt32
    let builder: String
    let header: String
    let stateRoot: String
    let wallTime: UInt64
    let millisecondsToFinal: UInt32
    let bundles: UInt32
    let conflicts: UInt32
    let beacons: UInt32
    let transactions: UInt32
    let validReports: UInt32
    let rejectedReports: UInt32
    let minted: String
    let burned: String
    let supply: String
    let treasury: String

    init(_ summary: EpochSummary) {
        epoch = summary.epoch
        view = summary.view
        builder = summary.builder.text
        header = summary.header.hex
        stateRoot = summary.stateRoot.hex
        wallTime = summary.wallTime
        millisecondsToFinal = summary.millisecondsToFinal
        bundles = summary.bundles
        conflicts = summary.conflicts
        beacons = summary.beacons
        transactions = summary.transactions
        validReports = summary.validReports
        rejectedReports = summary.rejectedReports
        minted = tokens(summary.minted)
        burned = tokens(summary.burned)
        supply = tokens(summary.totals.supply)
        treasury = tokens(summary.totals.treasury)
    }
}

struct LiveDocument: Encodable {
    let processID: UInt32
    let startedAt: UInt64
    let updatedAt: UInt64
    let address: String
    let roles: [String]
    let openEpoch: UInt64
    let view: UInt32
    let waitsFor: String
    let mayVote: Bool
    let peers: Int
    let counters: [String: UInt64]

    init(_ live: LiveStatus) {
        processID = live.processID
        startedAt = live.startedAt
        updatedAt = live.updatedAt
        address = live.endpoint.description
        roles = live.roles.names
        openEpoch = live.openEpoch
        view = live.view
        waitsFor = live.waitsFor
        mayVote = live.mayVote
        peers = live.peers.count
        counters = Dictionary(live.counters.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    }
}

struct StatusDocument: Encodable {
    let network: String?
    let node: String?
    let lastFinalEpoch: UInt64
    let stateRoot: String?
    /// The first epoch whose evidence and verdicts are here.
    let keptFrom: UInt64?
    let live: LiveDocument?
}

struct BeaconDocument: Encodable {
    let tag: String
    let epoch: UInt64
    let judgedBy: UInt64
    let beaconer: String?
    let verdict: String
    let scale: UInt32
    let units: UInt32
    let frequency: UInt32?
    let dataRate: String?
    /// 0.1 dBm EIRP.
    let power: Int16?
    let reports: [WitnessDocument]

    init(_ record: VerdictRecord) {
        let verdict = record.verdict
        tag = verdict.tag.description
        epoch = verdict.epoch
        judgedBy = record.block
        beaconer = verdict.beaconer?.text
        self.verdict = "\(verdict.reason)"
        scale = verdict.scale
        units = verdict.units
        frequency = verdict.reveal?.frequency
        dataRate = verdict.reveal.map { "\($0.dataRate)" }
        power = verdict.reveal?.power
        reports = verdict.reports.map { WitnessDocument(verdict: verdict, report: $0) }
    }
}

struct WitnessDocument: Encodable {
    let tag: String
    let epoch: UInt64
    let reporter: String
    let verdict: String
    let faultOf: String?
    /// 0.1 dBm.
    let rssi: Int16
    /// 0.01 dBm.
    let rssiMax: Int32?
    /// 0.1 dB.
    let snr: Int16
    /// Hz.
    let frequency: UInt32
    let dataRate: String
    /// Metres.
    let distance: UInt32?
    /// 1/10,000.
    let units: UInt32

    init(verdict: BeaconVerdict, report: ReportVerdict) {
        tag = verdict.tag.description
        epoch = verdict.epoch
        reporter = report.reporter.text
        self.verdict = "\(report.reason)"
        faultOf = report.reason == .valid ? nil : "\(report.side)"
        rssi = report.measurement.rssi
        rssiMax = report.rssiMax
        snr = report.measurement.snr
        frequency = report.measurement.frequency
        dataRate = "\(report.measurement.dataRate)"
        distance = report.distance
        units = report.units
    }
}

struct AccountDocument: Encodable {
    let account: String
    let balance: String?
    let nonce: UInt64?
    let device: String?
    let stake: String?
    let lastWitnessed: UInt64?
    let lastWitnessing: UInt64?
    let suspendedUntil: UInt64?
}

struct RewardDocument: Encodable {
    let node: String
    let account: String
    let kind: String
    let amount: String
}

struct ValidatorDocument: Encodable {
    let node: String
    let owner: String
    let stake: String
    let effective: UInt64
}

struct VerifyDocument: Encodable {
    let network: String
    /// Of the network, as people call it.
    let name: String
    /// Headers and certificates are verified from genesis on, blocks executed from here on.
    let firstEpoch: UInt64
    let lastEpoch: UInt64
    let signatures: Int
    let holds: Bool
    /// Whose block the node computed another state for than the network agreed on.
    let haltedIn: UInt64?
}
