import Bytes
import Identity
import Node
import Reconciliation
import Testing
import Wire

@testable import Simulation

/// Those who lie with pieces and cells: each says what it is there to say.
@Suite struct ExchangeTests {
    @Test func `a forger of chunks cuts a bundle of its own under the name of another's`() throws {
        var stage = Stage(.chunkForger)
        let others = stage.bundle(by: 2)
        let passes = stage.hear(.bundle(others), from: 2)
        #expect(passes)
        var pieces: [Int: [Chunk]] = [:]
        for said in try stage.datagrams() {
            for case .chunk(let chunk) in said.datagram.frames { pieces[said.to, default: []].append(chunk) }
        }
        #expect(pieces.keys.sorted() == [1, 3, 4])
        for chunks in pieces.values {
            #expect(chunks.allSatisfy { $0.message == Message.bundle(others).id })
            #expect(chunks.map(\.index) == Array(0..<UInt16(chunks.count)))
            guard case .bundle(let own) = try Message(decoding: chunks.flatMap(\.octets)) else {
                Issue.record("no bundle")
                continue
            }
            #expect(own.author == stage.ids[0] && isSigned(own))
        }
        stage.outbox = []
        stage.say(.bundle(others), to: 1)
        #expect(try stage.heard().isEmpty)
    }

    @Test func `a forger of sketches answers with cells that are refused after one peel`() throws {
        var stage = Stage(.sketchForger)
        let roots = [
            SetRoot(kind: .transactions, count: 3, root: 7), SetRoot(kind: .evidence(1), count: 0, root: 0),
        ]
        let passes = stage.hear([.reconciliation(.roots(round: 40, roots))], from: 3)
        #expect(!passes)
        let said = try #require(try stage.datagrams().first)
        guard said.to == 3, case .reconciliation(.cells(let cells)) = said.datagram.frames[0] else {
            Issue.record("no cells")
            return
        }
        #expect(cells.round == 41 && stage.outbox.count == 1)
        let keys = try #require(
            SketchKeys(of: stage.keys[3], with: stage.ids[0], network: Stage.network))
        var decoder = Decoder(own: Sketch().cells, keys: keys)
        #expect(throws: Decoder.Fault.itemRepeated) { try decoder.receive(first: 0, cells.cells) }
        #expect(decoder.peelCount == 1)
    }

    @Test func `a ground bundle is in one cell of many under known keys, in more under secret ones`() throws {
        var stage = Stage(.itemGrinder)
        stage.say(.bundle(stage.bundle(by: 0)), to: 1)
        stage.say(.bundle(stage.bundle(by: 0)), to: 2)
        let bundles = try stage.heard().compactMap { said in
            if case .bundle(let bundle) = said.message { bundle } else { nil }
        }
        #expect(bundles.count == 2 && Set(bundles.map(\.id)).count == 1 && bundles.allSatisfy(isSigned))
        let secret = try #require(
            SketchKeys(of: stage.keys[1], with: stage.ids[2], network: Stage.network))
        #expect(SketchKeys.known(in: Stage.network).symbol(bundles[0].id).isAlone(below: 160))
        #expect(!secret.symbol(bundles[0].id).isAlone(below: 160))
    }
}
