import ArgumentParser
import Foundation
import Geo
import Identity
import Records
import Runtime
import Wire

/// A place on Earth as `LAT,LNG` in degrees.
struct NearPlace: ExpressibleByArgument, Equatable {
    let position: Position

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
            .map { Double($0.trimmingCharacters(in: .whitespaces)) }
        guard parts.count == 2, let north = parts[0], let east = parts[1],
            let position = Position(degreesNorth: north, degreesEast: east)
        else { return nil }
        self.position = position
    }
}

/// A node and how far it is. What is not known is absent.
struct FoundPeer: Encodable, Equatable {
    let node: String
    let roles: [String]
    let address: String?
    /// All that is known of them, `address` first.
    let endpoints: [String]
    /// `active`, `passive`, `stored` for one that is only on disk, or `told` by a node that was asked.
    let view: String
    let metres: Int
    /// `asserted` in the ledger, or the `region` on its card, which says nothing finer than some 10 km.
    let place: String
}

extension FoundPeer {
    /// The nearest first, and of those that are as far the ones with the lower ids.
    static func nearest(of peers: [FoundPeer], limit: Int, roles: [String]) -> [FoundPeer] {
        let chosen = peers.filter { Set(roles).isSubset(of: $0.roles) }
        return Array(chosen.sorted { ($0.metres, $0.node) < ($1.metres, $1.node) }.prefix(limit))
    }
}

extension PeersCommand {
    struct Find: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "List the nodes nearest to a place, of those that a node knows, or by asking nodes over the network.",
            discussion: """
                NODE is the node's configuration file, its data directory, the folder that holds it, the name of a \
                node of the testnet in `.testnet` (`node1`), or its admin port (127.0.0.1:9101). It need not run. \
                A place is what the ledger asserts, else the middle of the region on the node's card; an admin port \
                tells regions alone. Where a node claims to be is its own word.

                With earshot://<node id>@host:port in place of NODE, or with --peers, those nodes are asked, under a \
                name made for it, as any stranger may; and then, --hops times, the nearest that were told.

                  earshot peers find node1 --near 46.95,7.45
                  earshot peers find node1 --near -33.87,151.21 --role validator --limit 3 --json
                  earshot peers find --peers testnet.peers --genesis genesis.toml --near 46.95,7.45
                """)

        @Argument(
            help: ArgumentHelp(
                "A configuration file, a data directory, a node's name in .testnet, an admin port, or earshot://….",
                valueName: "node"))
        var nodes: [String] = []

        @Option(
            help: ArgumentHelp("A bootstrap list, of which every node is asked.", valueName: "file"))
        var peers: String?

        @Option(
            help: ArgumentHelp("The genesis file of the network, to ask over it.", valueName: "file"))
        var genesis: String?

        @Option(help: "How often those are asked who were told as the nearest.")
        var hops = 3

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp("Degrees north and east, with a comma between.", valueName: "LAT,LNG"))
        var near: NearPlace

        @Option(help: "How many to list at most.")
        var limit = 10

        @Option(help: "Only nodes with this role: hotspot, sensor, validator or observer. May be repeated.")
        var role: [String] = []

        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard (1...10_000).contains(limit) else { throw ValidationError("--limit must be 1 to 10000") }
            guard (0...16).contains(hops) else { throw ValidationError("--hops must be 0 to 16") }
            guard !nodes.isEmpty || peers != nil else {
                throw ValidationError("name a node, or a list of nodes to ask (--peers)")
            }
            if asksNetwork {
                guard nodes.allSatisfy(Self.isLine) else {
                    throw ValidationError("ask nodes over the network, or look at one here, not both")
                }
                guard genesis != nil else {
                    throw ValidationError("--genesis says of which network the nodes are that are asked")
                }
            } else if nodes.count > 1 {
                throw ValidationError("one node can be looked at")
            }
            for node in nodes { try checkNode(node) }
            let known = Roles(rawValue: 15).names
            for role in role where !known.contains(role) {
                throw ValidationError("there is no role '\(role)'; known: \(known.joined(separator: ", "))")
            }
        }

        static func isLine(_ text: String) -> Bool { text.hasPrefix("earshot://") }

        var asksNetwork: Bool { peers != nil || nodes.contains(where: Self.isLine) }

        func run() async throws {
            let placed: [FoundPeer]
            let others: Int
            if asksNetwork {
                (placed, others) = try await toldByNetwork()
            } else if case .store(let store) = try NodePlace(nodes[0]) {
                (placed, others) = try known(in: store)
            } else {
                (placed, others) = try await known(over: StatusSource(place: NodePlace(nodes[0])))
            }
            let found = FoundPeer.nearest(of: placed, limit: limit, roles: role)
            if others > 0 { complain("\(others) more nodes are known, and none of them says where it is") }
            if output.json { return try printJSON(found) }
            guard !found.isEmpty else {
                let whose = role.isEmpty ? "" : " with role \(role.joined(separator: " and "))"
                let who = asksNetwork ? "who was asked" : nodes[0]
                return complain("\(who) knows the place of no other node\(whose)")
            }
            var table = TextTable("KM", "NODE", "ROLES", "ADDRESS", "VIEW", "PLACE")
            for peer in found {
                table.add(
                    String(format: "%.1f", Double(peer.metres) / 1_000), peer.node,
                    peer.roles.isEmpty ? "-" : peer.roles.joined(separator: "+"),
                    peer.endpoints.isEmpty ? "-" : peer.endpoints.joined(separator: " "),
                    peer.view, peer.place)
            }
            print(table.text)
        }

        /// What both views hold, and who else is on disk.
        private func known(in store: NodeStore) throws -> (placed: [FoundPeer], others: Int) {
            let live = try store.status()
            let places = try Places(store: store, own: live?.node)
            var candidates: [Candidate] = []
            for contact in live?.contacts ?? [] {
                candidates.append(
                    Candidate(
                        node: contact.node, roles: contact.roles, address: contact.endpoint,
                        view: contact.link == nil ? "passive" : "active", region: contact.region))
            }
            let shown = Set(candidates.map(\.node))
            for record in try store.peerRecords() where !shown.contains(record.node) {
                candidates.append(
                    Candidate(
                        node: record.node, roles: record.roles, address: record.endpoints.first,
                        view: "stored", region: record.region))
            }
            var placed: [FoundPeer] = []
            for candidate in candidates {
                let asserted = try places.asserted(candidate.node)
                guard let position = asserted ?? candidate.region?.centre else { continue }
                placed.append(
                    FoundPeer(
                        node: candidate.node.text, roles: candidate.roles.names,
                        address: candidate.address?.description,
                        endpoints: candidate.address.map { [$0.description] } ?? [], view: candidate.view,
                        metres: near.position.distanceMetres(to: position),
                        place: asserted == nil ? "region" : "asserted"))
            }
            return (placed, candidates.count - placed.count)
        }

        private struct Candidate {
            let node: NodeID
            let roles: Roles
            let address: Endpoint?
            let view: String
            let region: Cell?
        }

        private func known(over source: StatusSource) async throws -> (placed: [FoundPeer], others: Int) {
            let peers = try await source.snapshot().report.peers
            let placed = peers.compactMap { peer -> FoundPeer? in
                guard let centre = peer.region.flatMap({ Cell($0) })?.centre else { return nil }
                return FoundPeer(
                    node: peer.node, roles: peer.roles, address: peer.address,
                    endpoints: peer.address.map { [$0] } ?? [], view: peer.view,
                    metres: near.position.distanceMetres(to: centre), place: "region")
            }
            return (placed, peers.count - placed.count)
        }
    }
}
