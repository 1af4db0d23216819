internal import Bytes
internal import Foundation
internal import Geo
internal import Identity
internal import TOMLKit
internal import Wire

/// The text of a file that a person wrote.
func readText(_ file: String) throws(RuntimeError) -> String {
    guard let octets = FileManager.default.contents(atPath: file) else {
        throw RuntimeError("cannot read \(file): is it there, is it a file, and may this user read it?")
    }
    guard let text = String(bytes: octets, encoding: .utf8) else {
        throw RuntimeError("\(file) is no text: it is not UTF-8")
    }
    return text
}

/// Reads one table of a TOML file, naming the file and the place in every error, and refusing keys that nobody
/// reads: a misspelt setting must not be a silent default.
struct TableReader {
    let file: String
    let place: String
    private let table: TOMLTable
    private var read: Set<String> = []

    init(_ table: TOMLTable, file: String, place: String = "") {
        self.table = table
        self.file = file
        self.place = place
    }

    /// Reads and parses a whole file.
    init(file: String) throws(RuntimeError) {
        let text = try readText(file)
        // A network's genesis comes from others.
        if let line = KeyParts.lineOfTooMany(in: text) {
            throw RuntimeError("\(file), line \(line): a key has more than \(KeyParts.countMax) parts")
        }
        do {
            self.init(try TOMLTable(string: text), file: file)
        } catch {
            throw RuntimeError("\(file) is not TOML: \(error)")
        }
    }

    func fault(_ key: String, _ what: String) -> RuntimeError {
        RuntimeError("\(file): \(place.isEmpty ? "" : place + ".")\(key) \(what)")
    }

    mutating func string(_ key: String) throws(RuntimeError) -> String? {
        read.insert(key)
        guard let value = table[key] else { return nil }
        guard let string = value.string else { throw fault(key, "must be a string") }
        return string
    }

    /// One of the words that an enumeration knows.
    mutating func word<Value: RawRepresentable & CaseIterable>(
        _ key: String, as _: Value.Type = Value.self
    ) throws(RuntimeError) -> Value? where Value.RawValue == String {
        guard let text = try string(key) else { return nil }
        guard let value = Value(rawValue: text) else {
            let words = Value.allCases.map(\.rawValue)
            throw fault(
                key,
                "is \(text); there are \(words.dropLast().joined(separator: ", ")) and \(words.last ?? "")")
        }
        return value
    }

    mutating func needString(_ key: String) throws(RuntimeError) -> String {
        guard let string = try string(key) else { throw fault(key, "is missing") }
        return string
    }

    mutating func strings(_ key: String) throws(RuntimeError) -> [String]? {
        read.insert(key)
        guard let value = table[key] else { return nil }
        guard let array = value.array else { throw fault(key, "must be a list of strings") }
        var strings: [String] = []
        for element in array {
            guard let string = element.string else { throw fault(key, "must be a list of strings") }
            strings.append(string)
        }
        return strings
    }

    mutating func integer<Value: FixedWidthInteger>(
        _ key: String, as _: Value.Type = Value.self
    ) throws(RuntimeError) -> Value? {
        read.insert(key)
        guard let value = table[key] else { return nil }
        guard let integer = value.int else {
            throw fault(key, "must be a whole number" + (value.string == nil ? "" : ", without quotes"))
        }
        guard let exact = Value(exactly: integer) else {
            throw fault(
                key,
                "must be a whole number from \(Value.min) to \(min(UInt64(Value.max), UInt64(Int64.max)))")
        }
        return exact
    }

    mutating func bool(_ key: String) throws(RuntimeError) -> Bool? {
        read.insert(key)
        guard let value = table[key] else { return nil }
        guard let bool = value.bool else {
            throw fault(key, "must be true or false" + (value.string == nil ? "" : ", without quotes"))
        }
        return bool
    }

    /// Degrees, to 1e-7.
    mutating func degrees(_ key: String) throws(RuntimeError) -> Int32? {
        read.insert(key)
        guard let value = table[key] else { return nil }
        guard let degrees = value.double ?? value.int.map(Double.init), abs(degrees) <= 180 else {
            throw fault(
                key, "must be a number of degrees" + (value.string == nil ? "" : ", without quotes"))
        }
        return Int32((degrees * 1e7).rounded())
    }

    mutating func table(_ key: String) throws(RuntimeError) -> TableReader? {
        read.insert(key)
        guard let value = table[key] else { return nil }
        guard let inner = value.table else { throw fault(key, "must be a table") }
        return TableReader(inner, file: file, place: place.isEmpty ? key : "\(place).\(key)")
    }

    mutating func tables(_ key: String) throws(RuntimeError) -> [TableReader] {
        read.insert(key)
        guard let value = table[key] else { return [] }
        guard let array = value.array else { throw fault(key, "must be [[\(key)]] tables") }
        var tables: [TableReader] = []
        for (index, element) in array.enumerated() {
            guard let inner = element.table else { throw fault(key, "must be [[\(key)]] tables") }
            tables.append(TableReader(inner, file: file, place: "\(key)[\(index + 1)]"))
        }
        return tables
    }

    mutating func node(_ key: String) throws(RuntimeError) -> NodeID? {
        guard let text = try string(key) else { return nil }
        do { return try NodeID(text: text) } catch { throw fault(key, "is no node id: \(error)") }
    }

    mutating func needNode(_ key: String) throws(RuntimeError) -> NodeID {
        guard let node = try node(key) else { throw fault(key, "is missing") }
        return node
    }

    mutating func digest(_ key: String) throws(RuntimeError) -> Digest? {
        guard let text = try string(key) else { return nil }
        guard let digest = Digest(hex: text) else { throw fault(key, "must be 64 hexadecimal digits") }
        return digest
    }

    mutating func vrfKey(_ key: String) throws(RuntimeError) -> VRFPublicKey {
        let text = try needString(key)
        guard let vrfKey = VRFPublicKey(hex: text), vrfKey.isValid else {
            throw fault(
                key, "must be the 64 hexadecimal digits of a VRF key, as `earshot keys show` prints it")
        }
        return vrfKey
    }

    /// Refuses what was not read.
    func finish() throws(RuntimeError) {
        for key in table.keys.sorted() where !read.contains(key) {
            throw fault(key, "is not a setting; known here: \(read.sorted().joined(separator: ", "))")
        }
    }
}

/// A basic string as TOML writes it, with its quotes (TOML 1.0, "String").
func tomlString(_ text: String) -> String {
    var written = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\": written += "\\\(scalar)"
        case "\n": written += "\\n"
        case "\t": written += "\\t"
        case _ where scalar.value < 0x20 || scalar.value == 0x7F:
            let digits = String(scalar.value, radix: 16)
            written += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: written.unicodeScalars.append(scalar)
        }
    }
    return written + "\""
}
