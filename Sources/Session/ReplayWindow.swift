/// Which counters were received: each once, and none that lies `width` or more behind the highest
/// (the ring of RFC 6479: moving the window clears whole words and shifts nothing).
struct ReplayWindow: Equatable {
    /// More than what a network reorders, less than a kilobyte.
    static let width: UInt64 = 2_048
    /// One word more than the width needs, because the highest word is only partly used.
    private static let wordCount: UInt64 = width / 64 + 1

    private var words = [UInt64](repeating: 0, count: Int(wordCount))
    /// One above the highest counter received; 0 before the first.
    private(set) var end: UInt64 = 0

    /// Whether a datagram of this counter may still be new. Decides nothing before authentication.
    func admits(_ counter: UInt64) -> Bool {
        guard counter < end else { return counter < .max }
        guard end - counter <= Self.width else { return false }
        return words[Self.place(counter)] & Self.bit(counter) == 0
    }

    /// Notes an authenticated datagram's counter, which must be admitted. True if it is the highest so far.
    mutating func note(_ counter: UInt64) -> Bool {
        precondition(admits(counter))
        let isHighest = counter >= end
        if isHighest {
            let last = end == 0 ? 0 : (end - 1) / 64
            let steps = min(counter / 64 - last, Self.wordCount)
            if steps > 0 {
                for step in 1...steps { words[Int((last + step) % Self.wordCount)] = 0 }
            }
            end = counter + 1
        }
        words[Self.place(counter)] |= Self.bit(counter)
        return isHighest
    }

    private static func place(_ counter: UInt64) -> Int { Int(counter / 64 % wordCount) }
    private static func bit(_ counter: UInt64) -> UInt64 { 1 << (counter % 64) }
}
