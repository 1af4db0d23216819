internal import Foundation
internal import NIOCore
internal import Records

/// What the admin port answers, made of the last snapshot: once for each snapshot and second, however often somebody
/// asks, so that a hurried client costs no more than the copying.
final class AdminPages {
    struct Page {
        let code: Int
        let contentType: String
        let body: ByteBuffer
    }

    /// What `/health` says.
    struct HealthReport: Codable {
        let isHealthy: Bool
        let faults: [StatusReport.Fault]
        let lastFinalEpoch: UInt64
        let millisecondsSinceFinal: UInt64
        let updatedAt: UInt64
    }

    private struct Made {
        let serial: UInt64
        let second: UInt64
        var pages: [String: Page] = [:]
    }

    static let paths = ["/metrics", "/health", "/status"]

    private let board: StatusBoard
    private let network: String
    private let registry: OpenMetricsRegistry
    private let metrics: NodeMetrics
    private var made: Made?

    init(board: StatusBoard, network: String, registry: OpenMetricsRegistry = OpenMetricsRegistry()) {
        self.board = board
        self.network = network
        self.registry = registry
        metrics = NodeMetrics(registry: registry)
    }

    /// Nil for a path that does not exist.
    /// - Parameter wallTime: milliseconds since 1970.
    func page(_ path: String, at wallTime: UInt64) -> Page? {
        guard Self.paths.contains(path) else { return nil }
        guard let post = board.last else {
            return Page(
                code: 503, contentType: "text/plain; charset=utf-8",
                body: ByteBuffer(string: "the node is starting\n"))
        }
        if made?.serial != post.serial || made?.second != wallTime / 1_000 {
            made = Made(serial: post.serial, second: wallTime / 1_000)
        }
        if let page = made?.pages[path] { return page }
        let page = make(path, of: post.status, at: wallTime)
        made?.pages[path] = page
        return page
    }

    private func make(_ path: String, of status: LiveStatus, at wallTime: UInt64) -> Page {
        switch path {
        case "/metrics":
            metrics.update(status, network: network, at: wallTime)
            return Page(
                code: 200, contentType: OpenMetricsRegistry.contentType,
                body: ByteBuffer(string: registry.text()))
        case "/health":
            let report = StatusReport(status, network: network, at: wallTime)
            return json(
                HealthReport(
                    isHealthy: report.isHealthy, faults: report.faults, lastFinalEpoch: report.lastFinalEpoch,
                    millisecondsSinceFinal: report.millisecondsSinceFinal, updatedAt: report.updatedAt),
                code: report.isHealthy ? 200 : 503)
        default: return json(StatusReport(status, network: network, at: wallTime), code: 200)
        }
    }

    private func json(_ value: some Encodable, code: Int) -> Page {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Plain values of ours always have a JSON form.
        let body = try! encoder.encode(value)
        return Page(
            code: code, contentType: "application/json", body: ByteBuffer(bytes: body + [UInt8(ascii: "\n")]))
    }
}
