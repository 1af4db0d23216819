internal import Bytes
internal import Chance
internal import Foundation
public import Geo
internal import Glibc
public import Identity
internal import Session
internal import Synchronization
internal import Wire

/// Greets nodes over real sockets, many at a time: a list of bad entries takes no longer than one.
public enum Pinging {
    /// At one time: below the usual limit on open files.
    static let greetedMax = 64
    /// Of the resolver, which may ask several servers in turn.
    static let namePatience: Duration = .seconds(10)
    /// How often somebody who wants to stop is looked for, and a resolver's answer.
    static let turnMilliseconds: Int64 = 50

    /// Ends by itself: each step has its deadline.
    /// - Parameters:
    ///   - region: each is asked who is nearest to this cell; nil: how long it takes to answer `count` probes is measured.
    ///   - isStopped: asked some times a second; true ends all at once, and those reports say so.
    /// - Returns: a report for each entry, in their order.
    public static func run(
        _ entries: [PeersFile.Entry], network: Digest, count: Int, region: Cell? = nil,
        isStopped: () -> Bool
    ) -> [PingReport] {
        var reports: [PingReport?] = Array(repeating: nil, count: entries.count)
        var greeted: [Greeted] = []
        var next = 0
        while next < entries.count || !greeted.isEmpty {
            while next < entries.count, greeted.count < greetedMax {
                greeted.append(
                    Greeted(next, entries[next], network: network, count: count, region: region))
                next += 1
            }
            wait(for: greeted)
            for one in greeted { one.turn() }
            if isStopped() {
                for one in greeted { one.stop() }
                while next < entries.count {
                    reports[next] = PingReport(entries[next], fault: .interrupted)
                    next += 1
                }
            }
            for one in greeted { if let report = one.report { reports[one.place] = report } }
            greeted.removeAll { $0.report != nil }
        }
        return reports.map { $0! }
    }

    /// Until a datagram came or something is due.
    private static func wait(for greeted: [Greeted]) {
        var files = greeted.compactMap(\.descriptor).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let due = greeted.map(\.deadline).min() ?? .never
        let wait = min(max(0, (due - now).nanoseconds / 1_000_000 + 1), turnMilliseconds)
        if due <= now { return }
        _ = unsafe poll(&files, nfds_t(files.count), Int32(wait))
    }

    static var now: Instant { Instant(nanoseconds: Int64(DispatchTime.now().uptimeNanoseconds)) }
}

/// An entry on its way from a name to a report.
private final class Greeted {
    private enum Stage {
        case resolving(Lookup)
        case greeting(Ping, ConnectedSocket)
        case done(PingReport)
    }

    let place: Int
    private let entry: PeersFile.Entry
    private let network: Digest
    private let count: Int
    private let region: Cell?
    private var stage: Stage

    init(_ place: Int, _ entry: PeersFile.Entry, network: Digest, count: Int, region: Cell?) {
        (self.place, self.entry, self.network) = (place, entry, network)
        (self.count, self.region) = (count, region)
        if let endpoint = entry.endpoint {
            stage = Self.greet(endpoint, entry, network: network, count: count, region: region)
        } else {
            stage = .resolving(Lookup(entry, until: Pinging.now + Pinging.namePatience))
        }
    }

    var report: PingReport? {
        if case .done(let report) = stage { report } else { nil }
    }

    var descriptor: Int32? {
        if case .greeting(_, let socket) = stage { socket.descriptor } else { nil }
    }

    var deadline: Instant {
        switch stage {
        case .resolving(let lookup): lookup.until
        case .greeting(let ping, _): ping.deadline
        case .done: .origin
        }
    }

    /// Does what is to be done now.
    func turn() {
        switch stage {
        case .resolving(let lookup):
            if let found = lookup.result {
                stage =
                    found.endpoint.map {
                        Self.greet($0, entry, network: network, count: count, region: region)
                    }
                    ?? .done(PingReport(entry, fault: .nameUnknown))
            } else if lookup.until <= Pinging.now {
                stage = .done(PingReport(entry, fault: .nameSlow))
            }
        case .greeting(let ping, let socket):
            read(ping, socket)
            if ping.deadline <= Pinging.now { handle(.woke, ping, socket) }
        case .done: break
        }
    }

    func stop() {
        switch stage {
        case .resolving: stage = .done(PingReport(entry, fault: .interrupted))
        case .greeting(let ping, let socket): handle(.stop, ping, socket)
        case .done: break
        }
    }

    private func read(_ ping: Ping, _ socket: ConnectedSocket) {
        while !ping.isDone {
            switch socket.receive() {
            case .nothing: return
            case .datagram(let octets): handle(.datagram(octets), ping, socket)
            case .failed(let code): handle(.socketFailed(code), ping, socket)
            }
        }
    }

    private func handle(_ event: Ping.Event, _ ping: Ping, _ socket: ConnectedSocket) {
        var datagrams: [[UInt8]] = []
        ping.handle(event, at: Pinging.now, transmit: &datagrams)
        stage = Self.send(datagrams, ping, socket)
    }

    private static func send(_ datagrams: [[UInt8]], _ ping: Ping, _ socket: ConnectedSocket) -> Stage {
        for datagram in datagrams {
            guard let code = socket.send(datagram), !ping.isDone else { continue }
            var last: [[UInt8]] = []
            ping.handle(.socketFailed(code), at: Pinging.now, transmit: &last)
        }
        return ping.isDone ? .done(ping.report) : .greeting(ping, socket)
    }

    private static func greet(
        _ endpoint: Endpoint, _ entry: PeersFile.Entry, network: Digest, count: Int, region: Cell?
    ) -> Stage {
        let socket: ConnectedSocket
        do throws(ConnectedSocket.Failure) {
            socket = try ConnectedSocket(to: endpoint)
        } catch {
            return .done(PingReport(entry, fault: PingFault(errorNumber: error.errorNumber)))
        }
        var datagrams: [[UInt8]] = []
        let seed = Entropy.octets(SecretSeed.byteCount)
        let ping = Ping(
            entry.node, at: endpoint, writtenAs: "\(entry.host):\(entry.port)", network: network,
            count: count, region: region,
            seed: SecretSeed(octets: seed.span.octetBytes), secrets: SecretSource { Entropy.octets($0) },
            wallNanoseconds: UInt64(Date().timeIntervalSince1970 * 1_000_000_000), now: Pinging.now,
            transmit: &datagrams)
        return send(datagrams, ping, socket)
    }
}

/// Asks the system's resolver on a thread of its own, which may be left behind: it cannot be told to stop.
private final class Lookup: Sendable {
    let until: Instant
    private let answer = Mutex<(endpoint: Endpoint?, isThere: Bool)>((nil, false))

    init(_ entry: PeersFile.Entry, until: Instant) {
        self.until = until
        Thread.detachNewThread { [self] in
            let endpoint = try? PeersFile.resolve(entry)
            answer.withLock { $0 = (endpoint, true) }
        }
    }

    /// Nil while there is none.
    var result: (endpoint: Endpoint?, isThere: Bool)? { answer.withLock { $0.isThere ? $0 : nil } }
}
