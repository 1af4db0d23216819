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
    let workers: NIOThreadPool
    let logger: Logger

    private enum Occasion: Sendable {
        case signal
        case time
    }

    /// Until the task is cancelled. Hands a list over whenever it says something new.
    func run(_ handOver: @escaping @Sendable ([(NodeID, Endpoint)]) -> Void) async {
        let (occasions, occasion) = AsyncStream.makeStream(
            of: Occasion.self, bufferingPolicy: .bufferingNewest(1))
        let signals = Task {
            for await _ in await UnixSignalsSequence(trapping: .sighup) { occasion.yield(.signal) }
        }
        defer { signals.cancel() }
        var entries = file.flatMap { try? PeersFile.read($0) } ?? []
        // The node began with those that have addresses.
        var known = entries.compactMap { entry in entry.endpoint.map { (entry.node, $0) } }
        var next = occasions.makeAsyncIterator()
        while !Task.isCancelled {
            let (places, isWhole) = await resolve(entries)
            if !places.elementsEqual(known, by: ==) {
                known = places
                handOver(places)
            }
            let hasNames = entries.contains { $0.endpoint == nil }
            let timer = Task {
                guard hasNames else { return }
                try await Task.sleep(for: isWhole ? Self.period : Self.retryPeriod)
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
            return entries
        } catch {
            logger.error("the bootstrap list stays as it was: \(error)")
            return entries
        }
    }

    private func resolve(_ entries: [PeersFile.Entry]) async -> (places: [(NodeID, Endpoint)], isWhole: Bool)
    {
        var places: [(NodeID, Endpoint)] = []
        var isWhole = true
        for entry in entries {
            // The resolver blocks its thread.
            let found = try? await workers.runIfActive { try PeersFile.resolve(entry) }
            if let found {
                places.append((entry.node, found))
            } else if !Task.isCancelled {
                isWhole = false
                logger.warning(
                    "a name of the bootstrap list has no address; it is looked up again later",
                    metadata: ["name": "\(entry.host)", "node": "\(entry.node)"])
            }
        }
        return (places, isWhole)
    }
}
