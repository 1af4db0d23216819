internal import Records
internal import Synchronization

/// Where the driver leaves its last snapshot for the admin port, which runs on a thread of its own.
final class StatusBoard: Sendable {
    struct Post: Sendable {
        let status: LiveStatus
        /// Which snapshot it is: what was made of an equal one is still good.
        let serial: UInt64
    }

    private let state = Mutex<Post?>(nil)

    func post(_ status: LiveStatus) {
        state.withLock { $0 = Post(status: status, serial: ($0?.serial ?? 0) + 1) }
    }

    /// Nil until the node has said something.
    var last: Post? { state.withLock { $0 } }
}
