internal import Glibc
internal import Synchronization

/// The number of the last commit, in a file beside the data: data that was put back from an earlier copy has a lower one.
///
/// The number is written after its commit is on the disk, and not flushed: after a power failure it may be lower than the
/// data's own, and is higher only where commits are gone.
final class CommitMark {
    private let descriptor: CInt
    private let state: Mutex<State>

    private struct State {
        /// What the file says; 0 where there was none.
        var number: UInt64
        /// Whether the data are older than the last commit that was made here.
        var isAhead = false
    }

    init(at directory: String) throws(StoreError) {
        let path = directory + "/" + Self.fileName
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw StoreError(code: errno, opening: path) }
        descriptor = file
        var octets: UInt64 = 0
        let count = unsafe withUnsafeMutableBytes(of: &octets) { octets in
            unsafe pread(file, octets.baseAddress, octets.count, 0)
        }
        state = Mutex(State(number: count == MemoryLayout<UInt64>.size ? UInt64(littleEndian: octets) : 0))
    }

    deinit {
        close(descriptor)
    }

    var isAhead: Bool { state.withLock(\.isAhead) }

    /// - Parameter last: the number of the last commit in the data as they were opened, 0 where they are new.
    func compare(with last: UInt64) {
        state.withLock { state in
            // Data that begin anew remember nothing that could be put back.
            if last == 0 { state.number = 0 }
            state.isAhead = last < state.number
        }
    }

    /// The data are those of commit `number`. Never goes back: what was once committed here is remembered until the data
    /// are ahead of it.
    func raise(to number: UInt64) {
        state.withLock { state in
            guard number > state.number else { return }
            state.number = number
            write(number)
        }
    }

    /// What was put back is what is gone on from.
    func lower(to number: UInt64) {
        state.withLock { state in
            state = State(number: number)
            write(number)
        }
    }

    /// A commit is durable without it: a disk that takes eight octets no more weakens the check and stops nothing.
    private func write(_ number: UInt64) {
        _ = unsafe withUnsafeBytes(of: number.littleEndian) { octets in
            unsafe pwrite(descriptor, octets.baseAddress, octets.count, 0)
        }
    }

    static let fileName = "commits"
}
