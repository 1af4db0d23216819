import ArgumentParser
import Foundation
import Geo
import Identity
import Records
import Runtime
import Store
import Wire

/// How `inspect peers` sorts.
enum PeerOrder: String, ExpressibleByArgument, CaseIterable {
    case view, node, rtt, distance, seen, octets
}

/// One node that a node knows. Times in milliseconds since 1970; what is not known is absent.
struct PeerDocument: Encodable {
    let node: String
    let roles: [String]
    let endpoints: [String]
    let sequence: UInt64?
    let connected: Bool
    /// `active`, `passive`, or `stored` for one that is only on disk.
    let view: String
    let direction: String?
    let since: UInt64?
    let lastSeen: UInt64?
    let roundTripMicroseconds: UInt32?
    /// `alive`, `asked`, `askedByOthers` or `suspected`.
    let health: String?
    /// Dials without answer.
    let attempts: UInt32?
    let listed: Bool?
    /// Kept as a peer for where it is.
    let near: Bool?
    /// Times that it told contact cards with wrong signatures.
    let forgeries: UInt32?
    /// 0 for whoever did nothing wrong, below it for others; absent for one that is only on disk.
    let score: Int32?
    /// `good`, `noGossip`, `noPublish` or `ignored`, by the score.
    let standing: String?
    let committee: Bool?
    let region: String?
    let metres: Int?
    let datagramsReceived: UInt64?
    let octetsReceived: UInt64?
    let datagramsSent: UInt64?
    let octetsSent: UInt64?
    /// Over whom its session leads; absent if over nobody.
    let relay: String?

    var octetsInAll: UInt64 { (octetsReceived ?? 0) + (octetsSent ?? 0) }
}

extension Inspector {
    /// Both views as the node last saw them, and who else is on disk.
    func peers(by order: PeerOrder) throws {
        let live = try store.status()
        let records = try store.peerRecords()
        let places = try Places(store: store, own: live?.node)
        var documents: [PeerDocument] = []
        for contact in live?.contacts ?? [] {
            let record = records.first { $0.node == contact.node }
            let metres = try places.metres(to: contact.node, contact.region)
            documents.append(PeerDocument(contact, record, metres: metres))
        }
        let shown = Set((live?.contacts ?? []).map(\.node))
        for record in records where !shown.contains(record.node) {
            let metres = try places.metres(to: record.node, record.region)
            documents.append(PeerDocument(record, metres: metres))
        }
        sort(&documents, by: order)
        if json { return try printJSON(documents) }
        let now = wallTime()
        var table = TextTable(
            "VIEW", "NODE", "ROLES", "ADDRESS", "SINCE", "RTT ms", "HEALTH", "SCORE", "SEEN", "KM", "B IN",
            "B OUT",
            "DGRAMS IN", "DGRAMS OUT")
        for peer in documents { table.add(peer, at: now) }
        print(table.text)
        guard let live else {
            return complain("the node has not run yet; these are the nodes on its disk")
        }
        let presence = Presence(of: live, hasWriter: store.hasWriter, at: now)
        if presence != .running { complain("as of its last words, \(presence.text)") }
        switch live.translation {
        case .unknown, .none: break
        case .endpointIndependent:
            complain(
                "others see this node at \(live.seenAt?.description ?? "-"), where nobody says that it is")
        case .symmetric:
            complain("each sees this node at another place: a symmetric translator; some peers need relays")
        }
        if live.localHealth > 1 {
            complain(
                "this node hears late (local health \(live.localHealth) of 8): it suspects others more slowly"
            )
        }
    }

    private func sort(_ documents: inout [PeerDocument], by order: PeerOrder) {
        let views = ["active": 0, "passive": 1, "stored": 2]
        func earlier<Value: Comparable>(_ left: Value?, _ right: Value?) -> Bool? {
            guard left != right else { return nil }
            // What is not known comes last.
            guard let left, let right else { return left != nil }
            return left < right
        }
        documents.sort { left, right in
            let decided: Bool? =
                switch order {
                case .view: earlier(views[left.view], views[right.view]) ?? earlier(left.since, right.since)
                case .node: nil
                case .rtt: earlier(left.roundTripMicroseconds, right.roundTripMicroseconds)
                case .distance: earlier(left.metres, right.metres)
                case .seen: earlier(left.lastSeen.map { .max - $0 }, right.lastSeen.map { .max - $0 })
                case .octets: earlier(UInt64.max - left.octetsInAll, UInt64.max - right.octetsInAll)
                }
            return decided ?? (left.node < right.node)
        }
    }
}

