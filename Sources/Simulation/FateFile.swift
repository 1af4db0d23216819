public import Foundation

/// A recorded run without its events: the plan in the first line, then what befell the datagrams from one machine to
/// another, a line each pair, and last how many they are, as a part of them is another run. Small enough to keep: a seed alone
/// stops reproducing what it showed once the code draws differently.
///
/// `0>3 4f2k1 x 9a1,b20 77p~12.5-3`: delays in nanoseconds to the base 36 (two: it came twice), `x` lost, `~` an octet
/// changed (place and difference), `-` octets cut off.
public struct FateFile {
    public let plan: Plan
    public let fates: [RecordedFate]

    public init(plan: Plan, fates: [RecordedFate]) {
        self.plan = plan
        self.fates = fates
    }

    public init(reading url: URL) throws {
        let lines = String(decoding: try Data(contentsOf: url), as: UTF8.self).split(separator: "\n")
        guard let first = lines.first, first.first == "{" else {
            throw PlanError(description: "\(url.path): its first line is no plan; is it a recording?")
        }
        // What plans have learned since is as in `Plan()`.
        plan = try Plan(reading: String(first), name: url.lastPathComponent)
        guard let last = lines.last, last.first == "=" else {
            throw PlanError(
                description: "\(url.path) is cut off: its last line does not say how many fates there are")
        }
        fates = try lines.dropFirst().dropLast().enumerated().flatMap { place, line in
            guard let fates = Self.fates(String(line)) else {
                throw PlanError(description: "\(url.path): line \(place + 2) is no list of fates")
            }
            return fates
        }
        guard last == "=\(fates.count)" else {
            throw PlanError(
                description:
                    "\(url.path) is damaged: it has \(fates.count) fates and says \(last.dropFirst())")
        }
    }

    /// Whether a file looks like one; else it is a trace, if anything.
    public static func isOne(_ url: URL) -> Bool {
        // A trace may be of hundreds of megabytes, and two lines are looked at.
        guard let data = try? Data(contentsOf: url, options: .mappedIfSafe) else { return false }
        let lines = data.split(separator: UInt8(ascii: "\n"), maxSplits: 2)
        return lines.count > 1 && lines[1].first != UInt8(ascii: "{")
    }

    public func write(to url: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var text = String(decoding: try encoder.encode(plan), as: UTF8.self) + "\n"
        var lists: [[Int]: [Fate]] = [:]
        for fate in fates { lists[[fate.from, fate.to], default: []].append(fate.fate) }
        for pair in lists.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            text += "\(pair[0])>\(pair[1]) " + lists[pair]!.map(Self.text).joined(separator: " ") + "\n"
        }
        try Data((text + "=\(fates.count)\n").utf8).write(to: url)
    }

    private static func text(_ fate: Fate) -> String {
        var text = fate.delays.map { String($0, radix: 36) }.joined(separator: ",")
        if text.isEmpty { text = "x" }
        for flip in fate.flips { text += "~\(flip[0]).\(flip[1])" }
        return fate.cutOff > 0 ? text + "-\(fate.cutOff)" : text
    }

    private static func fates(_ line: String) -> [RecordedFate]? {
        let words = line.split(separator: " ")
        let pair = words.first?.split(separator: ">").compactMap { Int($0) } ?? []
        guard pair.count == 2 else { return nil }
        let fates = words.dropFirst().compactMap(fate)
        guard fates.count == words.count - 1 else { return nil }
        return fates.map { RecordedFate(from: pair[0], to: pair[1], fate: $0) }
    }

    private static func fate(_ word: Substring) -> Fate? {
        var fate = Fate()
        let cut = word.split(separator: "-")
        if cut.count == 2 {
            guard let count = Int(cut[1]) else { return nil }
            fate.cutOff = count
        }
        var parts = (cut.first ?? "").split(separator: "~")
        guard cut.count < 3, !parts.isEmpty else { return nil }
        let delays = parts.removeFirst()
        if delays != "x" {
            fate.delays = delays.split(separator: ",").compactMap { Int64($0, radix: 36) }
            guard fate.delays.count == delays.count(where: { $0 == "," }) + 1 else { return nil }
        }
        for part in parts {
            let flip = part.split(separator: ".").compactMap { Int($0) }
            guard flip.count == 2 else { return nil }
            fate.flips.append(flip)
        }
        return fate
    }
}
