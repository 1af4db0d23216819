internal import Chance
internal import Wire

/// The part of a fleet that is one thread's.
final class Shard {
    private(set) var hosts: [FleetHost?] = []
    var lossPercent = 0
    private let poll = Poll()
    private let batch = Batch()
    private var chance: Chance

    init(chance: Chance) { self.chance = chance }

    func add(_ host: FleetHost) {
        poll.add(host.socket, tag: hosts.count)
        hosts.append(host)
    }

    func end(_ place: Int) { hosts[place] = nil }

    func turns(until end: Instant) {
        while Clock.now < end { turn(until: end) }
    }

    /// What is due, and whatever comes until the first of it, or nothing until `end`.
    func turn(until end: Instant) {
        var next = end
        let now = Clock.now
        for host in hosts {
            guard let host else { continue }
            if host.wakesAt <= now { host.wake() }
            next = min(next, host.wakesAt)
        }
        for place in poll.wait(next - Clock.now) { drain(place) }
    }

    /// One call of the system, so that no node keeps all others waiting.
    private func drain(_ place: Int) {
        guard let host = hosts[place] else { return }
        batch.receive(from: host.socket) { octets, source in
            guard !chance.happens(lossPercent, in: 100) else { return }
            host.receive(octets, from: source)
        }
    }
}
