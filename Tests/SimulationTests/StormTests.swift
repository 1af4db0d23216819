import Bytes
import Chance
import Identity
@testable import Simulation
import TestKit
import Testing
import Wire

/// Two that answer each other without end.
@Suite struct StormTests {
    @Test func `usurpers answer each other's proposals no faster than they tick`() throws {
        var stage = Stage(.usurper, seed: 1)
        for nullified in 0..<16 {
            let other = stage.proposal(by: 1, justification: nullified)
            _ = stage.hear(.proposal(other), from: 1)
        }
        // Each to three, and at its next tick as many as ever.
        #expect(try stage.heard().count == 8 * Usurper.proposalsPerTick * (Stage.hosts - 1))
        stage.outbox = []
        stage.tick()
        #expect(try stage.heard().count == Usurper.proposalsPerTick * (Stage.hosts - 1))
    }

    @Test func `more events than any host can have made are a violation`() {
        var plan = Plan()
        plan.epochs = 1
        let world = World(plan: plan)
        world.underWayMax = 1
        #expect(world.run().violations.map(\.checker).contains("storm"))
    }
}
