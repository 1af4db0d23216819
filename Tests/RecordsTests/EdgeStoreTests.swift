import Bytes
import Chance
import Identity
import Records
import TestKit
import Testing
import Wire
import WireSamples

/// What an edge node keeps: no blocks, one bundle, and where it followed to.
@Suite struct EdgeStoreTests {
    private let key: NodeID
    private let bundles: [Bundle]

    init() {
        var chance = Chance(seed: 8)
        key = .any(from: &chance)
        bundles = (0..<3).map { _ in Bundle.any(from: &chance) }
    }

    @Test func `a start finds what was written last, and nothing has piled up`() throws {
        let scratch = try Scratch()
        do {
            let store = try scratch.store()
            #expect(try store.followedEpoch() == 0)
            for (place, bundle) in bundles.enumerated() {
                try store.write([
                    .outbox(bundle), .following([UInt8(place)], Epoch(place + 4)), .coverage([9]),
                ])
            }
        }
        let store = try scratch.store()
        let life = try store.life()
        #expect(life.following == [2] && life.coverage == [9] && life.ownBundle == bundles[2])
        #expect(life.bundles.isEmpty && life.recent.isEmpty)
        #expect(try store.followedEpoch() == 6 && store.lastEpoch() == 0)
    }

    @Test func `the mark of a new key lasts until there is something to remember`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        func right(at machine: String = "here") throws -> VotingRight {
            try store.votingRight(of: key, machine: machine)
        }
        try store.markVirgin(for: key)
        #expect(try right() == .granted)
        try store.write([.outbox(bundles[0])])
        #expect(try right() == .granted)
        try store.write([.following([1], 1)])
        #expect(try right() == .granted)
        #expect(try right(at: "elsewhere") == .copied(recorded: "here"))
        // Without what it followed to, it does not know what it signed.
        try store.delete(Array("following".utf8), in: "node")
        #expect(try right() == .unknownHistory)
    }

    @Test func `bundles kept for others are there until their epoch is over`() throws {
        let scratch = try Scratch()
        do {
            let store = try scratch.store()
            try store.write([.outbox(bundles[0]), .bundle(bundles[1], isOwn: false)])
            try store.write([.bundle(bundles[2], isOwn: false)])
        }
        let store = try scratch.store()
        #expect(try Set(store.life().bundles) == [bundles[1], bundles[2]])
        try store.write([.droppedOpen])
        let life = try store.life()
        #expect(life.bundles.isEmpty && life.ownBundle == bundles[0])
        #expect(try store.bundle(bundles[1].id) == nil)
    }
}
