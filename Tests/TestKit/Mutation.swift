public import Chance

extension [UInt8] {
    /// Makes one small change with intent; the last kind stretches a ULEB128 without changing its value.
    public mutating func mutate(with chance: inout Chance) {
        guard !isEmpty else { return append(UInt8(chance.below(256))) }
        // Half of all changes fall on the first octets, where the lengths are.
        let place = chance.below(chance.happens(1, in: 2) ? Swift.min(count, 16) : count)
        switch chance.below(6) {
        case 0: self[place] ^= 1 << UInt8(chance.below(8))
        case 1: remove(at: place)
        case 2: insert(UInt8(chance.below(256)), at: place)
        case 3: swapAt(place, chance.below(count))
        case 4: removeLast(Swift.min(count, 1 + chance.below(8)))
        default:
            self[place] |= 0x80
            insert(0, at: place + 1)
        }
    }
}
