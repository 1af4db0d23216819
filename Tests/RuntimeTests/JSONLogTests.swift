import Foundation
import Logging
import Synchronization
import Testing

@testable import Runtime

@Suite struct `A log for programs` {
    private struct Line: Decodable {
        let time: String
        let level: String
        let logger: String
        let message: String
        let metadata: Metadata?
    }

    private struct Metadata: Decodable, Equatable {
        let peer: String?
        let list: [String]?
        let table: [String: String]?
        let always: String?
    }

    private final class Lines: Sendable {
        private let all = Mutex<[[UInt8]]>([])
        func add(_ line: [UInt8]) { all.withLock { $0.append(line) } }
        var list: [[UInt8]] { all.withLock { $0 } }
    }

    @Test func `is one JSON object a line, whatever is said`() throws {
        let lines = Lines()
        var logger = Logger(label: "node") { JSONLog(label: $0, write: lines.add) }
        logger.logLevel = .info
        logger[metadataKey: "always"] = "here"
        let odd = "two\nlines, \"quotes\", \\ and é\u{0}"
        logger.warning(
            "\(odd)",
            metadata: ["peer": "\(odd)", "list": ["a", "b"], "table": ["k": "v"]])
        logger.debug("not at this level")
        logger.info("plain", metadata: ["always": "there"])
        #expect(lines.list.count == 2)
        #expect(lines.list.allSatisfy { $0.last == 10 && $0.count(where: { $0 == 10 }) == 1 })
        let first = try JSONDecoder().decode(Line.self, from: Data(lines.list[0]))
        #expect(first.level == "warning" && first.logger == "node" && first.message == odd)
        #expect(first.metadata == Metadata(peer: odd, list: ["a", "b"], table: ["k": "v"], always: "here"))
        #expect(
            (try? Date(first.time, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
                != nil,
            "\(first.time)")
        let second = try JSONDecoder().decode(Line.self, from: Data(lines.list[1]))
        #expect(second.message == "plain" && second.metadata?.always == "there")
    }
}
