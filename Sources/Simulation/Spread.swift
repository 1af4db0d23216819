internal import Bytes
internal import Identity
internal import Wire

/// How evidence travels: how often each copy of a bundle is sent, and over how many hosts.
struct Spread {
    private struct Holder: Hashable {
        let message: UInt64
        let host: Int
    }

    /// In small worlds: decoding every datagram once more and remembering every copy is not for large ones.
    var isOn = true
    private var hops: [Holder: Int] = [:]
    private var copies: UInt64 = 0
    private var firsts: UInt64 = 0
    private var hopsTotal: UInt64 = 0
    private var hopsMax = 0

    private static let holdersMax = 1 << 20

    /// What one datagram brings.
    mutating func deliver(_ frames: [Frame], from sender: Int, to receiver: Int) {
        for case .message(let octets) in frames where octets.first == 0 {
            let message = Digest(of: octets).prefix
            copies += 1
            if hops.count > Self.holdersMax { hops.removeAll(keepingCapacity: true) }
            let distance = (hops[Holder(message: message, host: sender)] ?? 0) + 1
            let holder = Holder(message: message, host: receiver)
            guard hops[holder] == nil else { continue }
            hops[holder] = distance
            firsts += 1
            hopsTotal += UInt64(distance)
            hopsMax = max(hopsMax, distance)
        }
    }

    var summary: SpreadSummary {
        SpreadSummary(
            copiesPermille: firsts == 0 ? 0 : Int(copies * 1_000 / firsts),
            hopsPermille: firsts == 0 ? 0 : Int(hopsTotal * 1_000 / firsts), hopsMax: hopsMax)
    }
}
