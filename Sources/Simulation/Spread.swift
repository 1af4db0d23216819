internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// How evidence travels: how often each copy of a bundle is sent, over how many hosts, and how long that takes.
struct Spread {
    private struct Holder: Hashable {
        let message: UInt64
        let host: Int
    }

    /// In small worlds: decoding every datagram once more and remembering every copy is not for large ones.
    var isOn = true
    private var hops: [Holder: Int] = [:]
    /// When a message came to the first host that did not make it.
    private var began: [UInt64: Instant] = [:]
    /// How much later it came to each of the others, in milliseconds.
    private var delays: [Int32] = []
    private var copies: UInt64 = 0
    private var firsts: UInt64 = 0
    private var hopsTotal: UInt64 = 0
    private var hopsMax = 0

    private static let holdersMax = 1 << 20

    /// What one datagram brings.
    mutating func deliver(_ frames: [Frame], from sender: Int, to receiver: Int, at now: Instant) {
        for case .message(let octets) in frames where octets.first == 0 {
            let message = Digest(of: octets).prefix
            copies += 1
            if hops.count > Self.holdersMax {
                hops.removeAll(keepingCapacity: true)
                began.removeAll(keepingCapacity: true)
            }
            let distance = (hops[Holder(message: message, host: sender)] ?? 0) + 1
            let holder = Holder(message: message, host: receiver)
            guard hops[holder] == nil else { continue }
            hops[holder] = distance
            firsts += 1
            hopsTotal += UInt64(distance)
            hopsMax = max(hopsMax, distance)
            if let began = began[message] {
                let delay = (now - began).milliseconds
                if delays.count < Self.holdersMax { delays.append(Int32(clamping: delay)) }
            } else {
                began[message] = now
            }
        }
    }

    var summary: SpreadSummary {
        let sorted = delays.sorted()
        func delay(ofPercent percent: Int) -> Int {
            sorted.isEmpty ? 0 : Int(sorted[min(sorted.count - 1, sorted.count * percent / 100)])
        }
        return SpreadSummary(
            copiesPermille: firsts == 0 ? 0 : Int(copies * 1_000 / firsts),
            hopsPermille: firsts == 0 ? 0 : Int(hopsTotal * 1_000 / firsts), hopsMax: hopsMax,
            medianMilliseconds: delay(ofPercent: 50), lateMilliseconds: delay(ofPercent: 99))
    }
}
