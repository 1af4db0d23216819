internal import Identity
internal import Logging
internal import NIOPosix
internal import Wire

/// Reads the bootstrap list again upon SIGHUP, and looks its names up: at once, and again now and then, as names move.
///
/// A name whose resolver does not answer holds back no other: each is told when it is found, and the list is read again while
/// names are still looked up.
struct BootstrapWatch: Sendable {
    /// Between two looks at names, when all were found and when one was not.
    static let period: Duration = .seconds(600)
    static let retryPeriod: Duration = .seconds(30)
    /// Names looked up at a time. One that nobody answers for holds its thread for half a minute.
    static let lookupsMax = 16

    /// Nil: there is none, and a signal changes nothing.
    let file: String?
    /// For nothing else, with `lookupsMax` threads.
    let resolvers: NIOThreadPool
    let logger: Logger
    /// Looks one entry up, however long that takes.
    let resolve: @Sendable (PeersFile.Entry) throws -> Endpoint

    private enum Occasion: Sendable {
        case signal
        case time
        case lookedUp(PeersFile.Entry, Endpoint?)
    }

    /// Until the task is cancelled. Hands a list over whenever it says something new: those that have places, and
    /// everybody that it names.
    func run<Signals: AsyncSequence & Sendable>(
        upon signals: Signals, _ handOver: @escaping @Sendable ([(NodeID, Endpoint)], [NodeID]) -> Void
    ) async where Signals.Failure == Never {
        // Of answers no more than the list has names wait: none is asked for twice at a time.
        let (occasions, occasion) = AsyncStream.makeStream(of: Occasion.self)
        let listening = Task { for await _ in signals { occasion.yield(.signal) } }
        var timer: Task<Void, any Error>?
        defer {
            listening.cancel()
            timer?.cancel()
        }
        let entries = file.flatMap { try? PeersFile.read($0) } ?? []
        if let notice = PeersFile.unusedNotice(entries: entries.count) { logger.warning("\(notice)") }
        var names = FoundNames(entries)
        // The node began with those that have addresses.
        var known = names.places
        var knownNodes = entries.map(\.node)
        lookUp(names.look(), occasion)
        for await next in occasions {
            switch next {
            case .signal:
                names.list(readAgain(instead: names.entries))
                lookUp(names.look(), occasion)
            case .time: lookUp(names.look(), occasion)
            case .lookedUp(let entry, let endpoint):
                names.found(entry, at: endpoint)
                if endpoint == nil { tell(missing: entry) }
            }
            let places = names.places
            let nodes = names.entries.map(\.node)
            if !places.elementsEqual(known, by: ==) || nodes != knownNodes {
                known = places
                knownNodes = nodes
                handOver(places, nodes)
            }
            timer?.cancel()
            timer = names.pause.map { pause in
                Task {
                    try await Task.sleep(for: pause)
                    occasion.yield(.time)
                }
            }
        }
    }

    private func lookUp(
        _ entries: [PeersFile.Entry], _ occasion: AsyncStream<Occasion>.Continuation
    ) {
        let resolve = resolve
        for entry in entries {
            resolvers.submit { state in
                guard state == .active else { return }
                occasion.yield(.lookedUp(entry, try? resolve(entry)))
            }
        }
    }

    private func tell(missing entry: PeersFile.Entry) {
        logger.warning(
            "a name of the bootstrap list has no address that this node can reach; it is looked up again later",
            metadata: ["name": "\(entry.host)", "node": "\(entry.node)"])
    }

    /// A list with a fault changes nothing: its operator will see why, and the node goes on.
    private func readAgain(instead entries: [PeersFile.Entry]) -> [PeersFile.Entry] {
        guard let file else {
            logger.notice("this node has no bootstrap list to read again")
            return entries
        }
        do {
            let entries = try PeersFile.read(file)
            logger.notice("read the bootstrap list again", metadata: ["entries": "\(entries.count)"])
            if let notice = PeersFile.unusedNotice(entries: entries.count) { logger.warning("\(notice)") }
            return entries
        } catch {
            logger.error("the bootstrap list stays as it was: \(error)")
            return entries
        }
    }
}

/// Where the entries of a list are. A name that is not found now is where it was found last: that a resolver is down says
/// nothing of a node.
struct FoundNames: Sendable {
    private struct Name: Hashable, Sendable {
        let host: String
        let port: UInt16

        init(_ entry: PeersFile.Entry) {
            host = entry.host
            port = entry.port
        }
    }

    private(set) var entries: [PeersFile.Entry]
    private var last: [Name: Endpoint] = [:]
    /// Of which the last look found nothing.
    private var lost: Set<Name> = []
    private var asked: Set<Name> = []

    init(_ entries: [PeersFile.Entry]) {
        self.entries = entries
    }

    /// Takes another list; what it names no more is forgotten.
    mutating func list(_ entries: [PeersFile.Entry]) {
        self.entries = entries
        let names = Set(entries.map { Name($0) })
        last = last.filter { names.contains($0.key) }
        lost.formIntersection(names)
    }

    /// One entry of each name that is to be looked up now, which none is that still is; those last that were not found, as
    /// they may take long.
    mutating func look() -> [PeersFile.Entry] {
        let due = entries.filter { $0.endpoint == nil && asked.insert(Name($0)).inserted }
        return due.filter { !lost.contains(Name($0)) } + due.filter { lost.contains(Name($0)) }
    }

    /// What a look came to.
    mutating func found(_ entry: PeersFile.Entry, at endpoint: Endpoint?) {
        let name = Name(entry)
        asked.remove(name)
        guard entries.contains(where: { Name($0) == name }) else { return }
        if let endpoint {
            last[name] = endpoint
            lost.remove(name)
        } else {
            lost.insert(name)
        }
    }

    /// In the list's order, of all but those that were never found.
    var places: [(NodeID, Endpoint)] {
        entries.compactMap { entry in (entry.endpoint ?? last[Name(entry)]).map { (entry.node, $0) } }
    }

    /// What was not found when it was looked up last.
    var missing: [PeersFile.Entry] { entries.filter { lost.contains(Name($0)) } }

    /// How long until all are looked up again; nil where there are no names, or a look is not over.
    var pause: Duration? {
        guard asked.isEmpty, entries.contains(where: { $0.endpoint == nil }) else { return nil }
        return lost.isEmpty ? BootstrapWatch.period : BootstrapWatch.retryPeriod
    }
}
