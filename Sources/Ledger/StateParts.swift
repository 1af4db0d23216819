internal import Bytes
public import Identity
public import Wire

// Taking a state to pieces, and making one of pieces.
extension StateTrie {
    /// Everything, in the order of the paths.
    public var entries: [(StateKey, [UInt8])] {
        var list: [(StateKey, [UInt8])] = []
        Self.visit(top) { _, entry in list.append((entry.key, entry.value)) }
        return list
    }

    /// Octets that the whole of it takes as one part.
    public var byteCount: Int { top?.byteCount ?? 1 }

    /// The hash of what lies below a place: zero where there is nothing.
    public func hash(below place: StatePlace) -> Digest { node(below: place)?.hash ?? .zero }

    private func node(below place: StatePlace) -> TrieNode? {
        var node = top
        for depth in 0..<place.depth {
            switch node?.content {
            case nil: return nil
            case .leaf(let path, _): return place.leads(to: path) ? node : nil
            case .inner(let left, let right): node = place.path.bit(depth) ? right : left
            }
        }
        return node
    }

    private static func visit(_ node: TrieNode?, _ body: (_ path: Digest, _ entry: Entry) -> Void) {
        switch node?.content {
        case nil: return
        case .leaf(let path, let entry): body(path, entry)
        case .inner(let left, let right):
            visit(left, body)
            visit(right, body)
        }
    }

    // MARK: Serving

    /// What lies below a place, as much as fits in so many octets.
    ///
    /// All of it where that fits. Else the upper part, opened level by level, down to halves that each fit a part of
    /// their own: cut so, parts are half full at least, and nothing is sent in crumbs.
    public func part(below place: StatePlace, byteCountMax: Int = StatePart.byteCountMax) -> StatePart {
        // The list's own length takes two octets.
        let room = byteCountMax - 2
        guard let top = node(below: place) else { return StatePart(nodes: [.empty]) }
        var opened: Set<ObjectIdentifier> = []
        if top.byteCount > room { opened = Self.opened(below: top, room: room) }
        var nodes: [StatePart.Node] = []
        Self.write(top, to: &nodes) {
            $0 === top || top.byteCount <= room || opened.contains(ObjectIdentifier($0))
        }
        return StatePart(nodes: nodes)
    }

    private static let stubByteCount = 33

    /// Few octets more than its hash, so that it is no worth a part of its own.
    private static func isSmall(_ node: TrieNode) -> Bool {
        node.isLeaf && node.byteCount <= 4 * stubByteCount
    }

    /// The inner nodes to show the halves of.
    private static func opened(below top: TrieNode, room: Int) -> Set<ObjectIdentifier> {
        func cost(_ node: TrieNode?) -> Int {
            guard let node else { return 1 }
            return isSmall(node) ? node.byteCount : stubByteCount
        }
        var opened: Set<ObjectIdentifier> = []
        var byteCount = stubByteCount
        var waiting = [top]
        var head = 0
        while head < waiting.count {
            let node = waiting[head]
            head += 1
            guard case .inner(let left, let right) = node.content else { continue }
            let more = 1 + cost(left) + cost(right) - stubByteCount
            guard byteCount + more <= room else { break }
            byteCount += more
            opened.insert(ObjectIdentifier(node))
            for half in [left, right] {
                if let half, half.byteCount > room { waiting.append(half) }
            }
        }
        return opened
    }

    private static func write(
        _ node: TrieNode?, to nodes: inout [StatePart.Node], _ isOpen: (TrieNode) -> Bool
    ) {
        guard let node else { return nodes.append(.empty) }
        switch node.content {
        case .leaf(_, let entry):
            nodes.append(isOpen(node) || isSmall(node) ? .leaf(entry.key, entry.value) : .stub(node.hash))
        case .inner(let left, let right):
            guard isOpen(node) else { return nodes.append(.stub(node.hash)) }
            nodes.append(.inner)
            write(left, to: &nodes, isOpen)
            write(right, to: &nodes, isOpen)
        }
    }

    // MARK: Fetching

    /// The hash of whatever a part shows below a place; nil if an entry in it cannot lie where it does, or if it shows nothing
    /// but that hash: who asked knew it.
    public static func hash(of part: StatePart, below place: StatePlace) -> Digest? {
        if case .stub = part.nodes[0] { return nil }
        var next = 0
        return hash(of: part, &next, below: place)
    }

