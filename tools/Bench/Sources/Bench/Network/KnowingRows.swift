internal import Baseline
internal import Chance
internal import Identity
internal import Membership
internal import Node
internal import Wire

/// How long nodes that start together take to find and to know each other.
///
/// To know a node is to hold its signed card, verified. A node keeps the cards of 64 strangers beside those of its
/// peers and of all validators. Hence all of 50 can know all; of 200 they can if all are validators; and if most are
/// not, what is looked for is all that its use needs: every node has the card of every validator, and eight others
/// or more hold its own.
enum KnowingRows {
    private static let patience = Duration.seconds(60)
    private static let holdersMin = 8
    /// What the figures of others were measured with.
    private static let threads = 2

    static func measure(isFull: Bool, _ add: ([Row]) -> Void) throws {
        add(try all(nodes: 50, validators: 4, loss: 0, most: 0.8))
        add(try all(nodes: 50, validators: 4, loss: 20, most: 5))
        add(try bounded(nodes: 200, validators: 4, most: 3))
        if isFull { add(try all(nodes: 200, validators: 200, loss: 0, most: 3)) }
    }

    private static func all(nodes: Int, validators: Int, loss: Int, most: Double) throws -> [Row] {
        let world = FleetWorld(nodes: nodes, validators: validators, seed: 50)
        let cpu = baseline_cpu()
        let fleet = try Fleet(world, lossPercent: loss, threads: threads, seed: 1)
        let nearly = (nodes - 1) * 9 / 10
        var whole = Milestone()
        var most90 = Milestone()
        var every = Milestone()
        var (ignorant90, ignorant) = (nodes - 1, nodes - 1)
        fleet.run(for: patience, lookingEvery: .milliseconds(nodes)) {
            whole.note { isOnePiece(fleet, peersMin: 1) }
            most90.note {
                while ignorant90 >= 0, cards(of: fleet.living[ignorant90]) >= nearly { ignorant90 -= 1 }
                return ignorant90 < 0
            }
            every.note {
                while ignorant >= 0, cards(of: fleet.living[ignorant]) == nodes - 1 { ignorant -= 1 }
                return ignorant < 0
            }
            return whole.isReached && every.isReached
        }
        let name = name(nodes, validators, loss)
        let held = fleet.living.reduce(0) { $0 + cards(of: $1) }
        return [
            .seconds("\(name): one connected network", whole.seconds(in: fleet)),
            .number("– – processor until then", whole.seconds(from: cpu), unit: "s of two cores"),
            .seconds("– each holds the cards of 90 % of the others", most90.seconds(in: fleet)),
            .seconds("– all hold the cards of all", every.seconds(in: fleet), most: most),
            .number(
                "– cards held then, or after \(patience.milliseconds / 1_000) s",
                Double(held * 100) / Double(nodes * (nodes - 1)), unit: "%"),
        ]
    }

    /// When something was true first.
    private struct Milestone {
        private var at: Instant?
        /// What all nodes together had of the core until then.
        private(set) var processor: Int64 = 0
        var isReached: Bool { at != nil }

        mutating func note(_ condition: () -> Bool) {
            guard at == nil, condition() else { return }
            at = Clock.now
            processor = baseline_cpu()
        }

        func seconds(from start: Int64) -> Double { isReached ? Double(processor - start) / 1e9 : 0 }

        func seconds(in fleet: Fleet) -> Double? {
            at.map { Double(($0 - fleet.startedAt).nanoseconds) / 1e9 }
        }
    }

    private static func bounded(nodes: Int, validators: Int, most: Double) throws -> [Row] {
        let world = FleetWorld(nodes: nodes, validators: validators, seed: 50)
        let cpu = baseline_cpu()
        let fleet = try Fleet(world, threads: threads, seed: 1)
        let ids = world.keys.map(\.nodeID)
        var whole = Milestone()
        var settled = Milestone()
        var knowing = Milestone()
        var known = Milestone()
        fleet.run(for: patience, lookingEvery: .milliseconds(100)) {
            whole.note { isOnePiece(fleet, peersMin: 1) }
            settled.note { isOnePiece(fleet, peersMin: 6) }
            knowing.note { areKnown(ids.prefix(validators), in: fleet) }
            known.note { haveHolders(ids, in: fleet) }
            return settled.isReached && knowing.isReached && known.isReached
        }
        return [
            .seconds("\(name(nodes, validators, 0)): one connected network", whole.seconds(in: fleet)),
            .number("– – processor until then", whole.seconds(from: cpu), unit: "s of two cores"),
            .seconds("– each has 6 peers or more", settled.seconds(in: fleet)),
            .seconds("– each holds the card of every validator", knowing.seconds(in: fleet), most: most),
            .seconds("– \(holdersMin) or more hold the card of each", known.seconds(in: fleet), most: most),
        ]
    }

    private static func areKnown(_ ids: ArraySlice<NodeID>, in fleet: Fleet) -> Bool {
        fleet.living.allSatisfy { host in
            let known = known(to: host)
            return ids.allSatisfy { $0 == host.id || known.contains($0) }
        }
    }

    private static func haveHolders(_ ids: [NodeID], in fleet: Fleet) -> Bool {
        var holders: [NodeID: Int] = [:]
        for host in fleet.living {
            for node in known(to: host) { holders[node, default: 0] += 1 }
        }
        return ids.allSatisfy { holders[$0, default: 0] >= holdersMin }
    }

    private static func known(to host: FleetHost) -> [NodeID] {
        host.node.contacts.filter { $0.record != nil }.map(\.node)
    }

    private static func name(_ nodes: Int, _ validators: Int, _ loss: Int) -> String {
        let who = validators == nodes ? "\(nodes) validators" : "\(nodes) nodes, \(validators) validators"
        return who + (loss > 0 ? ", \(loss) % lost" : "")
    }

    private static func cards(of host: FleetHost) -> Int { host.node.contacts.count { $0.record != nil } }

    /// Whether every node has so many peers or more, and leads to every other over peers.
    static func isOnePiece(_ fleet: Fleet, peersMin: Int) -> Bool {
        var peers: [NodeID: [NodeID]] = [:]
        for host in fleet.living {
            let own = host.node.view.peers.map(\.0)
            guard own.count >= peersMin else { return false }
            peers[host.id] = own
        }
        guard let first = fleet.living.first?.id else { return false }
        var reached: Set<NodeID> = [first]
        var next = [first]
        while let node = next.popLast() {
            for peer in peers[node] ?? [] where reached.insert(peer).inserted { next.append(peer) }
        }
        return reached.count == fleet.living.count
    }
}

extension Row {
    /// Nil: it did not come to pass.
    static func seconds(_ name: String, _ value: Double?, most: Double? = nil) -> Row {
        guard let value else {
            return Row(
                name: name, measured: "never", reach: most.map { "≤ \($0) s" },
                isReached: most.map { _ in false })
        }
        return .number(name, value, unit: "s", most: most)
    }
}
