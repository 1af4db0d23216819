import Chance
@testable import Session
import TestKit
import Testing

/// The window, slow and obvious.
private struct PlainWindow {
    var seen: Set<UInt64> = []
    var highest: UInt64?

    func admits(_ counter: UInt64) -> Bool {
        guard let highest, counter <= highest else { return true }
        return highest - counter < 2_048 && !seen.contains(counter)
    }

    mutating func note(_ counter: UInt64) {
        seen.insert(counter)
        highest = max(highest ?? 0, counter)
    }
}

@Suite struct ReplayWindowTests {
    @Test(arguments: Seed.all)
    func `the window admits what a set of all counters admits`(seed: Seed) {
        var chance = seed.chance()
        var window = ReplayWindow()
        var model = PlainWindow()
        let base: UInt64 = chance.happens(1, in: 2) ? 0 : 1 << 40
        for _ in 0..<6_000 {
            let highest = model.highest ?? base
            let counter: UInt64
            switch chance.below(8) {
            case 0: counter = highest + UInt64(chance.below(5_000))
            case 1: counter = highest &- min(highest, UInt64(2_040 + chance.below(20)))
            case 2: counter = highest + UInt64(chance.below(130))
            case 3: counter = highest
            default: counter = highest &- min(highest, UInt64(chance.below(2_200)))
            }
            let admits = window.admits(counter)
            #expect(admits == model.admits(counter), "\(seed.testDescription), counter \(counter)")
            guard admits else { continue }
            let isHighest = model.highest.map { counter > $0 } ?? true
            let notedHighest = window.note(counter)
            #expect(notedHighest == isHighest)
            model.note(counter)
            #expect(!window.admits(counter))
        }
    }

    @Test func `the last counter of all is never admitted`() {
        #expect(!ReplayWindow().admits(.max))
    }
}
