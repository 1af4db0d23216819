import Foundation
import Simulation
import Testing

@Suite struct PlanTests {
    @Test func `a plan survives its encoding`() throws {
        var plan = Plan()
        plan.faults = [Fault(.crash, at: 10, until: 20, hosts: [1])]
        plan.byzantine = [Byzantine(host: 0, .twins)]
        let bytes = try JSONEncoder().encode(plan)
        #expect(try JSONDecoder().decode(Plan.self, from: bytes) == plan)
    }
}
