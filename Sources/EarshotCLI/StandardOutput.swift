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
