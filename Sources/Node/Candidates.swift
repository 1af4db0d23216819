import Chance
import Consensus
import Identity
import Wire

/// A header on its way to being executed: first what stands behind it must be here, then its signatures checked.
struct Candidate {
    enum Stage {
        /// The body and the list of evidence items are asked for.
        case needsContents
        /// The list is here, some bundles are not.
        case needsBundles(Contents)
        /// Workers check the body's signatures.
        case checking(Contents, [EvidenceEntry])
        /// Checked and executed: every root is as the header says.
        case executed(Block, Executed)
        /// Objectively not a block of this epoch.
        case invalid(BlockFault)
    }

    let header: Header
    let digest: Digest
    var stage: Stage = .needsContents
    /// Answer `Simplex` once it is known; the strictest view that asked decides whether subjective rules apply.
    var isAwaited = false
    var isSubjective = false
    /// Set once the header is final.
    var certificate: Certificate?
    /// When to ask the next peer for what is missing.
    var retryAt: Instant = .origin
    var attempt = 0

    var isWaiting: Bool {
        switch stage {
        case .needsContents, .needsBundles: true
        case .checking, .executed, .invalid: false
        }
    }
}

/// The candidates of the open epoch, in the order of their arrival.
struct Candidates {
    /// One proposal a view and a few relayed headers: more cannot be of use before a final one comes.
    static let max = 64
    /// How long an unanswered request waits before the next peer is asked.
    static let patience: Duration = .milliseconds(150)

    private(set) var list: [Candidate] = []

    subscript(digest: Digest) -> Candidate? {
        get { list.first { $0.digest == digest } }
        set {
            guard let newValue else { return list.removeAll { $0.digest == digest } }
            if let place = list.firstIndex(where: { $0.digest == digest }) {
                list[place] = newValue
            } else if list.count < Self.max || newValue.certificate != nil {
                list.append(newValue)
            }
        }
    }

    var deadline: Instant {
        list.filter(\.isWaiting).map(\.retryAt).min() ?? .never
    }

    func assertInvariants() {
        // What is final is always taken in.
        precondition(list.count { $0.certificate == nil } <= Self.max)
        precondition(Set(list.map(\.digest)).count == list.count, "each header once")
    }

    mutating func removeAll() { list.removeAll() }
}
