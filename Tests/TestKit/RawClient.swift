import Glibc

/// A TCP client that sends what it is told to, however wrong. Its patience is for tests that fail.
public final class RawClient {
    public struct Refused: Error {}

    public struct Answer: Sendable {
        public let code: Int
        /// Names in lower case.
        public let headers: [String: String]
        public let body: String
    }

    private let descriptor: Int32

    /// Connects to a port of 127.0.0.1.
    public init(port: UInt16, patienceSeconds: Int = 30) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Refused() }
        var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, length)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, length)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw Refused()
        }
    }

    deinit { close(descriptor) }

    /// False if the other side takes no more.
    @discardableResult
    public func send(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Everything until the other side closes; nil if it does not within the patience.
    public func receiveAll() -> String? {
        var all: [UInt8] = []
        while let part = receive() {
            if part.isEmpty { return String(decoding: all, as: UTF8.self) }
            all += part
        }
        return nil
    }

    /// Empty at the end, or when the other side broke off; nil when nothing comes.
    private func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
        }
        if count < 0 { return errno == ECONNRESET ? [] : nil }
        return Array(buffer.prefix(count))
    }

    /// One answer on a connection that stays open, its body as long as it says (none after HEAD).
    public func answer(isHead: Bool = false) throws -> Answer {
        var text: [UInt8] = []
        while true {
            if let end = Self.end(of: text) {
                let head = Self.head(text[..<end])
                let length = isHead ? 0 : Int(head.headers["content-length"] ?? "0") ?? 0
                if text.count >= end + 4 + length {
                    let body = text[(end + 4)..<(end + 4 + length)]
                    return Answer(
                        code: head.code, headers: head.headers, body: String(decoding: body, as: UTF8.self))
                }
            }
            guard let part = receive(), !part.isEmpty else { throw Refused() }
            text += part
        }
    }

    /// One question, one answer, on a connection of its own.
    public static func get(
        _ path: String, port: UInt16, method: String = "GET", host: String = "localhost"
    ) throws -> Answer {
        let client = try RawClient(port: port)
        client.send("\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n")
        return try client.answer(isHead: method == "HEAD")
    }

    private static func end(of text: [UInt8]) -> Int? {
        guard text.count >= 4 else { return nil }
        return (0...(text.count - 4)).first { Array(text[$0..<($0 + 4)]) == [13, 10, 13, 10] }
    }

    private static func head(_ octets: ArraySlice<UInt8>) -> (code: Int, headers: [String: String]) {
        let lines = String(decoding: octets, as: UTF8.self).split(separator: "\r\n")
        let code = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] =
                String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return (code, headers)
    }
}
