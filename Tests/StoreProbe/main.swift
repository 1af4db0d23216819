// A second process for the store's tests: does what its arguments say, one line in and out at a time.

import Bytes
import Glibc
import Store

let format: UInt32 = 1

func say(_ line: String) {
    print(line)
    fflush(nil)
}

func key(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
}

func put(_ number: UInt32, byteCount: Int, in store: Store) throws(StoreError) {
    let table = store.table("records")
    let value = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: byteCount)
    try store.write { transaction throws(StoreError) in
        try transaction.put(value.octetBytes, for: key(number).octetBytes, in: table)
    }
}

func count(in store: Store) throws(StoreError) -> Int {
    let table = store.table("records")
    return try store.read { transaction throws(StoreError) in
        var count = 0
        try transaction.forEach(in: table) { _, _ in
            count += 1
            return true
        }
        return count
    }
}

/// Gives up root, which no permission stops.
func becomeNobody() {
    guard geteuid() == 0 else { return }
    let nobody: UInt32 = 65534
    precondition(setgid(nobody) == 0 && setuid(nobody) == 0)
}

func limitFiles(to byteCount: rlim_t) {
    var limit = rlimit(rlim_cur: byteCount, rlim_max: rlim_t.max)
    precondition(unsafe getrlimit(__rlimit_resource_t(1), &limit) == 0)
    limit.rlim_cur = min(byteCount, limit.rlim_max)
    precondition(unsafe setrlimit(__rlimit_resource_t(1), &limit) == 0)
}

func run(_ command: String, _ directory: String) throws(StoreError) {
    var options = Store.Options()
    options.readOnly = ["read", "read-as-nobody", "read-on"].contains(command)
    options.mapByteCount = command == "rewrite" ? 64 << 20 : 1 << 20
    if command == "read-as-nobody" || command == "write-as-nobody" { becomeNobody() }
    let store = try Store(at: directory, options: options, format: format, tables: ["records"])
    switch command {
    case "open", "write-as-nobody":
        // Holds the store until the input ends.
        say("open")
        while readLine() != nil {}
    case "read", "read-as-nobody":
        // Counts the records whenever asked.
        say("open")
        while readLine() != nil { say("\(try count(in: store))") }
    case "read-on":
        // Stays inside one read transaction until the input ends.
        try store.read { _ throws(StoreError) in
            say("reading")
            while readLine() != nil {}
        }
    case "commit":
        // Commits one record after the other and says so, until it is killed.
        for number in UInt32(0)... {
            try put(number, byteCount: 3000, in: store)
            say("\(number)")
        }
    case "rewrite":
        // Writes one record over and over, with room on the disk for some twenty of them.
        signal(SIGXFSZ, SIG_IGN)
        limitFiles(to: 2 << 20)
        try put(0, byteCount: 100_000, in: store)
        say("open")
        while readLine() != nil {
            for _ in 0..<40 { try put(0, byteCount: 100_000, in: store) }
            say("done")
        }
    case "starve":
        // Fills the disk, then goes on with more of it.
        signal(SIGXFSZ, SIG_IGN)
        limitFiles(to: 2 << 20)
        var committed: UInt32 = 0
        do throws(StoreError) {
            while true {
                try put(committed, byteCount: 100_000, in: store)
                committed += 1
            }
        } catch {
            say("\(error)")
        }
        let kept = try count(in: store)
        precondition(kept == Int(committed) && kept > 0, "what was committed is lost")
        limitFiles(to: .max)
        try put(committed, byteCount: 100_000, in: store)
        say("\(try count(in: store) - Int(committed))")
    default:
        preconditionFailure("unknown command \(command)")
    }
}

do throws(StoreError) {
    try run(CommandLine.arguments[1], CommandLine.arguments[2])
} catch {
    say("\(error)")
    exit(1)
}
