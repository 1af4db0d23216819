import Chance
import Consensus
import Identity
import Ledger
import Reconciliation
import Wire

/// What is known of the evidence list behind a header: first what this node would have listed itself, then what
/// differs from that. A header carries root, count and fingerprint only, and most of the list is everywhere.
struct ListGuess {
    /// Vain questions, after which the whole list is asked for.
    static let vainMax = 3
    /// Questions in all, after which it is too: else somebody could name, one after the other, what nobody has.
    static let questionsMax = 16

    enum Stage {
        /// The own list is the header's: only the body is missing.
        case known
        case differing(ListDifference)
        /// These items, by short ids, are in the header's list and not in the own.
        case naming(ListDifference, missing: [UInt64])
        /// What was said is not what the header commits to, or too much differs.
        case whole
    }

    let items: [EvidenceItem]
    var stage: Stage
    var body: Body?
    /// Of the items that were missing.
    var found: [EvidenceItem] = []
    var vain = 0
    var questions = 0

    /// Answers to its questions are, as they are about differences.
    var isShort: Bool { if case .whole = stage { false } else { true } }
}

/// The lists behind the last few headers that were asked about, and sketches of them: made once, for all who ask.
struct ListSketches {
    /// As many candidates as are argued about at a time.
    static let max = 8
    /// How often a list is walked through to be made: its items, their short ids, the first cells, and those beyond.
    static let walksOfMaking = 4

    struct Listed {
        let header: Digest
        let items: [EvidenceItem]
        var sketch: ListSketch

        init(header: Digest, items: [EvidenceItem]) {
            self.header = header
            self.items = items
            sketch = ListSketch(items.map(\.item), keys: SketchKeys(header: header))
        }
    }

    private var list: [Listed] = []

    var count: Int { list.count }

    /// Reads the list behind a header, and tells how many entries were walked through to make it.
    mutating func with<Result>(
        _ header: Digest, items: @autoclosure () -> [EvidenceItem], _ read: (inout Listed) -> Result
    ) -> (result: Result, walked: Int) {
        if let place = list.firstIndex(where: { $0.header == header }) { return (read(&list[place]), 0) }
        if list.count >= Self.max { list.removeFirst() }
        list.append(Listed(header: header, items: items()))
        let place = list.count - 1
        return (read(&list[place]), Self.walksOfMaking * list[place].items.count)
    }
}

extension Candidate {
    /// What to ask for while its contents are not here.
    var question: Message {
        guard let list else { return .contentsRequest(digest) }
        switch list.stage {
        case .whole: return .contentsRequest(digest)
        case .known: return .listRequest(ListRequest(header: digest, wantsBody: true, first: 0, count: 0))
        case .differing(let difference):
            let cells = difference.next ?? 0..<0
            return .listRequest(
                ListRequest(
                    header: digest, wantsBody: list.body == nil, first: cells.lowerBound, count: cells.count))
        case .naming(_, missing: []):
            return .listRequest(ListRequest(header: digest, wantsBody: true, first: 0, count: 0))
        case .naming(_, let missing):
            return .itemsRequest(digest, Array(missing.prefix(Message.itemsMax)))
        }
    }
}

extension Node {
    /// What this node would list of the same epoch, compared with what the header says.
    func expectedList(of candidate: Candidate) -> ListGuess {
        let header = candidate.header
        let items =
            header.parent == chain.parent
            ? pool.entries(randomness: chain.randomness, parameters: genesis.parameters).map {
                EvidenceItem(author: $0.author, item: $0.item)
            } : []
        if EvidenceSummary(items: items.map(\.item)) == header.evidence {
            return ListGuess(items: items, stage: .known)
        }
        let difference = ListDifference(
            own: items.map(\.item), keys: SketchKeys(header: candidate.digest),
            theirCount: Int(header.evidence.count))
        return ListGuess(items: items, stage: difference.map { .differing($0) } ?? .whole)
    }

    /// An unanswered question counts against asking for differences: not everybody may be able to answer it.
    func noteVain(_ candidate: inout Candidate) {
        guard candidate.list != nil else { return }
        candidate.list!.vain += 1
        if candidate.list!.vain > ListGuess.vainMax { candidate.list!.stage = .whole }
    }

    func noteQuestion(_ candidate: inout Candidate) {
        guard candidate.list != nil else { return }
        candidate.list!.questions += 1
        if candidate.list!.questions > ListGuess.questionsMax { candidate.list!.stage = .whole }
    }

    // MARK: Answers

