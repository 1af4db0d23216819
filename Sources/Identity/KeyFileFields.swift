internal import Bytes

/// The fields of a key file's text, not yet interpreted; octets, so that what is secret can be wiped.
struct KeyFileFields {
    private static let names: Set<String> = [
        "version", "kind", "network", "seed", "sealed", "salt", "opslimit", "memlimit",
    ]

    private enum Value {
        case text([UInt8])
        case number(UInt64)
    }

    // Looked up by name, never iterated where the order could show.
    private var values: [String: Value] = [:]

    /// The caller has bounded the text.
    init(parsing file: [UInt8]) throws(KeyFileError) {
        // Some editors put a mark of the encoding before a text, which nobody sees.
        let text = file.dropFirst(file.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0)
        guard text.allSatisfy({ $0 < 0x80 && ($0 >= 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D) }) else {
            throw .notText
        }
        var line = 0
        for content in text.split(separator: 0x0A, omittingEmptySubsequences: false) {
            line += 1
            var rest = Self.trimmed(content)
            if rest.isEmpty || rest.first == UInt8(ascii: "#") { continue }
            guard let equals = rest.firstIndex(of: UInt8(ascii: "=")) else { throw .syntax(line: line) }
            let name = String(decoding: Self.trimmed(rest[..<equals]), as: UTF8.self)
            rest = Self.trimmed(rest[(equals + 1)...])
            guard let value = Self.value(rest) else { throw .syntax(line: line) }
            guard Self.names.contains(name) else { throw .unknownField(line: line) }
            guard values.updateValue(value, forKey: name) == nil else { throw .repeatedField(line: line) }
        }
    }

    func has(_ name: String) -> Bool { values[name] != nil }

    func text(_ name: String) throws(KeyFileError) -> [UInt8] {
        switch values[name] {
        case .text(let text): return text
        case .number: throw .badValue(field: name)
        case nil: throw .missing(field: name)
        }
    }

    func number(_ name: String) throws(KeyFileError) -> UInt64 {
        switch values[name] {
        case .number(let number): return number
        case .text: throw .badValue(field: name)
        case nil: throw .missing(field: name)
        }
    }

    /// Hexadecimal octets, exactly so many.
    func octets(_ name: String, count: Int) throws(KeyFileError) -> [UInt8] {
        let text = String(decoding: try text(name), as: UTF8.self)
        guard let octets = [UInt8](hex: text), octets.count == count else { throw .badValue(field: name) }
        return octets
    }

    mutating func wipe() {
        guard case .text(var seed) = values.removeValue(forKey: "seed") else { return }
        seed.wipe()
    }

    /// `"text"` without escapes, or a decimal number, each with an optional comment behind it.
    private static func value(_ rest: ArraySlice<UInt8>) -> Value? {
        let value: Value
        let behind: ArraySlice<UInt8>
        if rest.first == UInt8(ascii: "\"") {
            let inner = rest.dropFirst()
            guard let end = inner.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
            let text = inner[..<end]
            guard !text.contains(UInt8(ascii: "\\")) else { return nil }
            value = .text(Array(text))
            behind = trimmed(inner[(end + 1)...])
        } else {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            // TOML knows no leading zeros.
            guard digits.first != UInt8(ascii: "0") || digits.count == 1 else { return nil }
            guard let number = UInt64(String(decoding: digits, as: UTF8.self)) else { return nil }
            value = .number(number)
            behind = trimmed(rest.dropFirst(digits.count))
        }
        return behind.isEmpty || behind.first == UInt8(ascii: "#") ? value : nil
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var text = text
        while let first = text.first, isBlank(first) { text = text.dropFirst() }
        while let last = text.last, isBlank(last) { text = text.dropLast() }
        return text
    }

    private static func isBlank(_ character: UInt8) -> Bool {
        character == 0x20 || character == 0x09 || character == 0x0D
    }
}
