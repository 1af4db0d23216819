internal import Bytes
public import Chance
public import Identity
public import Wire

extension DataRate: Sample {
    public static func any(from chance: inout Chance) -> DataRate { chance.one(of: Array(allCases)) }
}

extension Region: Sample {
    public static func any(from chance: inout Chance) -> Region { chance.one(of: Array(allCases)) }
}

extension Tag: Sample {
    public static func any(from chance: inout Chance) -> Tag { Tag(chance.word()) }
}

extension Measurement: Sample {
    public static func any(from chance: inout Chance) -> Measurement {
        Measurement(
            rssi: chance.signed(), snr: chance.signed(), frequency: chance.word(),
            dataRate: .any(from: &chance))
    }
}

extension WitnessReport.Proof: Sample {
    public static func any(from chance: inout Chance) -> WitnessReport.Proof {
        WitnessReport.Proof(octets: chance.octets(byteCount))
    }
}

extension WitnessReport: Sample {
    public static func any(from chance: inout Chance) -> WitnessReport {
        WitnessReport(tag: .any(from: &chance), measurement: .any(from: &chance), proof: .any(from: &chance))
    }
}

extension Reveal: Sample {
    public static func any(from chance: inout Chance) -> Reveal {
        Reveal(
            epoch: chance.word(), proof: .any(from: &chance), frequency: chance.word(),
            dataRate: .any(from: &chance), power: chance.signed())
    }
}

extension Reading: Sample {
    public static func any(from chance: inout Chance) -> Reading {
        Reading(sequence: chance.word(), kind: chance.word(), value: chance.signed())
    }
}

extension Bundle: Sample {
    public static func any(from chance: inout Chance) -> Bundle {
        any(from: &chance, author: .any(from: &chance), epoch: chance.word())
    }

    public static func any(from chance: inout Chance, author: NodeID, epoch: Epoch) -> Bundle {
        // Mostly short; now and then as many as may be.
        let reportsMax = chance.happens(1, in: 8) ? Bundle.reportsMax : 6
        return Bundle(
            author: author, epoch: epoch, ownTag: chance.maybe(),
            reports: chance.ascending(max: reportsMax) { $0.tag }, isPartial: chance.bool(),
            reveals: chance.ascending(max: revealsMax) { $0.epoch },
            readings: chance.ascending(max: readingsMax) { $0.sequence }, signature: .any(from: &chance))
    }
}

extension EvidenceEntry: Sample {
    public static func any(from chance: inout Chance) -> EvidenceEntry {
        any(from: &chance, epoch: chance.word())
    }

    public static func any(from chance: inout Chance, epoch: Epoch) -> EvidenceEntry {
        let first = Bundle.any(from: &chance, author: .any(from: &chance), epoch: epoch)
        if chance.happens(2, in: 3) { return .bundle(first) }
        let second = Bundle.any(from: &chance, author: first.author, epoch: epoch)
        return first.id < second.id ? .conflict(first, second) : .conflict(second, first)
    }
}

extension EvidenceSummary: Sample {
    public static func any(from chance: inout Chance) -> EvidenceSummary {
        EvidenceSummary(
            root: .any(from: &chance), count: chance.word(), fingerprint: .any(from: &chance))
    }
}

extension EvidenceItem: Sample {
    public static func any(from chance: inout Chance) -> EvidenceItem {
        EvidenceItem(author: .any(from: &chance), item: .any(from: &chance))
    }
}

extension Reason: Sample {
    public static func any(from chance: inout Chance) -> Reason { chance.one(of: Array(allCases)) }
}

extension Side: Sample {
    public static func any(from chance: inout Chance) -> Side { chance.bool() ? .reporter : .beaconer }
}

extension ReportVerdict: Sample {
    public static func any(from chance: inout Chance) -> ReportVerdict {
        ReportVerdict(
            reporter: .any(from: &chance), reason: .any(from: &chance), side: .any(from: &chance),
            measurement: .any(from: &chance), distance: chance.maybe(), rssiMax: chance.maybe(),
            units: chance.word())
    }
}

extension BeaconVerdict.RevealedParameters: Sample {
    public static func any(from chance: inout Chance) -> BeaconVerdict.RevealedParameters {
        BeaconVerdict.RevealedParameters(
            frequency: chance.word(), dataRate: .any(from: &chance), power: chance.signed())
    }
}

extension BeaconVerdict: Sample {
    public static func any(from chance: inout Chance) -> BeaconVerdict {
        any(from: &chance, epoch: chance.word())
    }

    public static func any(from chance: inout Chance, epoch: Epoch) -> BeaconVerdict {
        BeaconVerdict(
            epoch: epoch, tag: .any(from: &chance), beaconer: chance.maybe(), reason: .any(from: &chance),
            reveal: chance.maybe(), scale: chance.word(), units: chance.word(),
            reports: chance.ascending(max: 5) { $0.reporter })
    }
}

extension Activity: Sample {
    public static func any(from chance: inout Chance) -> Activity {
        var activity = Activity()
        activity.lastWitnessed = chance.word()
        activity.lastWitnessing = chance.word()
        activity.lastIndependent = chance.word()
        activity.suspendedUntil = chance.word()
        activity.pausedUntil = chance.word()
        return activity
    }
}
