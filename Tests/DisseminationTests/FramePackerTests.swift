import Bytes
import Chance
@testable import Dissemination
import Identity
import TestKit
import Testing
import Wire

@Suite struct FramePackerTests {
    @Test(arguments: Seed.all)
    func `what is packed is unpacked in its order, in full payloads`(seed: Seed) throws {
        var chance = seed.chance()
        var packer = FramePacker()
        var frames: [Frame] = []
        for number in 0..<100 {
            frames.append(
                chance.happens(1, in: 2)
                    ? .ping(nonce: chance.bits())
                    : .message(Web.message(2, number, byteCount: 1 + chance.below(1_100))))
            packer.add(frames.last!)
        }
        let payloads = packer.payloads()
        let decoded = try payloads.map { try Payload(decoding: $0.octetBytes) }
        #expect(decoded.flatMap(\.frames) == frames)
        // Two neighbours would never have fitted one.
        for (left, right) in zip(payloads, decoded.dropFirst()) {
            #expect(left.count + right.frames[0].encoded().count > Payload.byteCountMax)
        }
        #expect(packer.payloads().isEmpty)
    }

    @Test func `no more frames than a payload may hold`() throws {
        var packer = FramePacker()
        for nonce in 0..<UInt64(100) { packer.add(.ping(nonce: nonce)) }
        let counts = try packer.payloads().map { try Payload(decoding: $0.octetBytes).frames.count }
        #expect(counts == [32, 32, 32, 4])
    }
}
