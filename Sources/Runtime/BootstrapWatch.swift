internal import Identity
internal import Logging
internal import NIOPosix
internal import UnixSignals
internal import Wire

/// Reads the bootstrap list again upon SIGHUP, and looks its names up: at once, and again now and then, as names move.
struct BootstrapWatch: Sendable {
    /// Between two looks at names, when all were found and when one was not.
    static let period: Duration = .seconds(600)
    static let retryPeriod: Duration = .seconds(30)

    /// Nil: there is none, and a signal changes nothing.
    let file: String?
    /// For nothing else: a resolver that does not answer holds its thread for half a minute.
    let resolvers: NIOThreadPool
    let logger: Logger

    private enum Occasion: Sendable {
        case signal
        case time
    }

    /// Until the task is cancelled. Hands a list over whenever it says something new: those that have places, and
    /// everybody that it names.
    func run(_ handOver: @escaping @Sendable ([(NodeID, Endpoint)], [NodeID]) -> Void) async {
        let (occasions, occasion) = AsyncStream.makeStream(
            of: Occasion.self, bufferingPolicy: .bufferingNewest(1))
        let signals = Task {
            for await _ in await UnixSignalsSequence(trapping: .sighup) { occasion.yield(.signal) }
        }
        defer { signals.cancel() }
        var entries = file.flatMap { try? PeersFile.read($0) } ?? []
        if let notice = PeersFile.unusedNotice(entries: entries.count) { logger.warning("\(notice)") }
        // The node began with those that have addresses.
        var known = entries.compactMap { entry in entry.endpoint.map { (entry.node, $0) } }
        var knownNodes = entries.map(\.node)
        var names = FoundNames()
        var next = occasions.makeAsyncIterator()
        while !Task.isCancelled {
            let (places, missing) = await names.places(of: entries) { entry in
                try await resolvers.runIfActive { try PeersFile.resolve(entry) }
            }
            guard !Task.isCancelled else { return }
            for entry in missing {
                logger.warning(
                    "a name of the bootstrap list has no address; it is looked up again later",
                    metadata: ["name": "\(entry.host)", "node": "\(entry.node)"])
            }
            let nodes = entries.map(\.node)
            if !places.elementsEqual(known, by: ==) || nodes != knownNodes {
                known = places
                knownNodes = nodes
                handOver(places, nodes)
            }
            let hasNames = entries.contains { $0.endpoint == nil }
            let timer = Task {
                guard hasNames else { return }
                try await Task.sleep(for: missing.isEmpty ? Self.period : Self.retryPeriod)
                occasion.yield(.time)
            }
            let reason = await next.next()
            timer.cancel()
            guard reason == .signal else { continue }
            entries = readAgain(instead: entries)
        }
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
    }

    private var last: [Name: Endpoint] = [:]

    /// - Parameter find: Looks one entry up.
    /// - Returns: Places in the list's order, of all but those that were never found; and whatever was not found now.
    mutating func places(
        of entries: [PeersFile.Entry], _ find: (PeersFile.Entry) async throws -> Endpoint
    ) async -> (places: [(NodeID, Endpoint)], missing: [PeersFile.Entry]) {
        var places: [(NodeID, Endpoint)] = []
        var missing: [PeersFile.Entry] = []
        var found: [Name: Endpoint] = [:]
        for entry in entries {
            let name = Name(host: entry.host, port: entry.port)
            let now = try? await find(entry)
            if now == nil { missing.append(entry) }
            guard let place = now ?? last[name] else { continue }
            found[name] = place
            places.append((entry.node, place))
        }
        // What the list names no more is forgotten.
        last = found
        return (places, missing)
    }
}
