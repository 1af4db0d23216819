import Bytes
import Chance
import Geo
import Identity
import TestKit
import Testing
import Wire
import WireSamples

/// Where a set is written as a list, one order is the only one.
@Suite struct OrderTests {
    /// A bundle's encoding with lists as they are given, in whatever order.
    private func bundle(
        reports: [WitnessReport] = [], reveals: [Reveal] = [], readings: [Reading] = []
    ) -> [UInt8] {
        Bundle(
            author: NodeID(hex: String(repeating: "01", count: 32))!, epoch: 5, ownTag: nil, reports: reports,
            reveals: reveals, readings: readings
        ).encoded()
    }

    private func expectOrdered<Value>(_ low: Value, _ high: Value, _ encode: ([Value]) -> [UInt8]) throws {
        _ = try Bundle(decoding: encode([low, high]))
        #expect(throws: DecodeError.nonCanonical) { try Bundle(decoding: encode([high, low])) }
        #expect(throws: DecodeError.nonCanonical) { try Bundle(decoding: encode([low, low])) }
    }

    @Test(arguments: Seed.all)
    func `a bundle's reports, reveals and readings ascend and do not repeat`(seed: Seed) throws {
        var chance = seed.chance()
        func pair<Value: Sample, Key: Hashable & Comparable>(by key: (Value) -> Key) -> [Value] {
            while true {
                let pair = chance.ascending(Value.self, max: 8, by: key)
                if pair.count >= 2 { return pair }
            }
        }
        let reports = pair { (report: WitnessReport) in report.tag }
        try expectOrdered(reports[0], reports[1]) { bundle(reports: $0) }
        let reveals = pair { (reveal: Reveal) in reveal.epoch }
        try expectOrdered(reveals[0], reveals[1]) { bundle(reveals: $0) }
        let readings = pair { (reading: Reading) in reading.sequence }
        try expectOrdered(readings[0], readings[1]) { bundle(readings: $0) }
    }

    @Test(arguments: Seed.all)
    func `a conflict is two bundles of one author and epoch, the lower id first`(seed: Seed) throws {
        var chance = seed.chance()
        let author = NodeID.any(from: &chance)
        let one = Bundle.any(from: &chance, author: author, epoch: 7)
        let other = Bundle.any(from: &chance, author: author, epoch: 7)
        let (low, high) = one.id < other.id ? (one, other) : (other, one)
        let entry = EvidenceEntry.conflict(low, high)
        #expect(try EvidenceEntry(decoding: entry.encoded()) == entry)
        let later = Bundle.any(from: &chance, author: author, epoch: 8)
        let foreign = Bundle.any(from: &chance, author: .any(from: &chance), epoch: 7)
        let wrong: [EvidenceEntry] = [
            .conflict(high, low), .conflict(low, low), .conflict(low, later), .conflict(later, low),
            .conflict(low, foreign), .conflict(foreign, low),
        ]
        for entry in wrong {
            #expect(throws: DecodeError.nonCanonical) { try EvidenceEntry(decoding: entry.encoded()) }
        }
    }

    @Test(arguments: Seed.all)
    func `a conflict has one item, whichever two bundles prove it`(seed: Seed) {
        var chance = seed.chance()
        let author = NodeID.any(from: &chance)
        let bundles = (0..<3).map { _ in Bundle.any(from: &chance, author: author, epoch: 7) }
            .sorted { $0.id < $1.id }
        let entries = [
            EvidenceEntry.conflict(bundles[0], bundles[1]), .conflict(bundles[1], bundles[2]),
            .conflict(bundles[0], bundles[2]),
        ]
        #expect(Set(entries.map(\.item)).count == 1)
        #expect(entries[0].item != EvidenceEntry.conflictItem(author: author, epoch: 8))
        #expect(entries[0].item != EvidenceEntry.conflictItem(author: .any(from: &chance), epoch: 7))
        #expect(!bundles.map(\.id).contains(entries[0].item))
    }

