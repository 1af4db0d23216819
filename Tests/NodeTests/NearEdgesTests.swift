import Bytes
import Chance
import Geo
import Identity
import Testing
import Wire

@testable import Node

/// Whom a validator names as neighbours, and what it takes from them for others.
@Suite struct NearEdgesTests {
    private func key(_ number: Int) -> NodeID {
        NodeID(octets: Digest(of: [UInt8(number & 0xFF), UInt8(number >> 8)]).octets)!
    }

    /// Some 700 m a step to the east.
    private func cell(_ step: Int) -> Cell {
        let position = Position(latitude: 469_480_000, longitude: 74_474_000 + Int32(step) * 95_000)!
        return Cell(containing: position, resolution: Location.resolution)
    }

    private func place(_ number: Int) -> Endpoint { .loopback(port: UInt16(1_000 + number)) }

    @Test func `the nearest are told, the nearest first, and never the asker`() {
        var near = NearEdges()
        for number in 0..<40 { near.note(key(number), at: place(number), cell(number), in: 7) }
        near.note(key(99), at: place(99), nil, in: 7)
        let told = near.neighbours(of: key(10), in: 7)
        #expect(told?.count == 5 && Set(told!.prefix(4).map(\.node)) == Set([8, 9, 11, 12].map(key)))
        #expect(Set(told!.prefix(2).map(\.endpoint)) == [place(9), place(11)])
        near.assertInvariants()
    }

    @Test func `who has handed in nothing is told nothing, and nobody twice in an epoch`() {
        var near = NearEdges()
        for number in 0..<4 { near.note(key(number), at: place(number), cell(number), in: 7) }
        func told(_ number: Int, in epoch: Epoch) -> Int? {
            near.neighbours(of: key(number), in: epoch)?.count
        }
        let early = [told(50, in: 7), told(1, in: 8), told(1, in: 7), told(1, in: 7)]
        #expect(early == [nil, nil, 3, nil])
        near.note(key(1), at: place(1), cell(1), in: 8)
        let later = told(1, in: 8)
        #expect(later == 3)
    }

    @Test func `whoever was not heard of for sixteen epochs is told no more, and the table does not grow`() {
        var near = NearEdges()
        near.note(key(0), at: place(0), cell(0), in: 1)
        near.note(key(1), at: place(1), cell(1), in: 17)
        let told = near.neighbours(of: key(1), in: 17)
        #expect(told == [])
        for number in 0..<3_000 { near.note(key(number), at: place(0), cell(number % 50), in: 18) }
        near.assertInvariants()
        #expect(near.count == NearEdges.countMax)
        #expect(
            near.entries.contains { $0.node == key(2_999) } && !near.entries.contains { $0.node == key(5) })
    }

    @Test func `a validator tells an edge node that has handed in its bundle who is near`() throws {
        var desk = try EdgeDeskTests.Desk()
        desk.hear(.question(.neighbours), from: desk.devices[0].nodeID)
        #expect(desk.answers.isEmpty)
        for device in 0..<2 {
            let bundle = desk.bundle(of: device)
            desk.hear(.handIn(bundle), from: bundle.author)
            desk.handle(.verified(ticket: desk.jobs[0].ticket, Verification(of: desk.jobs[0].checks)))
        }
        desk.hear(.question(.neighbours), from: desk.devices[0].nodeID)
        let near = Neighbour(node: desk.devices[1].nodeID, endpoint: .loopback(port: 5_000))
        #expect(desk.answers == [.neighbours([near])])
    }

    @Test func `a neighbour hands on eight bundles an epoch, each verified, and the sender is told`() throws {
        var desk = try EdgeDeskTests.Desk(devices: 12)
        let sender = desk.devices[11].nodeID
        for device in 0..<10 {
            let bundle = desk.bundle(of: device)
            desk.hear(.handIn(bundle), from: sender)
            guard device < HandedOn.bundlesMax else {
                #expect(desk.jobs.isEmpty && desk.answers == [.bundle(bundle.id, .refused)])
                continue
            }
            #expect(desk.jobs.count == 1)
            desk.handle(.verified(ticket: desk.jobs[0].ticket, Verification(of: desk.jobs[0].checks)))
            #expect(desk.answers == [.bundle(bundle.id, .held)])
        }
        #expect(desk.node.drops[Drop.handedOn.rawValue] == 2)
        // Its own is another matter, and who was helped is not known to be there.
        let own = desk.bundle(of: 11)
        desk.hear(.handIn(own), from: sender)
        #expect(desk.jobs.count == 1)
        #expect(desk.node.edges.near.count == 0)
    }

    @Test func `forged bundles of others use up what a neighbour may hand on, and nothing else`() throws {
        var desk = try EdgeDeskTests.Desk(devices: 12)
        let sender = desk.devices[11].nodeID
        for value in Int64(0)..<20 {
            let good = desk.bundle(of: 0, value: value)
            let forged = Bundle(
                author: good.author, epoch: 1, ownTag: nil, reports: [], readings: good.readings,
                signature: desk.bundle(of: 1).signature)
            desk.hear(.handIn(forged), from: sender)
            for job in desk.jobs { desk.handle(.verified(ticket: job.ticket, Verification(of: job.checks))) }
            #expect(!desk.answers.contains(.bundle(forged.id, .held)))
        }
        #expect(desk.node.pool.count == 0)
        #expect(desk.node.drops[Drop.badSignature.rawValue] == UInt64(HandedOn.bundlesMax))
    }

    @Test func `no more senders of others' bundles are remembered than there is room for`() {
        var handedOn = HandedOn()
        for number in 0..<2_000 {
            let takes = handedOn.takes(Digest(of: [UInt8(number & 0xFF)]), from: key(number))
            #expect(takes == (number < HandedOn.sendersMax))
        }
        #expect(handedOn.count == HandedOn.sendersMax)
        let takesAgain = handedOn.takes(Digest(of: [0]), from: key(0))
        #expect(takesAgain)
    }
}
