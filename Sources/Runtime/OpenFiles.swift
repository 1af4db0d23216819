internal import Glibc

/// How many files this process may have open at once.
enum OpenFiles {
    /// A node has some twenty open, and clients at its admin port besides. An event loop for which there is none left would end the
    /// process without a word of what to do.
    static let least: rlim_t = 64

    static func check() throws(RuntimeError) {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
            limit.rlim_cur < least
        else { return }
        throw RuntimeError(
            "this process may have \(limit.rlim_cur) files open, and a node needs \(least): raise the limit, with ulimit -n or as "
                + "LimitNOFILE of its unit")
    }
}
