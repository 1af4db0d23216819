public import CoreMetrics
internal import Synchronization

/// A backend of swift-metrics that keeps what it is told and renders it as OpenMetrics 1.0 text.
///
/// It is handed in, not bootstrapped: a process may bootstrap once only, and tests run many nodes in one process.
/// Labels become names of OpenMetrics (every other character an underscore). There is no library for the text
/// format in Swift without a server of its own, so it is written here, after the OpenMetrics specification 1.0.0.
public final class OpenMetricsRegistry: MetricsFactory, Sendable {
    /// Series at one time: above any node's own some two hundred. What comes beyond is counted nowhere.
    static let seriesMax = 2_048

    public static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    /// What a family is, in the words of the text format.
    enum Kind: String, Sendable {
        case counter, gauge, summary
    }

    struct Family: Sendable {
        let kind: Kind
        var series: [[Label]: Series] = [:]
    }

    struct Label: Hashable, Comparable, Sendable {
        let name: String
        let value: String

        static func < (left: Label, right: Label) -> Bool {
            (left.name, left.value) < (right.name, right.value)
        }
    }

    private struct State {
        var families: [String: Family] = [:]
        var help: [String: String] = [:]
        var count = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// Says what a family means. By the name under which it was made.
    public func describe(_ label: String, _ help: String) {
        state.withLock { $0.help[Self.familyName(label)] = help }
    }

    private func series(_ label: String, _ dimensions: [(String, String)], _ kind: Kind) -> Series {
        let name = Self.familyName(label)
        let labels = dimensions.map { Label(name: Self.labelName($0.0), value: $0.1) }.sorted()
        return state.withLock { state in
            if let family = state.families[name] {
                // One name with two meanings would make the text unreadable: the first one stands.
                guard family.kind == kind else { return Series(name, labels) }
                if let known = family.series[labels] { return known }
            }
            let series = Series(name, labels)
            let isDistinct = zip(labels, labels.dropFirst()).allSatisfy { $0.name != $1.name }
            guard state.count < Self.seriesMax, isDistinct else { return series }
            state.count += 1
            state.families[name, default: Family(kind: kind)].series[labels] = series
            return series
        }
    }

    private func remove(_ handler: AnyObject) {
        guard let series = handler as? Series else { return }
        state.withLock { state in
            guard state.families[series.family]?.series[series.labels] === series else { return }
            state.families[series.family]?.series[series.labels] = nil
            state.count -= 1
            if state.families[series.family]?.series.isEmpty == true { state.families[series.family] = nil }
        }
    }

    // MARK: MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter)
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, dimensions, .counter)
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge)
    }

    public func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        aggregate
            ? SummaryHandler(series(label, dimensions, .summary)) : series(label, dimensions, .gauge)
    }

    /// Kept in seconds, as the format wants.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        SummaryHandler(series(label, dimensions, .summary))
    }

    public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    public func destroyRecorder(_ handler: any RecorderHandler) {
        remove((handler as? SummaryHandler)?.series ?? handler)
    }
    public func destroyTimer(_ handler: any TimerHandler) {
        if let summary = handler as? SummaryHandler { remove(summary.series) }
    }

    // MARK: Text

    /// Everything, families and series in the order of their names.
    public func text() -> String {
        let (families, help) = state.withLock { ($0.families, $0.help) }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            // A gauge that is always 1 and carries its message in labels has a type of its own.
            let isInfo = family.kind == .gauge && name.hasSuffix("_info")
            let base = isInfo ? String(name.dropLast("_info".count)) : name
            text += "# TYPE \(base) \(isInfo ? "info" : family.kind.rawValue)\n"
            for unit in ["seconds", "bytes"] where base.hasSuffix("_" + unit) {
                text += "# UNIT \(base) \(unit)\n"
            }
            if let help = help[name] { text += "# HELP \(base) \(Self.escaped(help))\n" }
            for (labels, series) in family.series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                let (count, value) = series.values
                let tail = Self.braces(labels)
                switch family.kind {
                case .counter: text += "\(name)_total\(tail) \(Self.number(value))\n"
                case .gauge: text += "\(name)\(tail) \(Self.number(value))\n"
                case .summary:
                    text += "\(name)_count\(tail) \(count)\n\(name)_sum\(tail) \(Self.number(value))\n"
                }
            }
        }
        return text + "# EOF\n"
    }

    /// `_total` belongs to the sample of a counter, not to its family.
    static func familyName(_ label: String) -> String {
        let name = metricName(label)
        return name.hasSuffix("_total") && name.count > "_total".count
            ? String(name.dropLast("_total".count)) : name
    }

    private static func metricName(_ label: String) -> String { name(label, allowsColon: true) }
    private static func labelName(_ label: String) -> String { name(label, allowsColon: false) }

    private static func name(_ text: String, allowsColon: Bool) -> String {
        var name = ""
        for character in text.unicodeScalars {
            let isLetter = ("a"..."z").contains(character) || ("A"..."Z").contains(character)
            let isDigit = ("0"..."9").contains(character)
            let fits =
                isLetter || character == "_" || allowsColon && character == ":" || isDigit && !name.isEmpty
            name += fits ? String(character) : "_"
        }
        return name.isEmpty ? "_" : name
    }

    private static func braces(_ labels: [Label]) -> String {
        labels.isEmpty
            ? "" : "{" + labels.map { "\($0.name)=\"\(escaped($0.value))\"" }.joined(separator: ",") + "}"
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}

/// One series: a sum or the last value, and how often it was told. Whole numbers are exact up to 2⁵³.
final class Series: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler, Sendable {
    let family: String
    let labels: [OpenMetricsRegistry.Label]
    private let state = Mutex((count: UInt64(0), value: 0.0))

    init(_ family: String, _ labels: [OpenMetricsRegistry.Label]) {
        self.family = family
        self.labels = labels
    }

    var values: (count: UInt64, value: Double) { state.withLock { $0 } }

    private func change(_ change: (Double) -> Double) {
        state.withLock { $0 = ($0.count &+ 1, change($0.value)) }
    }

    // A counter never falls, whatever it is told.
    func increment(by amount: Int64) { change { $0 + Double(max(0, amount)) } }
    func increment(by amount: Double) { change { amount > 0 && amount.isFinite ? $0 + amount : $0 } }
    func reset() { state.withLock { $0 = (0, 0) } }
    func add(_ amount: Double) { change { $0 + amount } }

    func record(_ value: Int64) { change { _ in Double(value) } }
    func record(_ value: Double) { change { _ in value } }
    func set(_ value: Int64) { change { _ in Double(value) } }
    func set(_ value: Double) { change { _ in value } }
    func decrement(by amount: Double) { change { $0 - amount } }
}

/// Adds up what is recorded, where `Series` would keep the last.
final class SummaryHandler: RecorderHandler, TimerHandler, Sendable {
    let series: Series

    init(_ series: Series) { self.series = series }

    func record(_ value: Int64) { series.add(Double(value)) }
    func record(_ value: Double) { series.add(value) }
    func recordNanoseconds(_ duration: Int64) { series.add(Double(duration) / 1e9) }
}
