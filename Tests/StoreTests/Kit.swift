import Bytes
import Foundation
import Glibc
import Store

/// A directory of the test's own, gone when the test is.
struct Scratch: ~Copyable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// A place in which nothing is yet.
    var fresh: String { path + "/store" }

    func store(_ change: (inout Store.Options) -> Void = { _ in }) throws -> Store {
        try openStore(at: fresh, change)
    }
}

func openStore(
    at path: String, _ change: (inout Store.Options) -> Void = { _ in }
) throws(StoreError) -> Store {
    var options = Store.Options()
    options.mapByteCount = 1 << 20
    change(&options)
    return try Store(at: path, options: options, format: 1, tables: ["records", "others"])
}

/// A big-endian key: it sorts as the number does.
func key(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
}

extension Store {
    func put(_ value: [UInt8], for key: [UInt8], in name: String = "records") throws(StoreError) {
        let table = table(name)
        try write { transaction throws(StoreError) in
            try transaction.put(value.octetBytes, for: key.octetBytes, in: table)
        }
    }

    func value(of key: [UInt8], in name: String = "records") throws(StoreError) -> [UInt8]? {
        let table = table(name)
        return try read { transaction throws(StoreError) -> [UInt8]? in
            guard let pages = try transaction.value(of: key.octetBytes, in: table) else { return nil }
            return [UInt8](copying: pages)
        }
    }

    func count(in name: String = "records") throws(StoreError) -> Int {
        let table = table(name)
        return try read { transaction throws(StoreError) in try transaction.count(in: table) }
    }
}

/// The program `StoreProbe`, at work on a store in a process of its own.
final class Probe {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    init(_ command: String, _ directory: String) throws {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(fileURLWithPath: tests).deletingLastPathComponent()
            .appending(path: "StoreProbe")
        process.arguments = [command, directory]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    deinit {
        kill()
    }

    var id: Int32 { process.processIdentifier }

    /// The next line it says; nil if it ended.
    func line() -> String? {
        var line: [UInt8] = []
        while let octet = try? output.fileHandleForReading.read(upToCount: 1)?.first {
            if octet == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(octet)
        }
        return nil
    }

    func ask() -> String? {
        input.fileHandleForWriting.write(Data("\n".utf8))
        return line()
    }

    /// Lets it come to its own end.
    func finish() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// Ends it as a power cut would, as far as a process can tell.
    func kill() {
        guard process.isRunning else { return }
        Glibc.kill(id, SIGKILL)
        process.waitUntilExit()
    }
}

func makeDirectory(_ path: String) {
    let code = unsafe mkdir(path, 0o700)
    precondition(code == 0)
}

func setMode(_ mode: mode_t, of path: String) {
    let code = unsafe chmod(path, mode)
    precondition(code == 0)
}
