import Bytes
import Identity
import Ledger
import Node
import TestKit
import Testing
import Wire

@Suite struct ReplayTests {
    @Test func `the first record of a stored state that differs is named, with what it says`() throws {
        let genesis = World(count: 2, chance: Seed.all[0].chance()).genesis
        let replay = Replay(genesis: genesis)
        let state = Ledger(genesis: genesis).entries.sorted {
            $0.0.encoded().lexicographicallyPrecedes($1.0.encoded())
        }
        try replay.compare(with: state)
        func complaint(_ change: (inout [(StateKey, [UInt8])]) -> Void) -> String {
            var changed = state
            change(&changed)
            do throws(ReplayFault) { try replay.compare(with: changed.reversed()) } catch {
                return "\(error)"
            }
            return ""
        }
        let key = state[2].0
        #expect(complaint { $0[2].1[0] ^= 1 }.hasPrefix("state after block 0: record 2 differs: \(key) is "))
        #expect(complaint { $0.remove(at: 2) }.hasSuffix("record 2 is missing: \(key)"))
        let stranger = StateKey.activity(genesis.validators[0].validator)
        #expect(complaint { $0.append((stranger, [1])) }.hasSuffix("should not be there: \(stranger)"))
        #expect(complaint { $0.removeLast() }.contains("is missing: \(state.last!.0)"))
    }
}
