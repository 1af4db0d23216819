import Chance
import Identity
import Membership
import MembershipWorld
import Testing
import Wire

/// What a node tells of whom it knows.
@Suite struct AccountTests {
    private func account(of other: Int, at index: Int, in world: World) -> ContactAccount? {
        world.hosts[index].machine.accounts.first { $0.node == World.id(other) }
    }

    @Test func `of peers there are both ends' views of one link`() throws {
        let world = World(chance: Chance(seed: 5))
        world.populate(5)
        world.run(for: .seconds(60))
        #expect(world.isFullMesh)
        for index in world.hosts.indices {
            let accounts = world.hosts[index].machine.accounts
            #expect(accounts.map(\.node) == accounts.map(\.node).sorted() && accounts.count == 4)
            for other in world.hosts.indices where other != index {
                let account = try #require(self.account(of: other, at: index, in: world))
                let link = try #require(account.link)
                let otherEnd = try #require(self.account(of: index, at: other, in: world)?.link)
                #expect(link.isOutbound || otherEnd.isOutbound)
                #expect(account.record == world.hosts[other].record && account.endpoint == world.place(other))
                #expect(account.isProven && account.attempts == 0 && account.isListed == (other == 0))
                #expect(.origin <= link.since && link.since <= link.heardAt && link.heardAt <= world.now)
                // Whoever asked has measured: a millisecond each way at least, ten at most.
                if let roundTrip = link.roundTrip {
                    #expect(roundTrip >= .milliseconds(2) && roundTrip <= .milliseconds(20))
                }
            }
        }
        let measured = world.hosts.flatMap { $0.machine.accounts.compactMap { $0.link?.roundTrip } }
        #expect(measured.count >= 4)
        #expect(world.hosts.allSatisfy { $0.machine.localHealth == 1 })
    }

    @Test func `a silent peer is asked, asked by others, suspected, and then none`() throws {
        let world = World(chance: Chance(seed: 6))
        world.populate(5)
        world.run(for: .seconds(60))
        world.hosts[1].isUp = false
        var seen: [ContactAccount.Liveness] = []
        while let liveness = account(of: 1, at: 0, in: world)?.link?.liveness,
            world.now < .origin + .seconds(120)
        {
            if seen.last != liveness { seen.append(liveness) }
            world.run(for: .milliseconds(10))
        }
        #expect(seen == [.alive, .asked, .askedByOthers, .suspected])
        let gone = try #require(account(of: 1, at: 0, in: world))
        #expect(gone.link == nil && gone.isProven && gone.endpoint == world.place(1))
        world.run(for: .seconds(10))
        #expect(try #require(account(of: 1, at: 0, in: world)).attempts > 0)
    }

    @Test func `an entry of the bootstrap list has a place before it has a card`() throws {
        let machine = Membership(
            record: World.record(0), bootstrap: [(World.id(7), World.endpoint(7))], remembered: [],
            chance: Chance(seed: 1), now: .origin)
        let account = try #require(machine.accounts.first)
        #expect(account.isListed && account.record == nil && account.link == nil && !account.isProven)
        #expect(account.endpoint == World.endpoint(7))
    }
}
