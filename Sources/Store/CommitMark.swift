internal import Glibc
internal import Synchronization

/// The number of the last commit, in a file beside the data: data that was put back from an earlier copy has a lower one.
///
/// The number is written after its commit is on the disk, and not flushed: after a power failure it may be lower than the
/// data's own, and is higher only where commits are gone.
final class CommitMark {
    private let descriptor: CInt
    /// What the file says; 0 where there was none.
    private let highest: Mutex<UInt64>
    /// Whether the data are older than the last commit that was made here.
    let isAhead: Bool

    /// - Parameter last: the number of the last commit in the data, 0 where they are new.
    init(at directory: String, last: UInt64) throws(StoreError) {
        let path = directory + "/" + Self.fileName
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw StoreError(code: errno, opening: path) }
        descriptor = file
        var octets: UInt64 = 0
        let count = unsafe withUnsafeMutableBytes(of: &octets) { octets in
            unsafe pread(file, octets.baseAddress, octets.count, 0)
        }
        let number = count == MemoryLayout<UInt64>.size ? UInt64(littleEndian: octets) : 0
        // Data that begin anew remember nothing that could be put back.
        highest = Mutex(last == 0 ? 0 : number)
        isAhead = last != 0 && last < number
    }

    deinit {
        close(descriptor)
    }

    /// The data are those of commit `number`. Never goes back: what was once committed here is remembered until the data
    /// are ahead of it.
    func raise(to number: UInt64) {
        highest.withLock { highest in
            guard number > highest else { return }
            highest = number
            // The commit is durable without it: a disk that takes eight octets no more weakens the check and stops nothing.
            _ = unsafe withUnsafeBytes(of: number.littleEndian) { octets in
                unsafe pwrite(descriptor, octets.baseAddress, octets.count, 0)
            }
        }
    }

    private static let fileName = "commits"
}
