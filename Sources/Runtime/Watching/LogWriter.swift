internal import DequeModule
internal import Foundation
internal import Glibc
public import Logging
internal import Synchronization

/// Writes a log's lines on a thread of its own, so that whoever logs waits for no reader.
///
/// A pipe that nobody reads, a terminal that is held and a disk that hangs take nothing for as long as they like. Meanwhile
/// lines wait here up to `byteCountMax`; those that come then are counted, and the count is written in their place.
public final class LogWriter: @unchecked Sendable {
    // @unchecked: what changes does so under the condition's lock.

    /// Hours of a quiet node's lines, seconds of one that logs all it does.
    static let byteCountMax = 1 << 20
    /// How long a process that ends waits for its last lines to be read.
    public static let patience: Duration = .seconds(2)

    private enum Entry {
        case line([UInt8])
        case dropped(Int)
    }

    private let descriptor: Int32
    private let label: String
    private let format: LogFormat
    private let condition = NSCondition()
    /// What is being written is the first until it has been.
    private var entries: Deque<Entry> = []
    private var byteCount = 0

    /// For as long as the process lives; to standard error if not said.
    public init(to descriptor: Int32? = nil, label: String, format: LogFormat) {
        self.descriptor = descriptor ?? STDERR_FILENO
        self.label = label
        self.format = format
        let thread = Thread { [self] in run() }
        thread.name = "log"
        thread.start()
    }

    public func logger(level: Logger.Level) -> Logger {
        var logger = Logger(label: label) { [self] in format.handler($0, write) }
        logger.logLevel = level
        return logger
    }

    /// Never waits.
    func write(_ line: [UInt8]) {
        condition.withLock {
            if byteCount + line.count <= Self.byteCountMax {
                byteCount += line.count
                entries.append(.line(line))
            } else if case .dropped(let count) = entries.last {
                entries[entries.count - 1] = .dropped(count + 1)
            } else {
                entries.append(.dropped(1))
            }
            condition.broadcast()
        }
    }

    /// Waits until all is written; false if that took longer than `patience`.
    public func drain(within patience: Duration = LogWriter.patience) -> Bool {
        let deadline = Date(timeIntervalSinceNow: patience / .seconds(1))
        return condition.withLock {
            while !entries.isEmpty {
                guard condition.wait(until: deadline) else { return entries.isEmpty }
            }
            return true
        }
    }

    private func run() {
        while true {
            let next = condition.withLock {
                while entries.isEmpty { condition.wait() }
                if case .dropped(let count) = entries[0] {
                    // Whoever is dropped from here on has a count of its own.
                    entries[0] = .line([])
                    return Entry.dropped(count)
                }
                return entries[0]
            }
            switch next {
            case .line(let line): put(line)
            case .dropped(let count): put(notice(of: count))
            }
            condition.withLock {
                if case .line(let line) = entries.removeFirst() { byteCount -= line.count }
                condition.broadcast()
            }
        }
    }

    /// In the log's own format.
    private func notice(of count: Int) -> [UInt8] {
        let line = Mutex<[UInt8]>([])
        let logger = Logger(label: label) { label in
            format.handler(label) { octets in line.withLock { $0 = octets } }
        }
        logger.warning(
            "nobody read this log for a while: lines of it are lost", metadata: ["lines": "\(count)"])
        return line.withLock { $0 }
    }

    /// What cannot be written is lost: a node does not stop because nobody reads its log.
    private func put(_ line: [UInt8]) {
        var rest = line[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                // Whoever started this process may have made it so.
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&ready, 1, -1)
                continue
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// How a log is written.
public enum LogFormat: String, CaseIterable, Sendable {
    case text, json

    /// - Parameter write: takes each line, its line feed included.
    fileprivate func handler(
        _ label: String, _ write: @escaping @Sendable ([UInt8]) -> Void
    ) -> any LogHandler {
        switch self {
        case .text: StreamLogHandler(label: label, stream: Lines(take: write))
        case .json: JSONLog(label: label, write: write)
        }
    }
}

/// `StreamLogHandler` writes a line at a time.
private struct Lines: TextOutputStream, Sendable {
    let take: @Sendable ([UInt8]) -> Void

    func write(_ line: String) { take(Array(line.utf8)) }
}
