@unsafe @preconcurrency import Glibc

/// What `print` writes to.
enum StandardOutput {
    /// Why not all that was printed has left; nil if it has. Nothing else prints any more when it is asked.
    static var fault: String? {
        guard unsafe fflush(stdout) == 0, unsafe ferror(stdout) == 0 else {
            return unsafe String(cString: strerror(errno))
        }
        return nil
    }
}

/// Descriptors 0 to 2.
enum StandardStreams {
    /// Keeps those free that the program was started without: whatever is opened first would take them, a store's file too, and
    /// what is printed or complained of would go into it.
    static func occupy() {
        // Each takes the lowest that is free; the wrong way round, so that what is written is still known to be lost.
        for stream in 0...2 where fcntl(Int32(stream), F_GETFD) < 0 {
            _ = unsafe open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY)
        }
    }
}
