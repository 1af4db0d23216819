import Foundation
import Runtime
import Testing

extension TestnetTests {
    /// `earshot simulate sweep`, which runs its seeds in processes.
    @Suite struct SweepTests {
        @Test(arguments: [SIGINT, SIGTERM])
        func `a sweep that is told to end says what ran, and leaves no process`(
            _ number: Int32
        ) async throws {
            let scratch = try Scratch()
            let command = try Command(
                "simulate", "sweep", "--seeds", "900001..999999", log: scratch.path + "/sweep.log")
            try await until("a process for the first seeds") { !processes(naming: "900001..900020").isEmpty }
            command.signal(number)
            #expect(try await command.status() == 1)
            #expect(command.output.contains("stopped: 0 of 99999 seeds have run"), "\(command.output)")
            #expect(!command.output.contains("900001: "), "what was cut short is no failure")
            #expect(processes(naming: "900001..900020").isEmpty)
        }
    }
}
