import Foundation
import Logging
import Testing

@testable import Runtime

@Suite struct `A log that nobody reads` {
    private struct Line: Decodable {
        let message: String
        let metadata: [String: String]?
    }

    /// Longer than a pipe and the queue hold.
    private static let lineCount = 3_000

    @Test func `holds up nobody, and tells in its place how many lines are lost`() throws {
        let pipe = Pipe()
        let log = LogWriter(to: pipe.fileHandleForWriting.fileDescriptor, label: "node", format: .json)
        let logger = log.logger(level: .info)
        let filling = String(repeating: "x", count: 1_000)
        for number in 0..<Self.lineCount { logger.info("\(number) \(filling)") }
        #expect(!log.drain(within: .zero))
        var lines: [Line] = []
        var octets: [UInt8] = []
        func readOn() throws {
            octets += pipe.fileHandleForReading.availableData
            while let end = octets.firstIndex(of: UInt8(ascii: "\n")) {
                lines.append(try JSONDecoder().decode(Line.self, from: Data(octets[..<end])))
                octets.removeFirst(end + 1)
            }
        }
        while lines.last?.metadata == nil { try readOn() }
        logger.info("the last")
        while lines.last?.message != "the last" { try readOn() }

        let places = lines.indices.filter { lines[$0].metadata?["lines"] != nil }
        #expect(places == [lines.count - 2], "one gap, at its place")
        let lost = try #require(places.first.flatMap { lines[$0].metadata?["lines"] }.flatMap { Int($0) })
        let kept = lines.dropLast(2).map { Int($0.message.prefix { $0 != " " }) }
        #expect(kept == (0..<kept.count).map { $0 } && kept.count + lost == Self.lineCount && lost > 0)
    }

    @Test(arguments: LogFormat.allCases) func `is read as it was said, by whoever reads it`(format: LogFormat)
        throws
    {
        let pipe = Pipe()
        let log = LogWriter(to: pipe.fileHandleForWriting.fileDescriptor, label: "node", format: format)
        log.logger(level: .info).info("said", metadata: ["peer": "one"])
        #expect(log.drain(within: .seconds(60)))
        let text = String(
            decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
        #expect(text.contains("said") && text.contains("one") && text.hasSuffix("\n"), "\(text)")
    }
}
