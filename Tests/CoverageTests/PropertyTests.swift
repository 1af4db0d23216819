import Bytes
import Chance
import Coverage
import Geo
import Identity
import TestKit
import Testing
import Wire

/// Blocks full of honest, careless and hostile bundles.
struct PropertyTests {
    static let members = 9

    /// Close together, some with one owner or one key, some sensors, one without a place.
    static func world(_ chance: inout Chance) -> World {
        var world = World(members)
        world.parameters.reciprocityEpochs = UInt32(1 + chance.below(4))
        world.parameters.suspensionEpochs = UInt32(chance.below(3))
        // Some blocks are full, by number or by octets.
        if chance.happens(1, in: 3) { world.parameters.bundlesMax = UInt32(members - chance.below(3)) }
        if chance.happens(1, in: 3) {
            world.parameters.evidenceBytesMax = UInt32(2 * Bundle.byteCountMax + chance.below(8_000))
        }
        world.parameters.beaconThreshold = chance.happens(1, in: 2) ? .max : .max / 4 * 3
        for member in 0..<members {
            let spread = chance.happens(1, in: 6) ? 9_000_000 : 200_000
            let position = Position(
                latitude: 515_000_000 + Int32(chance.below(spread)),
                longitude: Int32(chance.below(spread)))
            world.place(
                member, kind: chance.happens(1, in: 5) ? .sensor : .hotspot,
                owner: chance.happens(1, in: 6) ? 0 : member,
                key: chance.happens(1, in: 8) ? world.keys[0] : nil,
                at: chance.happens(1, in: 12) ? .some(nil) : position)
            if chance.happens(1, in: 15) { world.devices[world.ids[member]] = nil }
        }
        world.welcome(0..<(1 + chance.below(members)))
        return world
    }

    static func speak(_ world: inout World, _ epoch: Epoch, _ chance: inout Chance) {
        for member in 0..<members where !chance.happens(1, in: 10) {
            let own = world.beacon(member, epoch).tag
            let tag: Wire.Tag? =
                switch chance.below(10) {
                case 0...6: own
                case 7: world.beacon(chance.below(members), epoch).tag
                case 8: Tag(UInt64(chance.below(3)))
                default: nil
                }
            var reports: [WitnessReport] = []
            for other in 0..<members where chance.happens(2, in: 3) {
                let honest = world.report(
                    by: member, of: other, epoch, rssi: Int16(-1_350 + chance.below(600)))
                switch chance.below(12) {
                case 0: reports.append(world.report(by: chance.below(members), of: other, epoch))
                case 1: reports.append(contentsOf: [honest, honest])
                case 2:
                    reports.append(
                        WitnessReport(
                            tag: Tag(UInt64(chance.below(3))), measurement: honest.measurement,
                            proof: honest.proof))
                default: reports.append(honest)
                }
            }
            var reveals: [Reveal] = []
            for before in [epoch - min(epoch, 2), epoch - 1] where before > 0 {
                switch chance.below(10) {
                case 0...5: reveals.append(world.reveal(member, before, louder: -Int16(chance.below(20))))
                case 6: reveals.append(world.reveal(member, before, louder: 1))
                case 7: reveals.append(world.reveal(chance.below(members), before))
                default: break
                }
            }
            if chance.happens(1, in: 20) {
                world.contradict(member, epoch, tag: tag, reports: reports)
            } else {
                world.say(member, epoch, tag: tag, reports: reports, reveals: reveals)
            }
        }
    }