    func receive(
        _ answer: ListCells, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard var candidate = candidates[answer.header], case .needsContents = candidate.stage,
            candidate.asked.contains(peer), var list = candidate.list
        else { return count(.unasked) }
        if let body = answer.body, list.body == nil {
            guard body.root == candidate.header.transactionsRoot else { return count(.inconsistentContents) }
            list.body = body
        }
        // What tells nothing new is no answer: else a liar would be asked for ever.
        var isNews = list.body != nil && candidate.list?.body == nil
        if case .differing(var difference) = list.stage {
            let frontier = difference.frontier
            do throws(Decoder.Fault) {
                try difference.receive(first: Int(answer.first), answer.cells)
                if difference.frontier > frontier { isNews = true }
                if difference.isComplete {
                    let missing = difference.onlyTheirs.sorted()
                    list.stage =
                        missing.count > Message.itemsMax ? .whole : .naming(difference, missing: missing)
                } else {
                    list.stage = difference.next == nil ? .whole : .differing(difference)
                }
            } catch {
                // Whoever answers next is asked for the list itself.
                count(.inconsistentContents)
                list.stage = .whole
                isNews = true
            }
        }
        guard isNews else { return count(.unasked) }
        proceed(&candidate, list, from: peer, at: now)
        advance(answer.header, at: now, &actions)
    }

    func receive(
        _ items: [EvidenceItem], of header: Digest, from peer: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard var candidate = candidates[header], case .needsContents = candidate.stage,
            candidate.asked.contains(peer), var list = candidate.list,
            case .naming(let difference, var missing) = list.stage, !missing.isEmpty
        else { return count(.unasked) }
        let before = missing.count
        for item in items {
            guard let place = missing.firstIndex(of: difference.short(item.item)) else { continue }
            missing.remove(at: place)
            list.found.append(item)
        }
        // Whoever has the list has them all. If there are none of that name, somebody made them up.
        list.stage = missing.count < before ? .naming(difference, missing: missing) : .whole
        proceed(&candidate, list, from: peer, at: now)
        advance(header, at: now, &actions)
    }

    /// If the list is complete, checks it against the header; else asks on, whoever has just answered first.
    private func proceed(
        _ candidate: inout Candidate, _ list: ListGuess, from peer: NodeID, at now: Instant
    ) {
        candidate.list = list
        candidate.list!.vain = 0
        candidate.answerer = peer
        candidate.retryAt = now
        var items: [EvidenceItem]?
        switch list.stage {
        case .known: items = list.items
        case .naming(let difference, missing: let missing) where missing.isEmpty:
            let gone = Set(difference.onlyOurs)
            let kept = list.items.indices.filter { !gone.contains($0) }.map { list.items[$0] }
            items = (kept + list.found).sorted { $0.author < $1.author }
        case .naming, .differing, .whole: break
        }
        if let items, let body = list.body {
            let contents = Contents(header: candidate.header, body: body, items: items)
            if contents.isOrdered, contents.matchesHeader {
                candidate.stage = .needsBundles(contents)
                candidate.list = nil
            } else {
                count(.inconsistentContents)
                candidate.list!.stage = .whole
            }
        }
        candidates[candidate.digest] = candidate
    }

    // MARK: Serving

    /// What of a candidate or of one of the last blocks is here. Its items are not made before they are needed: of a
    /// block they are as many entries as there are authors.
    private enum Listed {
        case block(Block)
        case contents(Contents)

        var body: Body {
            switch self {
            case .block(let block): block.body
            case .contents(let contents): contents.body
            }
        }

        func items() -> [EvidenceItem] {
            switch self {
            case .block(let block): block.contents.items
            case .contents(let contents): contents.items
            }
        }
    }

    private func listed(_ header: Digest) -> Listed? {
        switch candidates[header]?.stage {
        case .executed(let block, _): return .block(block)
        case .needsBundles(let contents), .checking(let contents, _), .laidAside(let contents):
            return .contents(contents)
        case .needsContents, .invalid, nil: break
        }
        return chain.recent.last(where: { $0.header.digest == header }).map { .block($0) }
    }

    func serve(_ request: ListRequest, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard endpoints[peer] != nil, let listed = listed(request.header) else { return }
        var cells: [SketchCell] = []
        if request.count > 0 {
            let read = listSketches.with(request.header, items: listed.items()) {
                $0.sketch.cells(request.indices)
            }
            cells = read.result
            answerDesk.charge(entries: read.walked, to: peer, at: now)
        }
        answer(
            .listCells(
                ListCells(
                    header: request.header, body: request.wantsBody ? listed.body : nil,
                    first: Int(request.first), cells: cells)), to: peer, at: now, &actions)
    }

    func serveItems(
        _ shorts: [UInt64], of header: Digest, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard endpoints[peer] != nil, let listed = listed(header) else { return }
        var items: [EvidenceItem] = []
        if !shorts.isEmpty {
            let read = listSketches.with(header, items: listed.items()) { list in
                let places = list.sketch.places(of: shorts).prefix(Message.itemsMax)
                return (items: places.map { list.items[$0] }, count: list.items.count)
            }
            items = read.result.items
            // All short ids are looked at, for however few are asked for.
            answerDesk.charge(entries: read.walked + read.result.count, to: peer, at: now)
        }
        answer(.items(header, items), to: peer, at: now, &actions)
    }
}

extension Contents {
    /// As every list is, so that a root stands for one list.
    var isOrdered: Bool { zip(items, items.dropFirst()).allSatisfy { $0.author < $1.author } }
}
