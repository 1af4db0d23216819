/// A 64-bit digest that JSON carries as hexadecimal text: most readers of JSON keep 53 bits of a number.
@propertyWrapper
public struct Hexadecimal: Codable, Equatable, Sendable {
    public var wrappedValue: UInt64

    public init(wrappedValue: UInt64) { self.wrappedValue = wrappedValue }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = UInt64(text, radix: 16) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no hexadecimal number")
        }
        wrappedValue = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(wrappedValue, radix: 16))
    }
}
