import Foundation
import Glibc
import Testing

@testable import Runtime

@Suite struct `A key log` {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "keylog-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.path)
    }

    private func refusal(of path: String) throws -> String {
        "\(try #require(#expect(throws: RuntimeError.self) { _ = try KeyLog(path: path) }))"
    }

    @Test func `is made for its owner only, and added to`() throws {
        try withFolder { folder in
            let path = folder + "/keys"
            for line in ["one", "two"] { try KeyLog(path: path).write(line) }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "one\ntwo\n")
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test func `is no file that others can read, no link and no pipe`() throws {
        try withFolder { folder in
            let (open, link, pipe) = (folder + "/open", folder + "/link", folder + "/pipe")
            try Data("old\n".utf8).write(to: URL(fileURLWithPath: open))
            try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: open)
            #expect(
                try refusal(of: open).contains("mode 640") && refusal(of: open).contains("chmod 600 \(open)"))
            #expect(try String(contentsOfFile: open, encoding: .utf8) == "old\n")
            try FileManager.default.createSymbolicLink(
                atPath: link, withDestinationPath: folder + "/elsewhere")
            #expect(try refusal(of: link).contains("symbolic link"))
            #expect(!FileManager.default.fileExists(atPath: folder + "/elsewhere"))
            let made = unsafe mkfifo(pipe, 0o600)
            #expect(made == 0)
            let reader = unsafe Glibc.open(pipe, O_RDONLY | O_NONBLOCK)
            defer { close(reader) }
            #expect(try refusal(of: pipe).contains("not a regular file"))
        }
    }
}
