import Chance
import Geo
import Identity
import Membership
import MembershipWorld
import Testing
import Wire

/// A node with eight peers that came by themselves from far away, and what it does about whom it is told of.
private struct Place {
    static let renewalPeriod: Duration = .seconds(600)

    private(set) var machine: Membership
    private(set) var now = Instant.origin
    private(set) var dialled: [NodeID] = []
    /// Who says welcome to a dial.
    var welcoming: Set<NodeID> = []
    private var cards: [NodeID: NodeRecord] = [:]

    /// So many tenths of a degree north of the node, some 11 km each.
    static func card(_ index: Int, north tenths: Int, prefix: Int? = nil) -> NodeRecord {
        let place = Position(latitude: 469_500_000 + Int32(tenths) * 1_000_000, longitude: 74_500_000)!
        let number = UInt32(prefix ?? index)
        return World.record(
            index, endpoint: Endpoint(ipv4: 0x0A00_0000 + number << 8 + UInt32(index % 250) + 1, port: 4_000),
            region: Cell(containing: place, resolution: Cell.regionResolution))
    }

    init(remembers: [NodeRecord]) {
        var settings = Membership.Settings.quiet
        settings.nearMax = 4
        // Its peers are enough, so that whom it dials, it dials for its place.
        settings.outboundMin = 0
        settings.renewalPeriod = Self.renewalPeriod
        machine = Membership(
            record: Self.card(0, north: 0), bootstrap: [], remembered: remembers, settings: settings,
            chance: Chance(seed: 1), now: .origin)
        for card in remembers { cards[card.node] = card }
        for index in 101...108 {
            let card = Self.card(index, north: -400)
            handle(.dial(card, isUrgent: false, from: card.node, card.endpoints[0]))
        }
    }

    var near: Set<NodeID> { Set(machine.accounts.filter { $0.link?.isNear == true }.map(\.node)) }

    mutating func handle(_ event: Membership.Event) {
        var actions: [Membership.Action] = []
        machine.handle(event, at: now, actions: &actions)
        machine.assertInvariants()
        for case .send(let node, let endpoint, .dial) in actions {
            dialled.append(node)
            if welcoming.contains(node), let card = cards[node] {
                handle(.welcome([card], from: node, endpoint))
            }
        }
    }

    /// A peer from far away tells these.
    mutating func tell(_ told: [NodeRecord]) {
        for card in told { cards[card.node] = card }
        // Cards that come faster are not taken; and some give way as time passes.
        now = now + .milliseconds(200)
        let peers = Set(machine.peers)
        let teller = Self.card((101...108).first { peers.contains(World.id($0)) }!, north: -400)
        handle(.records(told, asks: true, from: teller.node, teller.endpoints[0]))
    }

    /// A peer asks for cards every second.
    mutating func pass(_ seconds: Int) {
        for _ in 0..<seconds {
            now = now + .seconds(1)
            if machine.deadline <= now { handle(.woke) }
            tell([])
        }
    }
}

@Suite struct NearnessRuleTests {
    private func id(_ index: Int) -> NodeID { World.id(index) }

    /// With four near peers, from 110 to 440 km away.
    private func settled() -> Place {
        var place = Place(remembers: (1...20).map { Place.card($0, north: 10 * $0) })
        place.welcoming = Set((1...60).map(id))
        place.pass(60)
        return place
    }

    @Test func `the nearest four become near peers, one after the other`() {
        var place = Place(remembers: (1...20).map { Place.card($0, north: 10 * $0) })
        place.welcoming = Set((1...4).map(id))
        place.pass(4)
        #expect(place.near.isEmpty, "others may be told of first")
        place.pass(60)
        #expect(place.near == Set((1...4).map(id)))
        #expect(place.dialled == (1...4).map(id), "the nearest first")
        #expect(place.machine.accounts.count { $0.link?.isNear == false } == 8, "there is room for all")
    }

    @Test func `a near peer gives way to one at half its distance, and one a renewal period`() {
        var place = settled()
        #expect(place.near == Set((1...4).map(id)))
        // Nearer than the farthest by a quarter.
        place.tell([Place.card(30, north: 33)])
        place.pass(700)
        #expect(!place.near.contains(id(30)) && place.near.count == 4)
        place.tell([Place.card(31, north: 15)])
        place.pass(30)
        #expect(place.near == Set([1, 2, 3, 31].map(id)))
        place.tell([Place.card(32, north: 5)])
        place.pass(400)
        #expect(!place.near.contains(id(32)))
        place.pass(160)
        #expect(place.near == Set([1, 2, 31, 32].map(id)))
    }

    @Test func `a region is no way to more room in the passive view, nor to more than four places`() {
        var place = settled()
        for index in 200..<400 {
            place.welcoming.insert(id(index))
            place.tell([Place.card(index, north: 0, prefix: 7_000 + index % 5)])
            place.pass(1)
        }
        let liars = place.machine.accounts.filter { (200..<400).map(id).contains($0.node) }
        #expect(liars.count { $0.link == nil } <= 50, "ten of each prefix")
        place.pass(3_000)
        #expect(place.near.count == 4)
        let peers = place.machine.accounts.filter { $0.link != nil }
        #expect(peers.count { $0.link?.isNear == false } >= 4)
        #expect(peers.count { (200..<400).map(id).contains($0.node) } < peers.count)
    }

    @Test func `nobody is near where all are peers, nor without a region`() {
        var small = Place(remembers: [])
        small.pass(60)
        small.tell([Place.card(1, north: 1)])
        #expect(small.near.isEmpty)
        var settings = Membership.Settings()
        settings.nearMax = 4
        var machine = Membership(
            record: World.record(0), bootstrap: [], remembered: (1...40).map { Place.card($0, north: $0) },
            settings: settings, chance: Chance(seed: 1), now: .origin)
        var actions: [Membership.Action] = []
        for second in 0..<60 {
            machine.handle(.woke, at: .origin + .seconds(second), actions: &actions)
        }
        let asks = actions.contains { if case .send(_, _, .nearby) = $0 { true } else { false } }
        #expect(!asks)
    }
}
