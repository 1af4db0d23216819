import Bytes
import Foundation
import Identity
import Testing

@testable import Runtime

/// A directory of one test's own, gone with it.
private final class Folder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            Issue.record(error)
        }
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }

    func write(_ octets: [UInt8], to name: String, mode: Int) throws {
        try Data(octets).write(to: URL(filePath: file(name)))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file(name))
    }
}

private func seed(_ octet: UInt8) -> SecretSeed {
    SecretSeed(octets: [UInt8](repeating: octet, count: 32).octetBytes)
}

private func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
}

@Suite struct `A key file on disk` {
    @Test func `is made with mode 0600, whole, and nothing beside it`() throws {
        let folder = try Folder()
        let made = KeyFile(seed: seed(1), isTestOnly: true)
        try KeyFileStore.create(made, path: folder.file("node.key"))
        #expect(try mode(folder.file("node.key")) == 0o600)
        #expect(try folder.names == ["node.key"])
        let read = try KeyFileStore.load(path: folder.file("node.key"))
        #expect(read.text == made.text)
        #expect(read.isTestOnly)
    }

    @Test func `is never overwritten`() throws {
        let folder = try Folder()
        let path = folder.file("node.key")
        try KeyFileStore.create(KeyFile(seed: seed(1), isTestOnly: false), path: path)
        let before = try Data(contentsOf: URL(filePath: path))
        #expect(throws: KeyFileStoreError.exists(path: path)) {
            try KeyFileStore.create(KeyFile(seed: seed(2), isTestOnly: false), path: path)
        }
        #expect(try Data(contentsOf: URL(filePath: path)) == before)
        #expect(try folder.names == ["node.key"])
    }

    @Test func `is not made behind a dangling link`() throws {
        let folder = try Folder()
        let path = folder.file("node.key")
        try FileManager.default.createSymbolicLink(
            atPath: path, withDestinationPath: folder.file("elsewhere"))
        #expect(throws: KeyFileStoreError.exists(path: path)) {
            try KeyFileStore.create(KeyFile(seed: seed(1), isTestOnly: false), path: path)
        }
        #expect(try folder.names == ["node.key"])
    }

    @Test(arguments: [0o640, 0o604, 0o660, 0o610, 0o602, 0o644, 0o777])
    func `that others can reach is refused`(mode: Int) throws {
        let folder = try Folder()
        let path = folder.file("node.key")
        try folder.write([UInt8](repeating: 3, count: 32), to: "node.key", mode: mode)
        #expect(throws: KeyFileStoreError.permissions(path: path, mode: UInt32(mode))) {
            try KeyFileStore.load(path: path)
        }
    }

    @Test(arguments: [0o600, 0o400]) func `that its owner alone can read is accepted`(mode: Int) throws {
        let folder = try Folder()
        try folder.write([UInt8](repeating: 3, count: 32), to: "raw", mode: mode)
        let file = try KeyFileStore.load(path: folder.file("raw"))
        #expect(try file.open().signingKey.nodeID == seed(3).signingKey.nodeID)
    }

    @Test func `of another user is refused`() {
        let path = "node.key"
        let regular = mode_t(S_IFREG) | 0o600
        #expect(KeyFileStore.refusal(path: path, mode: regular, owner: 7, user: 7) == nil)
        #expect(KeyFileStore.refusal(path: path, mode: regular, owner: 7, user: 8) == .owner(path: path))
        #expect(KeyFileStore.refusal(path: path, mode: regular, owner: 7, user: 0) == .owner(path: path))
    }

    @Test func `is a file`() throws {
        let folder = try Folder()
        #expect(throws: KeyFileStoreError.notAFile(path: folder.path)) {
            try KeyFileStore.load(path: folder.path)
        }
        let pipe = folder.file("pipe")
        #expect(unsafe mkfifo(pipe, 0o600) == 0)
        #expect(throws: KeyFileStoreError.notAFile(path: pipe)) { try KeyFileStore.load(path: pipe) }
    }

    @Test func `that is missing, empty, too large or nonsense is refused with the reason`() throws {
        let folder = try Folder()
        let path = folder.file("node.key")
        #expect(throws: KeyFileStoreError.notFound(path: path)) { try KeyFileStore.load(path: path) }
        let contents: [(String, [UInt8], KeyFileError)] = [
            ("empty", [], .missing(field: "version")),
            ("large", [UInt8](repeating: 0x23, count: 1 << 20), .tooLarge),
            ("nonsense", [0xFF], .notText),
        ]
        for (name, octets, error) in contents {
            try folder.write(octets, to: name, mode: 0o600)
            #expect(throws: KeyFileStoreError.contents(path: folder.file(name), error)) {
                try KeyFileStore.load(path: folder.file(name))
            }
        }
    }

    @Test func `is not made in a directory that does not exist`() throws {
        let folder = try Folder()
        #expect(throws: KeyFileStoreError.self) {
            try KeyFileStore.create(
                KeyFile(seed: seed(1), isTestOnly: false), path: folder.file("nowhere/node.key"))
        }
        #expect(try folder.names == [])
    }
}
