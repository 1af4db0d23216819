package import Chance
package import Geo
package import Identity
package import Wire

/// One who has few addresses and as many keys as it likes, and wants to be all that a victim sees: dials without end
/// and from everywhere, answers at once, and tells nothing but what serves it.
///
/// Sessions, allowances and checks of signatures, which a node has before its membership, do not hinder it here.
package final class Attacker {
    /// Addresses, a node at each.
    package static let addresses = 50
    /// Those of its addresses, a /24 each.
    package static let prefixes = 5

    /// What it tells when it is asked who is there.
    package enum Tactic: CaseIterable, Sendable {
        /// Its own nodes and nobody else.
        case ownCards
        /// Nodes that do not exist as well, each in a prefix of its own: they crowd out whoever lives.
        case deadCards
        /// Ever new keys, whose cards name a foreign prefix first and one of its addresses second.
        case maskedCards
        /// Its own nodes, and all of them say that they are where the victim is.
        case neighbours

        /// Among many seeds, each as often as another.
        package static func of(seed: UInt64) -> Tactic { allCases[Int(seed % UInt64(allCases.count))] }
    }

    /// Keys of nodes that are nobody's, and of those behind a mask.
    private static let madeMax = 400
    private static let firstKey: UInt64 = 3_000_000

    private let tactic: Tactic
    private let homes: [NodeRecord]
    /// What it tells of besides its homes.
    private var others: [NodeRecord] = []
    private var cards: [NodeID: NodeRecord] = [:]
    /// From which of its addresses each of its keys speaks.
    private var addresses: [NodeID: Endpoint] = [:]
    private var chance: Chance

    /// - Parameter region: The victim's.
    package init(_ tactic: Tactic, chance: Chance, region: Cell) {
        self.tactic = tactic
        self.chance = chance
        homes = (0..<UInt64(Self.addresses)).map {
            Self.card($0, [Self.address($0)], tactic == .neighbours ? region : nil)
        }
        for home in homes { own(home, at: home.endpoints[0]) }
        let made = UInt64(Self.addresses)..<UInt64(Self.addresses + Self.madeMax)
        switch tactic {
        case .ownCards, .neighbours: break
        case .deadCards: others = made.map { Self.card($0, [Self.foreign($0)]) }
        case .maskedCards:
            others = made.map { Self.card($0, [Self.foreign($0), Self.address($0)]) }
            for card in others { own(card, at: card.endpoints[1]) }
        }
    }

    private static func card(
        _ number: UInt64, _ endpoints: [Endpoint], _ region: Cell? = nil
    ) -> NodeRecord {
        NodeRecord(
            node: NodeID(testing: firstKey + number), sequence: 1, roles: .hotspot, endpoints: endpoints,
            region: region, version: 1)
    }

    private static func address(_ number: UInt64) -> Endpoint {
        let number = UInt32(number) % UInt32(addresses)
        return Endpoint(ipv4: 0xC000_0001 | number % UInt32(prefixes) << 16 | number << 1, port: 4_000)
    }

    /// Where nobody is, in a prefix of its own.
    private static func foreign(_ number: UInt64) -> Endpoint {
        Endpoint(ipv4: 0xD000_0001 | UInt32(number) << 8, port: 4_000)
    }

    private func own(_ card: NodeRecord, at address: Endpoint) {
        cards[card.node] = card
        addresses[card.node] = address
    }

    /// For a bootstrap list that it was let into.
    package var entries: [(NodeID, Endpoint)] { homes.map { ($0.node, $0.endpoints[0]) } }

    /// Whether `node` is one of those that it made up, alive or not.
    package static func made(_ node: NodeID) -> Bool { node.prefix >= firstKey }

    private func lies() -> [NodeRecord] {
        let pool = others.isEmpty ? homes : others
        return [
            homes[chance.below(homes.count)], pool[chance.below(pool.count)], pool[chance.below(pool.count)],
        ]
    }

    /// What reaches one of its addresses.
    package func answer(_ packet: World.Packet, in world: World) {
        guard let node = packet.receiver, addresses[node] == packet.to else { return }
        let card = cards[node]!
        switch packet.frame {
        case .ping(let nonce), .probe(let nonce): say(.pong(nonce: nonce), as: card, to: packet.source, world)
        case .dial: say(.welcome([card] + lies()), as: card, to: packet.source, world)
        case .records(_, asks: true):
            say(.records([card] + lies(), asks: false), as: card, to: packet.source, world)
        case .nearby:
            say(.records([card] + lies(), asks: false), as: card, to: packet.source, world)
        case .indirectPing(let target, _, let nonce):
            // Whoever is not its own is dead, it says.
            let isAlive = addresses[target] != nil
            say(.indirectPong(nonce: nonce, isAlive: isAlive), as: card, to: packet.source, world)
        default: break
        }
    }

    /// Dials from so many of its addresses, and tells who there is.
    package func attack(_ place: Endpoint, fromAddresses count: Int, in world: World) {
        let first = chance.below(homes.count)
        for turn in 0..<count {
            var card = homes[(first + turn) % homes.count]
            if tactic == .maskedCards, chance.happens(1, in: 2) { card = others[chance.below(others.count)] }
            say(.dial(card, isUrgent: true), as: card, to: place, world)
            say(.records([card] + lies(), asks: true), as: card, to: place, world)
            // As if it were a peer already, so that it is dialled.
            say(.ping(nonce: 0), as: card, to: place, world)
        }
    }

    private func say(_ frame: Frame, as card: NodeRecord, to place: Endpoint, _ world: World) {
        let packet = World.Packet(
            sender: card.node, source: addresses[card.node]!, to: place, frame: frame)
        world.send(packet, isNear: true)
    }
}
