import Geo
import Identity
import Wire

/// Edge nodes that lately handed in a bundle of their own here, and where: whom a validator names as neighbours.
///
/// - Upon a bundle of its author that is held: noted, in place of what was known of it, or of who was noted longest ago.
/// - Upon a question of one of them, once an epoch: the nearest, by the steps between the cells that the registry has them
///   at. Who is not here has handed in nothing, and is told nothing.
struct NearEdges {
    /// Of some 100 octets. In a network of ten thousand they are a part of those that chose this validator, and their
    /// nearest are not everybody's nearest, but near.
    static let countMax = 1_024
    /// An edge node gives three validators its bundle, others each time: from how long ago its place is still told.
    static let epochsMax: Epoch = 16

    struct Entry {
        let node: NodeID
        var endpoint: Endpoint
        var cell: Cell?
        var epoch: Epoch
        /// When it was last told its neighbours.
        var told: Epoch = 0
    }

    private(set) var entries: [Entry] = []
    private var places: [NodeID: Int] = [:]
    /// Who gives way next.
    private var next = 0

    var count: Int { entries.count }

    mutating func note(_ node: NodeID, at endpoint: Endpoint, _ cell: Cell?, in epoch: Epoch) {
        if let place = places[node] {
            entries[place].endpoint = endpoint
            entries[place].cell = cell
            entries[place].epoch = epoch
            return
        }
        let entry = Entry(node: node, endpoint: endpoint, cell: cell, epoch: epoch)
        if entries.count < Self.countMax {
            places[node] = entries.count
            return entries.append(entry)
        }
        places[entries[next].node] = nil
        places[node] = next
        entries[next] = entry
        next = (next + 1) % Self.countMax
    }

    /// The nearest to one of them; nil if it is none of them, or has been told in this epoch.
    mutating func neighbours(of node: NodeID, in epoch: Epoch) -> [Neighbour]? {
        guard let place = places[node], entries[place].epoch == epoch, entries[place].told < epoch else {
            return nil
        }
        entries[place].told = epoch
        let own = entries[place].cell
        var nearest: [(steps: Int, entry: Entry)] = []
        for entry in entries where entry.node != node && entry.epoch + Self.epochsMax > epoch {
            // Cells too far apart for H3 are farther than all others.
            let steps = own.flatMap { own in entry.cell.flatMap { own.gridDistance(to: $0) } } ?? .max
            let index = nearest.firstIndex { (steps, entry.node) < ($0.steps, $0.entry.node) }
            nearest.insert((steps, entry), at: index ?? nearest.count)
            if nearest.count > Answer.neighboursMax { nearest.removeLast() }
        }
        return nearest.map { Neighbour(node: $0.entry.node, endpoint: $0.entry.endpoint) }
    }

    func assertInvariants() {
        precondition(entries.count <= Self.countMax && places.count == entries.count)
        precondition(entries.indices.allSatisfy { places[entries[$0].node] == $0 })
    }
}

/// Bundles that edge nodes handed in for others in the open epoch: how many of each.
struct HandedOn {
    /// Whoever keeps bundles keeps no more of an epoch.
    static let bundlesMax = EdgeNode.keptMax
    /// Who hands in others' bundles: few do, and none while all is well.
    static let sendersMax = 1_024

    private var bundles: [NodeID: [Digest]] = [:]

    var count: Int { bundles.count }

    /// Whether one more may come from there; the same one again counts once.
    mutating func takes(_ bundle: Digest, from sender: NodeID) -> Bool {
        let known = bundles[sender] ?? []
        if known.contains(bundle) { return true }
        guard known.count < Self.bundlesMax, !known.isEmpty || bundles.count < Self.sendersMax else {
            return false
        }
        bundles[sender] = known + [bundle]
        return true
    }

    mutating func removeAll() { bundles.removeAll() }
}
