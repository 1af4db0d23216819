public import Bytes
public import Chance
public import Geo
public import Identity
public import Wire

/// A wire value that can be made up from chance: well-formed, and every branch of its format likely.
public protocol Sample: Canonical, Equatable, SendableMetatype {
    static func any(from chance: inout Chance) -> Self
}

extension Chance {
    /// An integer of any width; half the time one that sits at an edge.
    public mutating func word<Word: FixedWidthInteger & UnsignedInteger>(_: Word.Type = Word.self) -> Word {
        switch below(6) {
        case 0: 0
        case 1: Word.max
        case 2: Word(truncatingIfNeeded: below(300))
        default: Word(truncatingIfNeeded: bits())
        }
    }

    public mutating func signed<Word: FixedWidthInteger & SignedInteger>(_: Word.Type = Word.self) -> Word {
        switch below(6) {
        case 0: Word.min
        case 1: Word.max
        default: Word(truncatingIfNeeded: bits())
        }
    }

    public mutating func bool() -> Bool { happens(1, in: 2) }

    /// Nil one time in three.
    public mutating func maybe<Value: Sample>(_: Value.Type = Value.self) -> Value? {
        happens(1, in: 3) ? nil : Value.any(from: &self)
    }

    /// Up to `max` values, empty now and then.
    public mutating func list<Value: Sample>(_: Value.Type = Value.self, max: Int) -> [Value] {
        (0..<below(max + 1)).map { _ in Value.any(from: &self) }
    }

    public mutating func one<Value>(of values: [Value]) -> Value { values[below(values.count)] }

    /// Values whose keys differ, ascending by key.
    public mutating func ascending<Value: Sample, Key: Hashable & Comparable>(
        _: Value.Type = Value.self, max: Int, by key: (Value) -> Key
    ) -> [Value] {
        var seen: Set<Key> = []
        return list(Value.self, max: max).filter { seen.insert(key($0)).inserted }
            .sorted { key($0) < key($1) }
    }
}

extension UInt32: Sample {
    public static func any(from chance: inout Chance) -> UInt32 { chance.word() }
}

extension Int32: Sample {
    public static func any(from chance: inout Chance) -> Int32 { chance.signed() }
}

extension NodeID: Sample {
    public static func any(from chance: inout Chance) -> NodeID {
        NodeID(octets: chance.octets(32).octetBytes)
    }
}

extension Digest: Sample {
    public static func any(from chance: inout Chance) -> Digest {
        Digest(octets: chance.octets(32).octetBytes)
    }
}

extension VRFPublicKey: Sample {
    public static func any(from chance: inout Chance) -> VRFPublicKey {
        VRFPublicKey(octets: chance.octets(32).octetBytes)
    }
}

extension VRFProof: Sample {
    public static func any(from chance: inout Chance) -> VRFProof {
        VRFProof(octets: chance.octets(80).octetBytes)
    }
}

extension Signature: Sample {
    public static func any(from chance: inout Chance) -> Signature {
        Signature(octets: chance.octets(64).octetBytes)
    }
}

extension SigningKey {
    public static func any(from chance: inout Chance) -> SigningKey {
        SigningKey(seed: chance.octets(32).octetBytes)
    }
}

extension Position: Sample {
    public static func any(from chance: inout Chance) -> Position {
        let latitude = chance.below(2 * Int(latitudeMax) + 1) - Int(latitudeMax)
        let longitude = chance.below(2 * Int(longitudeMax) + 1) - Int(longitudeMax)
        return Position(latitude: Int32(latitude), longitude: Int32(longitude))!
    }
}

extension Cell: Sample {
    public static func any(from chance: inout Chance) -> Cell {
        any(from: &chance, resolution: chance.below(resolutionMax + 1))
    }

    /// Put together from base cell and digits as H3 lays them out, so that no floating point is in it.
    public static func any(from chance: inout Chance, resolution: Int) -> Cell {
        while true {
            var raw = UInt64(1) << 59 | UInt64(resolution) << 52 | UInt64(chance.below(122)) << 45
            for place in 1...15 {
                let digit = place <= resolution ? UInt64(chance.below(7)) : 7
                raw |= digit << UInt64(3 * (15 - place))
            }
            // Only some children of pentagons do not exist.
            if let cell = Cell(raw) { return cell }
        }
    }
}

extension Location: Sample {
    public static func any(from chance: inout Chance) -> Location {
        Location(position: .any(from: &chance), cell: .any(from: &chance, resolution: resolution))
    }
}