extension TextTable {
    fileprivate mutating func add(_ peer: PeerDocument, at now: UInt64) {
        func age(_ time: UInt64?) -> String {
            time.map { spoken(now > $0 ? now - $0 : 0) } ?? "-"
        }
        let attempts = peer.attempts ?? 0
        let idle = attempts > 0 ? "silent ×\(attempts)" : "-"
        let forgeries = peer.forgeries ?? 0
        let forged = forgeries > 0 ? ", forged ×\(forgeries)" : ""
        let judged = peer.standing.flatMap { $0 == "good" ? nil : " \($0)" } ?? ""
        let score = peer.score.map { "\($0)\(judged)" } ?? "-"
        let arrow = peer.direction.map { $0 == "outbound" ? " chosen" : " came" } ?? ""
        add(
            peer.view + arrow + (peer.near == true ? " near" : "") + (peer.listed == true ? " listed" : ""),
            String(peer.node.prefix(16)),
            peer.roles.isEmpty ? "-" : peer.roles.joined(separator: "+"),
            peer.relay.map { "over \($0.prefix(16))" } ?? peer.endpoints.first ?? "-",
            age(peer.since),
            peer.roundTripMicroseconds.map { String(format: "%.2f", Double($0) / 1_000) } ?? "-",
            (peer.health ?? idle) + forged, score, age(peer.lastSeen),
            peer.metres.map { "\(Double($0 / 100) / 10)" } ?? "-",
            peer.octetsReceived.map { "\($0)" } ?? "-", peer.octetsSent.map { "\($0)" } ?? "-",
            peer.datagramsReceived.map { "\($0)" } ?? "-", peer.datagramsSent.map { "\($0)" } ?? "-")
    }
}

/// Where nodes are: by what they asserted in the ledger, else by the region on their cards.
struct Places {
    let store: NodeStore
    /// Before the first block there is no state beside it.
    private let genesis: Genesis?
    private var own: Position?

    init(store: NodeStore, own: NodeID?) throws {
        self.store = store
        genesis = try store.lastEpoch() == 0 ? try store.genesis() : nil
        self.own = try own.flatMap { try asserted($0) }
    }

    func metres(to node: NodeID, _ region: Cell?) throws -> Int? {
        guard let own, let place = try asserted(node) ?? region?.centre else { return nil }
        return own.distanceMetres(to: place)
    }

    func asserted(_ node: NodeID) throws -> Position? {
        if let genesis { return genesis.devices.first { $0.device == node }?.location?.position }
        return try store.state(.device(node), as: Device.self)?.versions.last?.location?.position
    }
}

extension PeerDocument {
    init(_ contact: LiveStatus.Contact, _ record: NodeRecord?, metres: Int?) {
        let report = StatusReport.Peer(contact)
        let link = report.link
        node = report.node
        roles = report.roles
        let current = report.address.map { [$0] } ?? []
        endpoints = current + (record?.endpoints.map(\.description) ?? []).filter { !current.contains($0) }
        sequence = record?.sequence
        connected = link != nil
        view = report.view
        direction = link?.direction
        since = link?.since
        lastSeen = link?.heardAt
        roundTripMicroseconds = link?.roundTripMicroseconds
        health = link?.liveness
        attempts = report.attempts
        listed = report.isListed
        near = report.isNear
        forgeries = report.forgeries
        score = report.score
        standing = report.standing
        committee = report.isOfCommittee
        region = report.region
        self.metres = metres
        datagramsReceived = link?.datagramsReceived
        octetsReceived = link?.octetsReceived
        datagramsSent = link?.datagramsSent
        octetsSent = link?.octetsSent
        relay = link?.relay
    }

    init(_ record: NodeRecord, metres: Int?) {
        node = record.node.text
        roles = record.roles.names
        endpoints = record.endpoints.map(\.description)
        sequence = record.sequence
        connected = false
        view = "stored"
        direction = nil
        since = nil
        lastSeen = nil
        roundTripMicroseconds = nil
        health = nil
        attempts = nil
        listed = nil
        near = nil
        forgeries = nil
        score = nil
        standing = nil
        committee = nil
        region = record.region?.description
        self.metres = metres
        datagramsReceived = nil
        octetsReceived = nil
        datagramsSent = nil
        octetsSent = nil
        relay = nil
    }
}