    @Test(arguments: Seed.all)
    func `a block's evidence and a list of items ascend by author`(seed: Seed) throws {
        var chance = seed.chance()
        let header = Header.any(from: &chance)
        let body = Body(transactions: [], parentCertificate: nil)
        func block(_ evidence: [EvidenceEntry]) -> [UInt8] {
            Block(header: header, body: body, evidence: evidence).encoded()
        }
        let entries = [EvidenceEntry.any(from: &chance), .any(from: &chance)].sorted { $0.author < $1.author }
        _ = try Block(decoding: block(entries))
        #expect(throws: DecodeError.nonCanonical) { try Block(decoding: block(entries.reversed())) }
        #expect(throws: DecodeError.nonCanonical) { try Block(decoding: block([entries[0], entries[0]])) }

        func contents(_ items: [EvidenceItem]) -> [UInt8] {
            Contents(header: header, body: body, items: items).encoded()
        }
        let items = entries.map { EvidenceItem(author: $0.author, item: $0.item) }
        _ = try Contents(decoding: contents(items))
        #expect(throws: DecodeError.nonCanonical) { try Contents(decoding: contents(items.reversed())) }
        #expect(throws: DecodeError.nonCanonical) { try Contents(decoding: contents([items[0], items[0]])) }
    }

    @Test func `a certificate's bitmap has no empty tail`() throws {
        let ballot = Ballot.nullify(1, 1).encoded()
        let none = try Certificate(decoding: ballot + [0])
        #expect(none.voters.isEmpty)
        for bitmap: [UInt8] in [[1, 0], [2, 1, 0], [3, 0, 0, 0]] {
            #expect(throws: DecodeError.nonCanonical) { try Certificate(decoding: ballot + bitmap) }
        }
        let signature = [UInt8](repeating: 9, count: 64)
        let one = try Certificate(decoding: ballot + [2, 0, 0x80] + signature)
        #expect(one.voters == [15])
        #expect(throws: DecodeError.truncated) {
            try Certificate(decoding: ballot + [2, 1, 0x80] + signature)
        }
        #expect(throws: DecodeError.trailingBytes(64)) {
            try Certificate(decoding: ballot + [2, 0, 0x80] + signature + signature)
        }
    }

    @Test func `a message is cut in one way: full chunks, and a last one that is not empty`() throws {
        func chunk(_ index: UInt16, of count: UInt16, _ byteCount: Int) -> [UInt8] {
            Chunk(
                message: Digest(of: []), index: index, count: count,
                octets: [UInt8](repeating: 7, count: byteCount)
            ).encoded()
        }
        let full = Chunk.byteCountMax
        for (bytes, isGood) in [
            (chunk(0, of: 1, 1), true), (chunk(0, of: 1, full), true), (chunk(0, of: 2, full), true),
            (chunk(1, of: 2, 1), true), (chunk(0, of: 1, 0), false), (chunk(0, of: 2, full - 1), false),
            (chunk(1, of: 2, 0), false),
        ] {
            if isGood {
                _ = try Chunk(decoding: bytes)
            } else {
                #expect(throws: DecodeError.nonCanonical) { try Chunk(decoding: bytes) }
            }
        }
        for (index, count) in [(1, 1), (0, 0), (2, 1), (0, Chunk.countMax + 1)] {
            let bytes = chunk(UInt16(index), of: UInt16(count), full)
            #expect(throws: DecodeError.tooLong) { try Chunk(decoding: bytes) }
        }
    }

    @Test(arguments: Seed.all)
    func `a committee has no key twice, no seat without weight and no weight beyond 2^62`(seed: Seed) throws {
        var chance = seed.chance()
        let seats = [Seat.any(from: &chance), .any(from: &chance)].sorted { $0.key < $1.key }
        func encoded(_ seats: [Seat]) -> [UInt8] {
            var writer = ByteWriter()
            writer.list(seats)
            return writer.bytes
        }
        func with(weight: UInt64, _ seat: Seat) -> Seat {
            Seat(key: seat.key, vrfKey: seat.vrfKey, weight: weight)
        }
        let committee = try Committee(decoding: encoded(seats))
        #expect(committee == Committee(seats: seats.reversed()))
        let half = UInt64(1) << 61
        let wrong: [[Seat]] = [
            seats.reversed(), [seats[0], seats[0]], [with(weight: 0, seats[0])],
            [with(weight: half, seats[0]), with(weight: half, seats[1])],
            [with(weight: .max, seats[0]), with(weight: .max, seats[1])],
        ]
        for seats in wrong {
            #expect(throws: DecodeError.nonCanonical) { try Committee(decoding: encoded(seats)) }
        }
        #expect(committee.index(of: seats[0].key) == 0)
        #expect(committee.index(of: seats[1].key) == 1)
        #expect(committee.index(of: .any(from: &chance)) == nil)
        // Any two quorums share more than a third of the weight, and one more than two thirds is needed.
        let quorum = committee.quorum.multipliedFullWidth(by: 3)
        #expect(quorum.high == 0 && quorum.low > 2 * committee.weight)
        #expect((committee.quorum - 1) * 3 <= 2 * committee.weight)
    }

    @Test(arguments: Seed.all)
    func `a record names a region and a location a spot, at their resolutions only`(seed: Seed) throws {
        var chance = seed.chance()
        for resolution in 0...Cell.resolutionMax {
            let cell = Cell.any(from: &chance, resolution: resolution)
            let record = NodeRecord(
                node: .any(from: &chance), sequence: 1, roles: .observer, endpoints: [], region: cell,
                version: 1)
            let location = Location(position: .any(from: &chance), cell: cell)
            if resolution == Cell.regionResolution {
                #expect(try NodeRecord(decoding: record.encoded()) == record)
            } else {
                #expect(throws: DecodeError.unknown) { try NodeRecord(decoding: record.encoded()) }
            }
            if resolution == Location.resolution {
                #expect(try Location(decoding: location.encoded()) == location)
            } else {
                #expect(throws: DecodeError.unknown) { try Location(decoding: location.encoded()) }
            }
        }
    }

    @Test(arguments: Seed.all)
    func `a genesis that cannot start a network is refused, with a reason for people`(seed: Seed) throws {
        var chance = seed.chance()
        let good = Genesis.any(from: &chance)
        #expect(good.flaw == nil)
        func changed(
            name: String? = nil, accounts: [GenesisAccount]? = nil, devices: [GenesisDevice]? = nil,
            validators: [GenesisValidator]? = nil, _ change: (inout Parameters) -> Void = { _ in }
        ) -> Genesis {
            var parameters = good.parameters
            change(&parameters)
            return Genesis(
                name: name ?? good.name, isTest: good.isTest, parameters: parameters,
                randomness0: good.randomness0, randomness1: good.randomness1,
                accounts: accounts ?? good.accounts, devices: devices ?? good.devices,
                validators: validators ?? good.validators)
        }
        let device = GenesisDevice.any(from: &chance)
        let rich = GenesisAccount(account: .any(from: &chance), balance: 1 << 62)
        let account = GenesisAccount.any(from: &chance)
        let wrong = [
            changed(name: ""), changed(name: String(repeating: "é", count: 33)),
            changed(accounts: [account, account]), changed(devices: [device, device]),
            changed(validators: []), changed(validators: [good.validators[0], good.validators[0]]),
            changed(accounts: [rich]), changed { $0.epochMilliseconds = 199 },
            changed { $0.epochsPerDay = 0 }, changed { $0.committeeEpochs = 0 },
            changed { $0.halvingEpochs = 0 }, changed { $0.bundlesMax = 0 }, changed { $0.stakeMin = 0 },
            changed { $0.bundlesMax = 1 << 16 + 1 }, changed { $0.transactionsMax = 4_097 },
            changed { ($0.unbondingEpochs, $0.penaltyEpochs) = (1, 2) },
            changed { $0.validatorPermille = 1_001 }, changed { $0.emissionPerEpoch = 1 << 50 + 1 },
            changed { $0.density = DensityRow.standard.reversed() }, changed { $0.stakeMin = 1 << 60 },
        ]
        for genesis in wrong {
            #expect(genesis.flaw != nil)
            #expect(throws: DecodeError.self) { try Genesis(decoding: genesis.encoded()) }
        }
    }
}
