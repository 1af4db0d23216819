/// Whether a node does its work, judged from its last words alone: the same at its admin port and in tools.
public struct NodeHealth: Sendable {
    /// What is wrong, with the numbers.
    public enum Fault: Equatable, Sendable, CustomStringConvertible {
        case halted
        case stalled(millisecondsSinceFinal: UInt64, waitsFor: String, peers: Int)
        case silent(milliseconds: UInt64, isGone: Bool = false)
        case stopped
        case misplaced

        /// For programs; kept.
        public var name: String {
            switch self {
            case .halted: "halted"
            case .stalled: "stalled"
            case .silent: "silent"
            case .stopped: "stopped"
            case .misplaced: "misplaced"
            }
        }

        public var description: String {
            switch self {
            case .halted:
                "this node's state differs from the network's: it votes and serves no more; see `earshot inspect "
                    + "DIR verify`"
            case .stalled(let milliseconds, let waitsFor, let peers):
                "no epoch has become final for \(milliseconds / 1_000) s; the node has \(peers) "
                    + "peer\(peers == 1 ? "" : "s") and waits for \(waitsFor.isEmpty ? "nothing" : waitsFor)"
            case .silent(_, isGone: true): "its process ended without a word"
            case .silent(let milliseconds, isGone: false):
                "the node has said nothing for \(milliseconds / 1_000) s: its process ended, or it or its disk hangs"
            case .stopped: "the node was stopped"
            case .misplaced:
                "its data.mdb was removed, moved or replaced: what it stores is gone when it stops; its log says what to do"
            }
        }
    }

    /// A snapshot is made each second; older than this, there is nobody who makes them.
    public static let silenceMax: UInt64 = 5_000
    /// Views that fail one after the other take a while, and are no fault of the node.
    public static let epochsWithoutFinalMax: UInt64 = 4
    /// Where epochs are short, a busy machine is no illness.
    public static let stallMin: UInt64 = 10_000

    /// A node counts under this name for how many looks its store has not been in its place.
    public static let misplacedCounter = "store.misplaced"

    public let faults: [Fault]

    public var isHealthy: Bool { faults.isEmpty }

    /// - Parameters:
    ///   - wallTime: milliseconds since 1970.
    ///   - isGone: its process is known to have ended.
    public init(of status: LiveStatus, at wallTime: UInt64, isGone: Bool = false) {
        var faults: [Fault] = []
        if status.isHalted { faults.append(.halted) }
        guard !status.hasStopped else {
            self.faults = faults + [.stopped]
            return
        }
        let silence = wallTime > status.updatedAt ? wallTime - status.updatedAt : 0
        if isGone || silence > Self.silenceMax {
            faults.append(.silent(milliseconds: silence, isGone: isGone))
        }
        // As of the snapshot: what came after it nobody knows.
        let patience = max(
            UInt64(status.epochMilliseconds) * Self.epochsWithoutFinalMax, Self.stallMin)
        if status.millisecondsSinceFinal > patience {
            faults.append(
                .stalled(
                    millisecondsSinceFinal: status.millisecondsSinceFinal, waitsFor: status.waitsFor,
                    peers: status.peers.count))
        }
        if status.counters.contains(where: { $0.name == Self.misplacedCounter && $0.value > 0 }) {
            faults.append(.misplaced)
        }
        self.faults = faults
    }
}
