/// Reads OpenMetrics 1.0 text and refuses what is none: a checker of its own, that shares nothing with what is tested.
public struct Exposition: Sendable {
    public struct Fault: Error, CustomStringConvertible {
        public let description: String
    }

    /// By sample name with its labels in the order of their names, `name{a="b",c="d"}`.
    public private(set) var samples: [String: Double] = [:]
    /// By family.
    public private(set) var types: [String: String] = [:]
    public private(set) var helps: [String: String] = [:]
    public private(set) var units: [String: String] = [:]
    private var finished: Set<String> = []
    private var current = ""

    public init(_ text: String) throws {
        guard text.hasSuffix("# EOF\n") else { throw Fault(description: "it does not end in # EOF") }
        for line in text.dropLast("# EOF\n".count).split(separator: "\n", omittingEmptySubsequences: false)
            .dropLast()
        {
            do { try read(String(line)) } catch let fault as Fault {
                throw Fault(description: "\(fault.description): \(line)")
            }
        }
    }

    private static let suffixes = [
        "counter": ["_total", "_created"], "gauge": [""], "info": ["_info"],
        "summary": ["_count", "_sum", "_created"],
    ]

    private mutating func read(_ line: String) throws {
        guard line.hasPrefix("#") else { return try sample(line) }
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(
            String.init)
        guard words.count == 4, words[0] == "#", Self.isName(words[2]) else {
            throw Fault(description: "no metadata")
        }
        let family = words[2]
        if family != current {
            guard !finished.contains(family) else { throw Fault(description: "its family was there before") }
            if !current.isEmpty { finished.insert(current) }
            current = family
        }
        guard !samples.keys.contains(where: { $0.hasPrefix(family + "_total") || $0 == family }) else {
            throw Fault(description: "metadata after samples")
        }
        switch words[1] {
        case "TYPE" where types[family] == nil && Self.suffixes[words[3]] != nil: types[family] = words[3]
        case "HELP" where helps[family] == nil: helps[family] = words[3]
        case "UNIT" where units[family] == nil && family.hasSuffix("_" + words[3]): units[family] = words[3]
        default: throw Fault(description: "metadata unknown, repeated or wrong")
        }
    }

    private mutating func sample(_ line: String) throws {
        var rest = Substring(line)
        let name = rest.prefix { $0 != "{" && $0 != " " }
        rest = rest.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" { rest = try Self.labels(rest, into: &labels) }
        guard rest.first == " ", let value = Double(rest.dropFirst()) else {
            throw Fault(description: "no value after one space")
        }
        guard Self.isName(String(name)), let type = types[current] else {
            throw Fault(description: "no type yet")
        }
        guard Self.suffixes[type]!.contains(where: { current + $0 == name }) else {
            throw Fault(description: "no sample of the \(type) \(current)")
        }
        guard type != "counter" || value >= 0, type != "info" || value == 1 else {
            throw Fault(description: "no value of a \(type)")
        }
        let inner = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(
            separator: ",")
        guard samples.updateValue(value, forKey: inner.isEmpty ? String(name) : "\(name){\(inner)}") == nil
        else {
            throw Fault(description: "the series was there before")
        }
    }

    private static func labels(_ text: Substring, into labels: inout [String: String]) throws -> Substring {
        var rest = text.dropFirst()
        while rest.first != "}" {
            if !labels.isEmpty {
                guard rest.first == "," else { throw Fault(description: "no comma between labels") }
                rest = rest.dropFirst()
            }
            let name = rest.prefix { $0 != "=" }
            rest = rest.dropFirst(name.count)
            guard isName(String(name)), !name.contains(":"), rest.hasPrefix("=\"") else {
                throw Fault(description: "no label")
            }
            rest = rest.dropFirst(2)
            var value = ""
            while let character = rest.first, character != "\"" {
                rest = rest.dropFirst()
                guard character == "\\" else { value.append(character); continue }
                guard let escaped = rest.first,
                    let plain = ["\\": "\\", "\"": "\"", "n": "\n"][String(escaped)]
                else {
                    throw Fault(description: "an unknown escape")
                }
                value += plain
                rest = rest.dropFirst()
            }
            guard rest.first == "\"" else { throw Fault(description: "an open quote") }
            rest = rest.dropFirst()
            guard labels.updateValue(value, forKey: String(name)) == nil else {
                throw Fault(description: "a label twice")
            }
        }
        return rest.dropFirst()
    }

    private static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !(48...57).contains(first) else { return false }
        return text.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
                || $0 == 58
        }
    }
}
