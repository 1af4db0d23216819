internal import Records
internal import Wire

/// Datagrams and octets of the gossip port, in all and by peer: what the operator's line carries, UDP payloads of
/// strangers included.
///
/// Bounded by the active view: counting for a place begins when a peer connects from it and ends when it is none.
struct Traffic {
    struct Pair {
        var received = LiveStatus.Flow()
        var sent = LiveStatus.Flow()
    }

    private var total = Pair()
    private var byPeer: [Endpoint: Pair] = [:]

    subscript(endpoint: Endpoint) -> Pair? { byPeer[endpoint] }

    mutating func begin(_ endpoint: Endpoint) { byPeer[endpoint] = Pair() }

    /// Forgets who is no peer any more; a peer that moved is counted anew.
    mutating func follow(_ peers: Set<Endpoint>) {
        for endpoint in byPeer.keys where !peers.contains(endpoint) { byPeer[endpoint] = nil }
        for endpoint in peers where byPeer[endpoint] == nil { byPeer[endpoint] = Pair() }
    }

    mutating func received(_ byteCount: Int, from endpoint: Endpoint) {
        total.received.add(byteCount)
        byPeer[endpoint]?.received.add(byteCount)
    }

    mutating func sent(_ byteCount: Int, to endpoint: Endpoint) {
        total.sent.add(byteCount)
        byPeer[endpoint]?.sent.add(byteCount)
    }

    var counters: [(String, UInt64)] {
        [
            ("traffic.receivedDatagrams", total.received.datagrams),
            ("traffic.receivedBytes", total.received.octets),
            ("traffic.sentDatagrams", total.sent.datagrams),
            ("traffic.sentBytes", total.sent.octets),
        ]
    }
}
