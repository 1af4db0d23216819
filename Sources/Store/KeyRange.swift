internal import Bytes
internal import Glibc

/// Which keys of a table to visit. Keys sort by their octets; a key sorts after its own prefixes.
public struct KeyRange: Equatable, Sendable {
    /// The first key in range; empty means from the table's start.
    public let lower: [UInt8]
    /// The first key after the range; nil means to the table's end.
    public let upper: [UInt8]?

    private init(lower: [UInt8], upper: [UInt8]?) {
        self.lower = lower
        self.upper = upper
    }

    public static let all = KeyRange(lower: [], upper: nil)

    /// Every key from `lower` on, `lower` included.
    public static func from(_ lower: [UInt8]) -> KeyRange {
        KeyRange(lower: lower, upper: nil)
    }

    /// Every key from `lower` on, up to but without `upper`.
    public static func from(_ lower: [UInt8], below upper: [UInt8]) -> KeyRange {
        KeyRange(lower: lower, upper: upper)
    }

    /// Every key that sorts before `upper`.
    public static func below(_ upper: [UInt8]) -> KeyRange {
        KeyRange(lower: [], upper: upper)
    }

    /// Every key that begins with `prefix`; the empty prefix begins all.
    public static func prefix(_ prefix: [UInt8]) -> KeyRange {
        // The first key after all that begin so: the last octet that can grow grows, what follows it goes.
        var upper = prefix
        while upper.last == 0xFF { upper.removeLast() }
        guard let last = upper.popLast() else { return KeyRange(lower: prefix, upper: nil) }
        return KeyRange(lower: prefix, upper: upper + [last + 1])
    }

    /// The part of this range that follows `key`: where a page of results that ended with `key` goes on.
    public func after(_ key: [UInt8]) -> KeyRange {
        let next = key + [0]
        return KeyRange(lower: lower.lexicographicallyPrecedes(next) ? next : lower, upper: upper)
    }

    /// Whether `key` sorts before the range.
    func isBelow(_ key: UnsafeRawBufferPointer) -> Bool {
        unsafe KeyRange.precedes(key, lower)
    }

    /// Whether `key` sorts after the range.
    func isAbove(_ key: UnsafeRawBufferPointer) -> Bool {
        guard let upper else { return false }
        return unsafe !KeyRange.precedes(key, upper)
    }

    private static func precedes(_ key: UnsafeRawBufferPointer, _ bound: [UInt8]) -> Bool {
        unsafe bound.withUnsafeBytes { bound in
            guard let left = key.baseAddress, let right = bound.baseAddress else {
                return key.count < bound.count
            }
            let order = unsafe memcmp(left, right, min(key.count, bound.count))
            return order == 0 ? key.count < bound.count : order < 0
        }
    }
}
