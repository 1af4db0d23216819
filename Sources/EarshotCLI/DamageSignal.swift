import Glibc

/// Says in words what SIGBUS means here: a store is read through a map of its file, and the file ends before the last page, or the
/// disk under it cannot be read.
enum DamageSignal {
    static let words: StaticString =
        "Error: a store's file ends too early, or its disk is full or cannot be read. If there is room on the disk, it is damaged; move it away and let the node fetch its state anew; a validator must not go on from a copy\n"

    static func listen() {
        // Nothing but calls that are safe in a handler (signal-safety(7)).
        signal(SIGBUS) { _ in
            unsafe _ = write(2, DamageSignal.words.utf8Start, DamageSignal.words.utf8CodeUnitCount)
            _exit(1)
        }
    }
}
