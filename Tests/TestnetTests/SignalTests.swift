import Foundation
import Glibc
import Records
import Runtime
import Testing
import Wire

extension TestnetTests {
    /// One node by itself, and what its surroundings do to it.
    @Suite final class SignalTests {
        private let scratch: Scratch
        private let directory: TestnetDirectory

        init() throws {
            scratch = try Scratch()
            var options = TestnetPlan.Options()
            options.nodes = 1
            options.sensors = 0
            options.spares = 0
            options.epochMilliseconds = 700
            options.deltaMilliseconds = 60
            options.scenario = .honest
            options.portBase = Ports.signals
            directory = TestnetDirectory(scratch.path + "/net")
            try directory.create(try TestnetPlan(options), replacing: false, airtimePermille: 1)
        }

        /// The node, with this for its log.
        private func node(log: FileHandle) throws -> Process {
            let process = Process()
            // What these tests ignore the node would ignore too.
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [
                "--default-signal=PIPE", "--unset=SWIFT_BACKTRACE", earshot, "node", "--config",
                directory.configFile("node1"),
            ]
            process.standardError = log
            process.standardOutput = FileHandle.nullDevice
            process.standardInput = FileHandle.nullDevice
            try process.run()
            return process
        }

        /// It works, and ends when it is asked to.
        private func liveAndEnd(_ process: Process) async throws {
            defer { kill(process.processIdentifier, SIGKILL) }
            try await until("two final epochs") {
                #expect(process.isRunning)
                let store = try? NodeStore(at: directory.data("node1"), readOnly: true)
                return try !process.isRunning || store?.lastEpoch() ?? 0 >= 2
            }
            process.terminate()
            try await until("its end") { !process.isRunning }
            #expect(process.terminationReason == .exit && process.terminationStatus == 0)
        }

        @Test func `a node whose log nobody reads goes on, and ends when it is told to`() async throws {
            let pipe = Pipe()
            let end = pipe.fileHandleForWriting.fileDescriptor
            // Full before the node says its first word.
            let flags = fcntl(end, F_GETFL)
            _ = fcntl(end, F_SETFL, flags | O_NONBLOCK)
            while unsafe write(end, [UInt8](repeating: 0, count: 4_096), 4_096) > 0 {}
            _ = fcntl(end, F_SETFL, flags)
            try await liveAndEnd(try node(log: pipe.fileHandleForWriting))
        }

        @Test func `a node whose log's reader is gone goes on, and ends when it is told to`() async throws {
            let pipe = Pipe()
            try pipe.fileHandleForReading.close()
            try await liveAndEnd(try node(log: pipe.fileHandleForWriting))
        }

        @Test(arguments: [
            (SIGSEGV, "Either a store is damaged"), (SIGILL, "a fault of its own"),
            (SIGTRAP, "a fault of its own"),
            (SIGABRT, "listening"),
        ])
        func `a fault ends the node at once, in words and without a trace of the stack`(
            number: Int32, words: String
        ) async throws {
            let (said, process) = try await said(upon: number)
            #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == number)
            #expect(said.contains(words) && !said.contains("acktrace took"), "\(said)")
        }

        @Test func `a node that is told to quit stops cleanly`() async throws {
            let (said, process) = try await said(upon: SIGQUIT)
            #expect(process.terminationReason == .exit && process.terminationStatus == 0)
            #expect(said.hasSuffix("stopped\n"), "\(said)")
            let store = try NodeStore(at: directory.data("node1"), readOnly: true)
            #expect(try #require(try store.status()).hasStopped)
        }

        /// What the node says until its end, which this signal is.
        private func said(upon number: Int32) async throws -> (String, Process) {
            let log = scratch.path + "/log"
            #expect(FileManager.default.createFile(atPath: log, contents: nil))
            let process = try node(log: try #require(FileHandle(forWritingAtPath: log)))
            defer { kill(process.processIdentifier, SIGKILL) }
            try await until("its first epoch") {
                let store = try? NodeStore(at: directory.data("node1"), readOnly: true)
                return try !process.isRunning || store?.lastEpoch() ?? 0 >= 1
            }
            // Of another process: there is no fault that comes again, and yet it is the end.
            kill(process.processIdentifier, number)
            try await until("its end") { !process.isRunning }
            return (try String(contentsOfFile: log, encoding: .utf8), process)
        }

        @Test func `a node that was started without standard streams puts nothing else in their places`()
            async throws
        {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = [
                "-c", #"exec "$0" node --config "$1" <&- >&- 2>&-"#, earshot, directory.configFile("node1"),
            ]
            try process.run()
            defer { kill(process.processIdentifier, SIGKILL) }
            try await until("the node to have its store") {
                let holder = try? String(
                    contentsOfFile: directory.data("node1") + "/writer.lock", encoding: .utf8)
                return holder == "\(process.processIdentifier)\n" || !process.isRunning
            }
            // Else what is printed or complained of would go into whatever was opened first.
            for descriptor in 0...2 {
                let link = "/proc/\(process.processIdentifier)/fd/\(descriptor)"
                #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "/dev/null")
            }
            try await liveAndEnd(process)
        }

        @Test func `a node that is told to read its list again while it starts does so when it has`()
            async throws
        {
            // LMDB waits for whoever has the file of readers to itself: so the node stands in the midst of its start.
            let data = directory.data("node1")
            let lock = unsafe open(data + "/lock.mdb", O_RDWR)
            var whole = flock()
            whole.l_type = Int16(F_WRLCK)
            whole.l_whence = Int16(SEEK_SET)
            let held = unsafe fcntl(lock, F_SETLK, &whole)
            #expect(held == 0)
            let command = try Command(
                "node", "--config", directory.configFile("node1"), log: scratch.path + "/log")
            try await until("the node to have its store") {
                let holder = try String(contentsOfFile: data + "/writer.lock", encoding: .utf8)
                return holder == "\(command.processID)\n" || !command.isRunning
            }
            command.signal(SIGHUP)
            close(lock)
            try await until("the list to be read again") {
                command.output.contains("read the bootstrap list again")
            }
            command.signal(SIGTERM)
            #expect(try await command.status() == 0, "\(command.output)")
        }
    }
}
