/// Why bytes from a stranger were refused.
///
/// A closed enum without payload beyond small integers, so that refusing a datagram never allocates.
public enum DecodeError: Error, Equatable, Sendable {
    /// The bytes end before the value does.
    case truncated
    /// Bytes are left over after the value: two encodings would mean one value.
    case trailingBytes(Int)
    /// A length or number is not in its one shortest form, or a set is not strictly ascending.
    case nonCanonical
    /// A length is above the field's named maximum.
    case tooLong
    /// An enum tag, version, flag or number that the format does not know.
    case unknown
}
