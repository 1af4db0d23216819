import Glibc

/// Says in words what two signals mean here. SIGBUS: a store is read through a map of its file, and the file ends before the last page, or the
/// disk under it cannot be read. SIGSEGV: LMDB follows what a damaged page says, if it is no fault of the program's; what was to happen
/// upon it happens still.
enum DamageSignal {
    static let words: StaticString =
        "Error: a store's file ends too early, or its disk is full or cannot be read. If there is room on the disk, it is damaged; move it away and let the node fetch its state anew; a validator must not go on from a copy\n"
    static let wildWords: StaticString =
        "Error: something was looked for in memory where nothing is. Either a store is damaged: 'earshot inspect DIRECTORY verify' looks through it; move it away and let the node fetch its state anew. Or it is a fault of this program: then report it, with what follows\n"
    /// What the runtime does upon it: it may say where it was.
    nonisolated(unsafe) private static var former = sigaction()

    static func listen() {
        // Nothing but calls that are safe in a handler (signal-safety(7)).
        signal(SIGBUS) { _ in
            unsafe _ = write(2, DamageSignal.words.utf8Start, DamageSignal.words.utf8CodeUnitCount)
            _exit(1)
        }
        var wild = sigaction()
        wild.sa_flags = SA_ONSTACK
        unsafe wild.__sigaction_handler.sa_handler = { _ in
            unsafe _ = write(2, DamageSignal.wildWords.utf8Start, DamageSignal.wildWords.utf8CodeUnitCount)
            // The same is done again when this is left, and that happens upon it which would have.
            unsafe sigaction(SIGSEGV, &DamageSignal.former, nil)
        }
        unsafe sigaction(SIGSEGV, &wild, &former)
    }
}
