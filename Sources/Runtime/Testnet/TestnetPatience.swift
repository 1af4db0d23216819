/// When somebody who waits for a testnet's epochs is told why, and when waiting ends.
///
/// Epochs are counted by finality and never by a clock, so that a network without a quorum waits for ever; who asked for
/// so many of them and no more does not.
public struct TestnetPatience {
    public enum Verdict: Equatable, Sendable {
        case wait, sayWhy, giveUp
    }

    /// Without progress for so long, it is said why, and again as long after that.
    public let pause: Duration
    /// Nil: for ever.
    public let deadline: Duration?
    private var progress: UInt64 = 0
    private var quietSince: Duration = .zero

    /// - Parameter epochs: As many are waited for; nil until somebody stops it.
    /// - Parameter deadline: If not said, five minutes for a start on a busy machine, and ten times the epochs' length.
    public init(epochMilliseconds: UInt32, epochs: UInt64?, deadline: Duration? = nil) {
        pause = max(.seconds(10), .milliseconds(4 * Int64(epochMilliseconds)))
        self.deadline = epochs.map { epochs in
            let (length, overflow) = epochs.multipliedReportingOverflow(by: 10 * UInt64(epochMilliseconds))
            return deadline ?? .seconds(300) + .milliseconds(overflow ? .max : Int64(clamping: length))
        }
    }

    /// - Parameter elapsed: Since it was started.
    /// - Parameter progress: What rises with every epoch that is final at any node.
    public mutating func look(after elapsed: Duration, progress: UInt64) -> Verdict {
        if let deadline, elapsed >= deadline { return .giveUp }
        if progress > self.progress {
            self.progress = progress
            quietSince = elapsed
        }
        guard elapsed - quietSince >= pause else { return .wait }
        quietSince = elapsed
        return .sayWhy
    }
}
