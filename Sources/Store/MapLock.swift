internal import Glibc

/// Lets many transactions share the memory map, and one thread at a time move it.
///
/// LMDB unmaps and maps anew when the size changes, so no transaction of this process may be open then.
@safe final class MapLock: @unchecked Sendable {
    // @unchecked: the pointer never changes, and what it points to is a lock.
    private let lock: UnsafeMutablePointer<pthread_rwlock_t>

    init() {
        unsafe lock = .allocate(capacity: 1)
        var attributes = pthread_rwlockattr_t()
        unsafe pthread_rwlockattr_init(&attributes)
        // A steady stream of readers must not keep the one who moves the map waiting for ever. Such a lock
        // is not recursive, which costs nothing: transactions of one store do not nest.
        let kind = CInt(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP)
        unsafe pthread_rwlockattr_setkind_np(&attributes, kind)
        let code = unsafe pthread_rwlock_init(lock, &attributes)
        precondition(code == 0, "the system has no lock left")
        unsafe pthread_rwlockattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_rwlock_destroy(lock)
        unsafe lock.deallocate()
    }

    /// Runs `body` while the map stays where it is.
    func shared<Result: ~Copyable>(
        _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        let outer = unsafe enter()
        defer { unsafe leave(outer) }
        return try body()
    }

    /// Holds the map where it is until `leave`; returns what this thread held before.
    func enter() -> UnsafeMutableRawPointer? {
        let outer = unsafe pthread_getspecific(innermost)
        precondition(
            unsafe outer != UnsafeMutableRawPointer(lock),
            "a transaction was opened inside another one of the same store, where it could wait for itself")
        unsafe pthread_setspecific(innermost, lock)
        let code = unsafe pthread_rwlock_rdlock(lock)
        precondition(code == 0, "too many threads hold the map")
        return unsafe outer
    }

    func leave(_ outer: UnsafeMutableRawPointer?) {
        unsafe pthread_rwlock_unlock(lock)
        unsafe pthread_setspecific(innermost, outer)
    }

    /// Runs `body` while no one else of this process uses the map.
    func exclusive(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        let code = unsafe pthread_rwlock_wrlock(lock)
        precondition(code == 0, "this thread holds the map already")
        defer { unsafe pthread_rwlock_unlock(lock) }
        try body()
    }
}

/// The lock that this thread entered last: what finds a transaction nested in itself before it hangs.
private let innermost: pthread_key_t = {
    var key: pthread_key_t = 0
    let code = unsafe pthread_key_create(&key, nil)
    precondition(code == 0, "the system has no thread-specific key left")
    return key
}()
