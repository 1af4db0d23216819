import Foundation
import Testing
import Wire

@testable import Runtime

@Suite struct `Settings for watching` {
    private func read(_ more: String) throws -> NodeConfig {
        let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString + ".toml").path
        let text = """
            key = "node.key"
            data = "data"
            genesis = "genesis.toml"
            listen = "127.0.0.1:4000"
            \(more)
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try NodeConfig.read(path)
    }

    private func fault(_ more: String) -> String {
        do {
            _ = try read(more)
            return "none"
        } catch {
            return "\(error)"
        }
    }

    @Test func `are off, and text, unless said`() throws {
        let config = try read("")
        #expect(config.admin == nil && config.logFormat == .text)
        #expect(!config.text.contains("admin") && !config.text.contains("log_format"))
    }

    @Test func `are read, and written as they were`() throws {
        for (text, endpoint) in [
            ("127.0.0.1:9101", Endpoint.loopback(port: 9101)), ("127.0.0.1:0", .loopback(port: 0)),
        ] {
            let config = try read("admin = \"\(text)\"\nlog_format = \"json\"")
            #expect(config.admin == endpoint && config.logFormat == .json)
            #expect(config.text.contains("admin = \"\(text)\"\n"))
            #expect(config.text.contains("log_format = \"json\"\n"))
        }
        #expect(try read("admin = \"[::1]:9101\"").admin?.isLoopback == true)
    }

    @Test func `refuse an admin port for others, and say what to do`() {
        for address in ["0.0.0.0:9101", "192.0.2.1:9101", "[::]:9101"] {
            let said = fault("admin = \"\(address)\"")
            #expect(said.contains("admin is \(address)") && said.contains("127.0.0.1"), "\(said)")
        }
        for text in ["9101", "localhost:9101", "127.0.0.1", "127.0.0.1:99999", ""] {
            #expect(fault("admin = \"\(text)\"").contains("admin must be address:port"))
        }
        #expect(fault("admin = 9101").contains("admin must be a string"))
    }

    @Test func `name the log formats there are`() {
        #expect(fault("log_format = \"xml\"").contains("log_format is xml; there are text and json"))
    }
}

@Suite struct `A bootstrap list that is longer than a node reads` {
    @Test func `is told with the number of entries that are not used`() {
        #expect(PeersFile.unusedNotice(entries: 512) == nil)
        #expect(
            PeersFile.unusedNotice(entries: 600)
                == "of the list's 600 entries a node uses the first 512; the last 88 are not used")
    }
}