    @Test(arguments: Seed.all)
    func `the judge says what the slow rules say`(seed: Seed) {
        var chance = seed.chance()
        var world = Self.world(&chance)
        for epoch in Epoch(1)...5 {
            Self.speak(&world, epoch, &chance)
            let slow = SlowJudge.judge(world.input(epoch))
            let fast = Judge.judge(world.input(epoch))
            #expect(fast.verdicts == slow.verdicts)
            #expect(fast.activities.map(\.id) == slow.activities.keys.sorted())
            for change in fast.activities { #expect(slow.activities[change.id] == change.activity) }
            world.step(epoch)
        }
    }

    @Test(arguments: Seed.all)
    func `each report is judged once and only the valid ones are paid`(seed: Seed) {
        var chance = seed.chance()
        var world = Self.world(&chance)
        for epoch in Epoch(1)...4 { Self.speak(&world, epoch, &chance) }
        var judged: [Epoch: Int] = [:]
        for epoch in Epoch(1)...6 {
            for verdict in world.step(epoch).verdicts {
                judged[verdict.epoch, default: 0] += verdict.reports.count
                let paid = verdict.reports.filter { $0.units > 0 }
                #expect(paid.allSatisfy { $0.reason == .valid } && paid.count <= Judge.selectedMax)
                #expect(verdict.units == 0 || verdict.reason == .valid)
                for report in verdict.reports where report.side == .beaconer {
                    #expect(report.reason == verdict.reason)
                }
            }
        }
        for epoch in Epoch(1)...4 {
            let said = world.evidence(epoch).reduce(0) { sum, entry in
                if case .bundle(let bundle) = entry { sum + bundle.reports.count } else { sum }
            }
            #expect(judged[epoch, default: 0] == said)
        }
    }

    @Test(arguments: Seed.all)
    func `the order in which a host lists its hotspots tells nothing`(seed: Seed) {
        var chance = seed.chance()
        var world = Self.world(&chance)
        for epoch in Epoch(1)...3 { Self.speak(&world, epoch, &chance) }
        for id in world.ids { world.activities[id]?.lastIndependent = 1 }
        var shuffled = world.ids
        chance.shuffle(&shuffled)
        #expect(Judge.judge(world.input(3)) == Judge.judge(world.input(3, hotspots: shuffled)))
    }

    @Test(arguments: Seed.all)
    func `hex scales are those of the rule written out`(seed: Seed) {
        var chance = seed.chance()
        let spread = [20_000, 300_000, 6_000_000][chance.below(3)]
        let cells = (0..<(1 + chance.below(250))).map { _ in
            Cell(
                containing: Position(
                    latitude: 515_000_000 + Int32(chance.below(spread)),
                    longitude: Int32(chance.below(spread)))!, resolution: 12)
        }
        let table = DensityRow.standard
        let density = HexDensity(hotspots: cells, table: table)
        /// Of a cell at a row of the table, everything below it counted anew.
        var memory: [Cell: (unclipped: Int, clipped: Int)] = [:]
        func count(_ cell: Cell, _ row: Int) -> (unclipped: Int, clipped: Int) {
            if let known = memory[cell] { return known }
            func unclipped(_ cell: Cell) -> Int {
                let finer = row + 1 < table.count ? Int(table[row + 1].resolution) : 11
                let inside = Set(
                    cells.filter { $0.parent(at: cell.resolution) == cell }.map { $0.parent(at: finer)! })
                return inside.reduce(0) { sum, child in
                    sum
                        + (finer == 11
                            ? cells.filter { $0.parent(at: 11) == child }.count
                            : count(child, row + 1).clipped)
                }
            }
            let own = unclipped(cell)
            let occupied = cell.gridDisk(radius: 1).filter { unclipped($0) >= Int(table[row].target) }.count
            let limit = min(
                Int(table[row].max),
                Int(table[row].target) * max(occupied - Int(table[row].neighbours) + 1, 1))
            memory[cell] = (own, min(own, limit))
            return memory[cell]!
        }
        for cell in cells.prefix(10) {
            var exact = 1.0
            for row in table.indices {
                let found = count(cell.parent(at: Int(table[row].resolution))!, row)
                exact *= Double(found.clipped) / Double(found.unclipped)
            }
            #expect(abs(Double(density.scale(of: cell, isCounted: true)) - exact * 10_000) <= 0.501)
        }
    }

    @Test func `about as many beacon as the threshold says, over all channels and moments`() {
        var chance = Chance(seed: 11)
        var parameters = Parameters()
        parameters.beaconThreshold = .max / 8
        let key = VRFKey(seed: chance.octets(32).octetBytes)
        let draws = 2_400
        var sent: [Transmission] = []
        for _ in 0..<draws {
            let output = key.evaluate(chance.octets(32).octetBytes).output
            if let beacon = Beacon.transmission(
                output: output, epoch: 1, region: .eu868, parameters: parameters)
            {
                sent.append(beacon)
            }
        }
        // 300 expected; four standard deviations are 65.
        #expect(235...365 ~= sent.count)
        #expect(Set(sent.map(\.frequency)) == Set(ChannelPlan.eu868.frequencies))
        #expect(Set(sent.map(\.dataRate)) == Set(ChannelPlan.eu868.dataRates))
        #expect(Set(sent.map(\.tag)).count == sent.count)
        // Four quarters of the window, 75 expected in each.
        let quarters = sent.map { Int($0.offsetMilliseconds - 30_000) * 4 / 330_001 }
        for quarter in 0..<4 { #expect(quarters.filter { $0 == quarter }.count > 40) }
    }
}
