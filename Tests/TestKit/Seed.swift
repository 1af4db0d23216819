public import Chance
import Foundation
public import Testing

/// The seed of one randomised test. A failure prints it; `SEED=<it> swift test` replays it alone and
/// `SEEDS=<count> swift test` tries more than usual.
public struct Seed: Sendable, Hashable, Codable, CustomTestStringConvertible {
    public let value: UInt64

    public static let all: [Seed] = {
        let environment = ProcessInfo.processInfo.environment
        if let one = environment["SEED"].flatMap({ UInt64($0) }) { return [Seed(value: one)] }
        let count = environment["SEEDS"].flatMap { UInt64($0) } ?? 32
        return (0..<count).map { Seed(value: $0) }
    }()

    public func chance() -> Chance { Chance(seed: value) }

    public var testDescription: String { "SEED=\(value)" }
}
