import Glibc

/// Says in words what a signal means that ends the program, and lets it end at once.
///
/// SIGBUS: a store is read through a map of its file, and the file ends before the last page, or the disk under it cannot be read.
/// SIGSEGV: LMDB follows what a damaged page says, if it is no fault of the program's. SIGILL and SIGTRAP: what the program holds to
/// be so is not, and Swift traps.
///
/// Swift's runtime would start another process upon each of these, and upon SIGQUIT and SIGABRT, that reads the program's symbols while the
/// program waits: for minutes, to print pages that say nothing to a user. Whoever wants them sets SWIFT_BACKTRACE, and has them.
enum DamageSignal {
    static let words: StaticString =
        "Error: a store's file ends too early, or its disk is full or cannot be read. If there is room on the disk, it is damaged; move it away and let the node fetch its state anew; a validator must not go on from a copy\n"
    static let wildWords: StaticString =
        "Error: something was looked for in memory where nothing is. Either a store is damaged: 'earshot inspect DIRECTORY verify' looks through it; move it away and let the node fetch its state anew. Or it is a fault of this program: then report it, with what it says if SWIFT_BACKTRACE=enable=yes is in its environment\n"
    static let trapWords: StaticString =
        "Error: this program found a fault of its own and stops. Nothing that it said before is lost, and a node may be started again. Report it, with what is above, and what it says if SWIFT_BACKTRACE=enable=yes is in its environment\n"

    static func listen() {
        // Nothing but calls that are safe in a handler (signal-safety(7)).
        signal(SIGBUS) { _ in
            unsafe _ = write(2, DamageSignal.words.utf8Start, DamageSignal.words.utf8CodeUnitCount)
            _exit(1)
        }
        guard unsafe getenv("SWIFT_BACKTRACE") == nil else { return }
        end(upon: SIGSEGV) { number in
            unsafe _ = write(2, DamageSignal.wildWords.utf8Start, DamageSignal.wildWords.utf8CodeUnitCount)
            raise(number)
        }
        for trap in [SIGILL, SIGTRAP] {
            end(upon: trap) { number in
                unsafe _ = write(
                    2, DamageSignal.trapWords.utf8Start, DamageSignal.trapWords.utf8CodeUnitCount)
                raise(number)
            }
        }
        // Sent by others, or said why already; and no arithmetic of Swift's ends in SIGFPE.
        for other in [SIGQUIT, SIGABRT, SIGFPE] where !isIgnored(other) { signal(other, SIG_DFL) }
    }

    /// As a shell starts what it does not wait for.
    private static func isIgnored(_ number: CInt) -> Bool {
        var action = sigaction()
        unsafe sigaction(number, nil, &action)
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// Once: what the handler raises waits until it is left, and ends the process as the signal that it is, for whoever watches it.
    private static func end(upon number: CInt, _ handler: @escaping @convention(c) (CInt) -> Void) {
        var action = sigaction()
        action.sa_flags = SA_ONSTACK | CInt(bitPattern: UInt32(SA_RESETHAND))
        unsafe action.__sigaction_handler.sa_handler = handler
        unsafe sigaction(number, &action, nil)
    }
}
