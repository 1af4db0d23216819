public import Foundation

/// A recorded run: its plan in the first line, then one event a line, all JSON.
public struct TraceFile {
    public let plan: Plan
    public let events: [TraceEvent]
    /// The run was ended while it was written: a part of its last line is there.
    public let isCut: Bool

    public init(reading url: URL) throws {
        let data = try Data(contentsOf: url)
        let isWhole = data.last == UInt8(ascii: "\n")
        let lines = data.split(separator: UInt8(ascii: "\n"))
        let decoder = JSONDecoder()
        guard let first = lines.first, let plan = try? decoder.decode(Plan.self, from: first) else {
            throw PlanError(description: "\(url.path): its first line is no plan; is it a trace?")
        }
        self.plan = plan
        try plan.check(url.lastPathComponent)
        var events: [TraceEvent] = []
        var isCut = false
        for (place, line) in lines.dropFirst().enumerated() {
            if let event = try? decoder.decode(TraceEvent.self, from: line) {
                events.append(event)
            } else if place + 2 == lines.count, !isWhole {
                isCut = true
            } else {
                throw PlanError(description: "\(url.path): line \(place + 2) is no event")
            }
        }
        // Not even a start: what is left of a list of fates after its first line looks so too.
        guard !events.isEmpty else {
            throw PlanError(description: "\(url.path) is cut off: it holds a plan and no event")
        }
        self.events = events
        self.isCut = isCut
    }

    /// What befell every datagram, to let it happen again.
    public var fates: [RecordedFate] { events.compactMap { RecordedFate($0) } }

    /// Writes a run line by line as it happens.
    public final class Writer {
        private let file: FileHandle
        private let encoder = JSONEncoder()
        private var buffer = Data()
        /// Why the file is not whole, once that is so.
        public private(set) var fault: (any Error)?

        public init(writing url: URL, plan: Plan) throws {
            try Data().write(to: url)
            file = try FileHandle(forWritingTo: url)
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            buffer = try encoder.encode(plan) + Data("\n".utf8)
        }

        public func add(_ event: TraceEvent) {
            do {
                buffer += try encoder.encode(event) + Data("\n".utf8)
                if buffer.count > 1 << 20 { try flush() }
            } catch {
                fault = fault ?? error
            }
        }

        public func close() throws {
            try flush()
            try file.close()
            if let fault { throw fault }
        }

        private func flush() throws {
            try file.write(contentsOf: buffer)
            buffer.removeAll(keepingCapacity: true)
        }
    }
}
