import Foundation
import Geo
import Identity
import Runtime
import Wire

// Who is near a place, asked over the network: each node that is asked names four, and the nearest of those are asked in turn.
extension PeersCommand.Find {
    /// Asked in one hop: as many as an answer names.
    private static let askedMax = 4

    /// Throws if nobody answered.
    func toldByNetwork() async throws -> (placed: [FoundPeer], others: Int) {
        let network = try GenesisFile.read(genesis!).network
        let region = Cell(containing: near.position, resolution: Cell.regionResolution)
        var entries = try nodes.map { try PeersFile.entry($0) }
        if let peers {
            let (listed, faults) = try PeersFile.scan(peers)
            for fault in faults { complain(fault) }
            entries += listed
        }
        guard !entries.isEmpty else {
            throw RuntimeError("\(peers ?? "") names nobody: add a line earshot://<node id>@host:port")
        }
        let isStopped = StopFlag()
        await isStopped.listen()
        var asked = Set(entries.map(\.node))
        var cards: [NodeID: NodeRecord] = [:]
        var hasAnswer = false
        for hop in 0...hops where !entries.isEmpty && !isStopped.isSet {
            let reports = await Self.ask(entries, region, network, isStopped)
            for report in reports {
                if let fault = report.fault {
                    complain("\(report.node.text) at \(report.place): \(fault.explanation); \(fault.advice)")
                } else {
                    hasAnswer = true
                }
                if report.badCards > 0 {
                    complain("\(report.node.text) told \(report.badCards) cards that nobody signed")
                }
                for card in report.cards + (report.record.map { [$0] } ?? []) {
                    if let known = cards[card.node], known.sequence >= card.sequence { continue }
                    cards[card.node] = card
                }
            }
            guard hop < hops else { break }
            entries = nearest(of: cards).prefix(Self.askedMax).filter { asked.insert($0.node).inserted }
                .compactMap { card in
                    card.endpoints.first.map { PeersFile.Entry(node: card.node, endpoint: $0) }
                }
        }
        guard hasAnswer else { throw RuntimeError("none of those that were asked answers") }
        let placed = nearest(of: cards).map { card in
            FoundPeer(
                node: card.node.text, roles: card.roles.names, address: card.endpoints.first?.description,
                endpoints: card.endpoints.map(\.description), view: "told", metres: metres(to: card),
                place: "region")
        }
        return (placed, cards.count - placed.count)
    }

    private func metres(to card: NodeRecord) -> Int {
        card.region.map { near.position.distanceMetres(to: $0.centre) } ?? .max
    }

    private func nearest(of cards: [NodeID: NodeRecord]) -> [NodeRecord] {
        cards.values.filter { $0.region != nil }
            .sorted { (metres(to: $0), $0.node) < (metres(to: $1), $1.node) }
    }

    private static func ask(
        _ entries: [PeersFile.Entry], _ region: Cell, _ network: Digest, _ isStopped: StopFlag
    ) async -> [PingReport] {
        // On a thread of its own: it waits for sockets, and would keep the signals from being heard.
        await withCheckedContinuation { answer in
            Thread.detachNewThread {
                answer.resume(
                    returning: Pinging.run(
                        entries, network: network, count: 1, region: region,
                        isStopped: { isStopped.isSet }))
            }
        }
    }
}
