import Foundation
import Rules
@testable import Simulation
import Testing

/// Rules can be switched off in builds made for that, and in no other.
@Suite struct RuleTests {
    @Test func `no rule can be removed from a build without the condition`() {
        #expect(!canRemoveRules)
        for rule in Rule.allCases {
            #expect(!remove(rule))
            #expect(!isRemoved(rule))
        }
    }

    @Test func `each rule has a hunt of its own, and says what happens in it`() throws {
        #expect(Hunt.all.map(\.rule) == Rule.allCases)
        for hunt in Hunt.all {
            #expect(!hunt.circumstance.isEmpty && (1...200).contains(hunt.seedsMax))
            try hunt.plan(seed: 1).check(hunt.rule.rawValue)
        }
    }

    @Test(arguments: Hunt.all.map(\.rule))
    func `with the rule in force its hunt finds nothing`(_ rule: Rule) throws {
        let hunt = try #require(Hunt.all.first { $0.rule == rule })
        #expect(World(plan: hunt.plan(seed: 1)).run().violations.map(\.what) == [])
    }

    /// `tools/rules` compares the same list with the design.
    @Test func `whatever stands for a mark of the design is a rule or a sentence`() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Design.rules")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }
        #expect(!lines.isEmpty)
        for line in lines {
            let parts = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            #expect(parts.count == 3, "\(line)")
            let answer = parts.last ?? ""
            #expect(answer.contains(" ") || Rule(rawValue: answer) != nil, "\(line)")
        }
    }
}
