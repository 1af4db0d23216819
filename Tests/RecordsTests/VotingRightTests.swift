import Bytes
import Chance
import Foundation
import Identity
import Records
import Store
import TestKit
import Testing
import Wire
import WireSamples

/// A key that votes from two memories can contradict itself; these are the ways it might come to that.
@Suite struct VotingRightTests {
    private let key: NodeID
    private let otherKey: NodeID

    init() {
        var chance = Chance(seed: 5)
        key = .any(from: &chance)
        otherKey = .any(from: &chance)
    }

    private func right(
        _ store: NodeStore, at machine: String = "here", of key: NodeID? = nil, soleCopyFrom: Epoch? = nil
    ) throws -> VotingRight {
        try store.votingRight(of: key ?? self.key, machine: machine, soleCopyFrom: soleCopyFrom)
    }

    @Test func `a store made for a new key may vote, and still may after its first vote`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.markVirgin(for: key)
        #expect(try right(store) == .granted)
        #expect(try right(store) == .granted)
        try store.write([.safety([1])])
        #expect(try right(store) == .granted)
    }

    @Test func `a store without mark and votes knows no history`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        #expect(try right(store) == .unknownHistory)
        #expect(try right(store) == .unknownHistory)
    }

    @Test func `the mark is for one key`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.markVirgin(for: otherKey)
        #expect(try right(store) == .unknownHistory)
        #expect(try right(store, of: otherKey) == .granted)
    }

    @Test func `the first vote uses the mark up`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.markVirgin(for: key)
        #expect(try right(store) == .granted)
        try store.write([.safety([1])])
        try store.delete(Array("safety".utf8), in: "node")
        #expect(try right(store) == .unknownHistory)
    }

    @Test func `a node without a seat has said what its bundles say, and starts again as it was`() throws {
        var chance = Chance(seed: 3)
        let scratch = try Scratch()
        let store = try scratch.store()
        #expect(try right(store, soleCopyFrom: 5) == .granted)
        try store.write([.bundle(.any(from: &chance, author: key, epoch: 5), isOwn: true)])
        #expect(try right(store) == .granted)
        #expect(try right(store, at: "there") == .copied(recorded: "here"))
    }

    @Test func `a copy with votes may not vote, however often it asks`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.markVirgin(for: key)
        #expect(try right(store) == .granted)
        try store.write([.safety([1])])
        #expect(try right(store, at: "there") == .copied(recorded: "here"))
        #expect(try right(store, at: "there") == .copied(recorded: "here"))
        #expect(try right(store) == .granted)
    }

    @Test func `a copy may not vote even if neither has voted yet`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.markVirgin(for: key)
        #expect(try right(store) == .granted)
        #expect(try right(store, at: "there") == .copied(recorded: "here"))
    }

    @Test func `another key's votes are no history of this one`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.markVirgin(for: otherKey)
        #expect(try right(store, of: otherKey) == .granted)
        try store.write([.safety([1])])
        #expect(try right(store) == .unknownHistory)
        #expect(try right(store, of: otherKey) == .granted)
    }

    @Test func `votes written without the right do not grant it`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        #expect(try right(store) == .unknownHistory)
        try store.write([.safety([1])])
        #expect(try right(store) == .unknownHistory)
    }

    @Test func `the operator's word moves a store to its new place`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.markVirgin(for: key)
        #expect(try right(store) == .granted)
        try store.write([.safety([1])])
        #expect(try right(store, at: "there", soleCopyFrom: 907) == .granted)
        #expect(try store.votesFrom() == 907)
        // Started again without the word, it is bound by it: the old votes are those of an original that went on.
        #expect(try right(store, at: "there") == .granted)
        #expect(try store.votesFrom() == 907)
        #expect(try right(store) == .copied(recorded: "there"))
    }

    @Test func `the operator's word counts for a store without history, until its first vote is one`() throws
    {
        let scratch = try Scratch()
        let store = try scratch.store()
        #expect(try right(store, soleCopyFrom: 7) == .granted)
        #expect(try right(store) == .unknownHistory)
        #expect(try right(store, soleCopyFrom: 7) == .granted)
        try store.write([.safety([1])])
        #expect(try right(store) == .granted)
    }

    /// A copy is put back into the same file, as `cp` does, after so many commits.
    private func putBack(in scratch: borrowing Scratch, after commits: Int) throws {
        let data = URL(fileURLWithPath: scratch.path + "/store/data.mdb")
        do {
            let store = try scratch.store()
            try store.markVirgin(for: key)
            #expect(try right(store) == .granted)
            try store.write([.safety([1])])
        }
        let copy = try Data(contentsOf: data)
        do {
            let store = try scratch.store()
            for _ in 0..<commits { try store.write([.safety([2])]) }
        }
        let handle = try FileHandle(forWritingTo: data)
        try handle.write(contentsOf: copy)
        try handle.close()
    }

    @Test func `who was put back to an earlier copy has forgotten votes, whatever it commits then`() throws {
        let scratch = try Scratch()
        try putBack(in: scratch, after: 1)
        do {
            let store = try scratch.store()
            #expect(try right(store) == .forgot)
            for _ in 0..<10 { try store.write([.coverage([1])]) }
        }
        let store = try scratch.store()
        #expect(!store.store.isRestored)
        #expect(try right(store) == .forgot)
        #expect(try right(store, of: otherKey) == .unknownHistory, "it is this key's matter")
    }

    @Test func `the operator's word is for all starts after a store was put back, too`() throws {
        let scratch = try Scratch()
        try putBack(in: scratch, after: 20)
        #expect(try right(scratch.store()) == .forgot)
        #expect(try right(scratch.store(), soleCopyFrom: 9) == .granted)
        let store = try scratch.store()
        #expect(try right(store) == .granted)
        #expect(try store.votesFrom() == 9)
    }

    @Test func `a key that was seen to sign elsewhere may not vote, until the operator says so`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.markVirgin(for: key)
        #expect(try right(store) == .granted)
        try store.write([.safety([1]), .forgot])
        #expect(try right(store) == .forgot)
        #expect(try right(store, soleCopyFrom: 9) == .granted)
    }

    @Test func `a place is the same by any of its names`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.markVirgin(for: key)
        #expect(try right(store, at: "before") == .granted)
        try store.write([.safety([1])])
        #expect(try store.votingRight(of: key, machine: "now", former: ["earlier", "before"]) == .granted)
        #expect(try right(store, at: "before") == .copied(recorded: "now"))
        #expect(
            try store.votingRight(of: key, machine: "there", former: ["then"]) == .copied(recorded: "now"))
    }

    @Test func `the right outlives the process`() throws {
        let scratch = try Scratch()
        do {
            let store = try scratch.store()
            try store.markVirgin(for: key)
            #expect(try right(store) == .granted)
            try store.write([.safety([1])])
        }
        let store = try scratch.store()
        #expect(try right(store) == .granted)
        #expect(try right(store, at: "there") == .copied(recorded: "here"))
    }
}
