internal import Identity
internal import Wire

/// A set's items, in an order that only insertions and removals change: an item removed leaves its place to
/// the last. Every session's view of the set keeps the same order.
struct ItemSet: Sendable {
    /// Bundles of the largest epoch, eight times over.
    static let countMax = 1 << 20

    private(set) var ids: [Digest] = []
    private var places: [Digest: Int32] = [:]
    /// Another after each change.
    private(set) var version: UInt64 = 0

    var count: Int { ids.count }

    func contains(_ id: Digest) -> Bool { places[id] != nil }

    /// False if it is here, or there is no more room.
    mutating func insert(_ id: Digest) -> Bool {
        guard count < Self.countMax, places[id] == nil else { return false }
        places[id] = Int32(count)
        ids.append(id)
        version += 1
        return true
    }

    /// The place it had, which is now the last item's.
    mutating func remove(_ id: Digest) -> Int? {
        guard let place = places.removeValue(forKey: id).map(Int.init) else { return nil }
        version += 1
        let last = ids.removeLast()
        if place < ids.count {
            ids[place] = last
            places[last] = Int32(place)
        }
        return place
    }
}

/// A set as one session sees it: short ids under the session's keys, and the sketch of them, kept current.
///
/// It costs eight octets and 0.3 µs an item, for each session: so it is made when a session first needs it, and takes in
/// what is new when it is needed again (`catchUp`), not while items come one by one.
struct KeyedSet: Sendable {
    let keys: SketchKeys
    /// In the order of the items.
    private(set) var shorts: [UInt64]
    private(set) var sketch = Sketch()

    init(_ items: ItemSet, keys: SketchKeys) {
        self.keys = keys
        shorts = []
        shorts.reserveCapacity(items.count)
        catchUp(with: items)
    }

    /// The items that were inserted since; removed ones are removed at once.
    mutating func catchUp(with items: ItemSet) {
        for id in items.ids[shorts.count...] {
            let symbol = keys.symbol(id)
            shorts.append(symbol.short)
            sketch.insert(symbol)
        }
    }

    mutating func remove(at place: Int) {
        sketch.remove(keys.symbol(short: shorts[place]))
        shorts.swapAt(place, shorts.count - 1)
        shorts.removeLast()
    }

    /// Makes all the cells there can be, in one walk over the set; from then on they are kept current.
    mutating func extend() {
        let keys = keys
        sketch.extend(to: Sketch.cellsMax, over: shorts.lazy.map { keys.symbol(short: $0) })
    }

    /// All cells of one of the sixteen parts.
    func cells(ofRange range: UInt8) -> [SketchCell] {
        var part = Sketch(cellCount: Sketch.cellsMax)
        for short in shorts where short >> 60 == UInt64(range) { part.insert(keys.symbol(short: short)) }
        return part.cells
    }

    /// The items of these short ids, in the order of the set; one walk over it.
    func places(of wanted: some Collection<UInt64>) -> [Int] {
        guard !wanted.isEmpty else { return [] }
        // One in eight passes the filter at most; the set is asked only then.
        let set = Set(wanted)
        var bits = 64
        while bits < 8 * set.count { bits *= 2 }
        var filter = [Bool](repeating: false, count: bits)
        for short in set { filter[Int(truncatingIfNeeded: short) & (bits - 1)] = true }
        return shorts.indices.filter {
            filter[Int(truncatingIfNeeded: shorts[$0]) & (bits - 1)] && set.contains(shorts[$0])
        }
    }

    /// What equal sets have in common, and unequal ones hardly ever.
    func root(of kind: SetKind) -> SetRoot {
        SetRoot(kind: kind, count: UInt32(shorts.count), root: sketch.cells[0].sum)
    }
}