    private static func hash(of part: StatePart, _ next: inout Int, below place: StatePlace) -> Digest? {
        let node = part.nodes[next]
        next += 1
        switch node {
        case .empty: return .zero
        case .stub(let hash): return hash
        case .leaf(let key, let value):
            let path = path(of: key)
            return place.leads(to: path) ? hash(leaf: path, Digest(of: value)) : nil
        case .inner:
            guard place.depth < StatePlace.depthMax,
                let left = hash(of: part, &next, below: place.child(onRight: false)),
                let right = hash(of: part, &next, below: place.child(onRight: true))
            else { return nil }
            return hash(inner: left, right)
        }
    }

    /// What has to be done here so that a part holds which was found right.
    public struct Difference: Sendable {
        public var changes: [(key: StateKey, value: [UInt8]?)] = []
        var writes: [Write] = []
        /// Where more is missing than the part shows, and what hash it has.
        public var missing: [(place: StatePlace, hash: Digest)] = []
    }

    public func difference(from part: StatePart, below place: StatePlace) -> Difference {
        var next = 0
        var difference = Difference()
        Self.compare(part, &next, below: place, with: node(below: place), &difference)
        return difference
    }

    /// The trie with what a part showed.
    public func updated(by difference: Difference) -> StateTrie { updated(with: difference.writes) }

    private static func compare(
        _ part: StatePart, _ next: inout Int, below place: StatePlace, with node: TrieNode?,
        _ difference: inout Difference
    ) {
        let shown = part.nodes[next]
        next += 1
        switch shown {
        case .empty: delete(node, except: nil, &difference)
        case .leaf(let key, let value):
            let path = path(of: key)
            delete(node, except: path, &difference)
            difference.writes.append(Write(path: path, key: key, value: value))
            difference.changes.append((key, value))
        case .stub(let hash):
            if node?.hash ?? .zero != hash { difference.missing.append((place, hash)) }
        case .inner:
            let (left, right) = halves(of: node, at: place.depth)
            compare(part, &next, below: place.child(onRight: false), with: left, &difference)
            compare(part, &next, below: place.child(onRight: true), with: right, &difference)
        }
    }

    private static func delete(_ node: TrieNode?, except kept: Digest?, _ difference: inout Difference) {
        visit(node) { path, entry in
            guard path != kept else { return }
            difference.writes.append(Write(path: path, key: entry.key, value: nil))
            difference.changes.append((entry.key, nil))
        }
    }

    /// What lies on either side; a leaf that stands for a whole subtree lies on one.
    private static func halves(of node: TrieNode?, at depth: Int) -> (TrieNode?, TrieNode?) {
        switch node?.content {
        case nil: (nil, nil)
        case .leaf(let path, _): path.bit(depth) ? (nil, node) : (node, nil)
        case .inner(let left, let right): (left, right)
        }
    }

    /// The writes that make this trie of another one, in the order of the paths.
    public func changes(since other: StateTrie) -> [(key: StateKey, value: [UInt8]?)] {
        var changes: [(key: StateKey, value: [UInt8]?)] = []
        Self.compare(top, with: other.top, depth: 0, &changes)
        return changes
    }

    private static func compare(
        _ new: TrieNode?, with old: TrieNode?, depth: Int, _ changes: inout [(key: StateKey, value: [UInt8]?)]
    ) {
        switch (new?.content, old?.content) {
        case (nil, nil): return
        case (nil, _): visit(old) { changes.append(($1.key, nil)) }
        case (_, nil): visit(new) { changes.append(($1.key, $1.value)) }
        case (.leaf(let path, let entry), .leaf(let otherPath, let other)) where path == otherPath:
            if entry.valueHash != other.valueHash { changes.append((entry.key, entry.value)) }
        default:
            guard new!.hash != old!.hash else { return }
            let (newLeft, newRight) = halves(of: new, at: depth)
            let (oldLeft, oldRight) = halves(of: old, at: depth)
            compare(newLeft, with: oldLeft, depth: depth + 1, &changes)
            compare(newRight, with: oldRight, depth: depth + 1, &changes)
        }
    }
}
