public import Chance
internal import Geo
public import Identity
internal import Rules
internal import Wire

// Peers for where they are. A region is only a claim, and whoever claims one costs nothing: see the DocC article.
//
// - Of the active view at most four are near, and never more than are not. They count toward nothing of one's own choice.
// - 2 s after the start, and every time twice as late up to a renewal period: a peer is asked who is near (`nearby`), by turns
//   a random one and the nearest; its answer is cards like any others.
// - Upon cards, at most once in 10 s: of the nearest four that live, as far as is known, the first that is no peer is
//   dialled while there is a place. Without one: only if it is at most half as far as the farthest near peer, which
//   gives way once it is welcome; once a renewal period.
// - Where there is no room, a stranger that came by itself gives way to a near one, as long as as many are left that are not
//   near. So it does, once in 10 s, to one that dials and is among the nearest four peers.
// - Whoever came by itself and is among the nearest four takes a place.
// - Upon `nearby`: of the cards that are told the four nearest to that cell. One's own is not among them: whoever asks has
//   it from the handshake. A peer is answered once a second, all strangers together ten times.
//
// Small networks are full meshes, where nobody is near or far. Equally far are most in a city: which of them go first is
// drawn by each node for itself, so that no key is everybody's neighbour.

/// What is remembered for it.
struct Nearness: Equatable, Sendable {
    static let firstQuery: Duration = .seconds(2)
    static let firstDial: Duration = .seconds(5)
    /// Between two dials, and between two dialled by that are welcome for their place, so that later ones have their say.
    static let dialPeriod: Duration = .seconds(10)
    /// Between two looks for somebody to dial.
    static let lookPeriod: Duration = .seconds(1)
    static let answerPeriod: Duration = .seconds(1)
    static let strangersAnswerPeriod: Duration = .milliseconds(100)

    /// Of its own, so that all else is drawn as it would be without places.
    var chance: Chance
    /// Decides among those who are equally far.
    let salt: UInt64
    var nextQuery: Instant
    var period = firstQuery
    var asksNearest = false
    var nextDial: Instant
    var nextSwap: Instant
    var nextWelcome = Instant.origin
    /// Who was dialled for its place, and has not answered.
    var dialled: NodeID?
    /// When the next stranger is answered.
    var nextStranger = Instant.origin

    init(chance: Chance, now: Instant) {
        var chance = Chance(
            seed: {
                var copy = chance; return copy.bits() ^ 0x6E65_6172
            }())
        salt = chance.bits()
        self.chance = chance
        nextQuery = now + Self.firstQuery
        nextDial = now + Self.firstDial
        nextSwap = now
    }

    mutating func jittered(_ whole: Duration) -> Duration { chance.duration(in: (whole / 2)...whole) }
}

extension Membership {
    private struct Ranked {
        let metres: Int
        let tie: UInt64
        let index: Int

        static func < (left: Ranked, right: Ranked) -> Bool {
            (left.metres, left.tie, left.index) < (right.metres, right.tie, right.index)
        }
    }

    private var nearMax: Int { isRemoved(.nearPlaces) ? settings.activeMax : settings.nearMax }

    var nearCount: Int { contacts.active.count { contacts.list[$0].link?.isNear == true } }

    var seeksNear: Bool { own.region != nil && settings.nearMax > 0 && !isSmall && contacts.activeCount > 0 }

    /// The nearest first, at most so many, of those with a place that are asked for.
    private func nearest(
        to place: Position, max count: Int, salt: UInt64, where isWanted: (Contact) -> Bool
    ) -> [Ranked] {
        var found: [Ranked] = []
        for index in contacts.list.indices {
            guard let there = contacts.list[index].place, isWanted(contacts.list[index]) else { continue }
            let metres = there.distanceMetres(to: place)
            if found.count == count, let last = found.last, last.metres < metres { continue }
            var mix = Chance(seed: salt ^ contacts.list[index].node.prefix)
            let ranked = Ranked(metres: metres, tie: mix.bits(), index: index)
            found.insert(ranked, at: found.firstIndex { ranked < $0 } ?? found.count)
            if found.count > count { found.removeLast() }
        }
        return found
    }

    // MARK: Asking

    mutating func seekNear(at now: Instant, _ actions: inout [Action]) {
        nearness.nextQuery = now + nearness.jittered(nearness.period)
        nearness.period = min(nearness.period * 2, settings.renewalPeriod)
        guard let region = own.region else { return }
        adopt(nearestFour(to: region.centre, at: now))
        let active = contacts.active
        var index = active[nearness.chance.below(active.count)]
        if nearness.asksNearest,
            let first = nearest(to: region.centre, max: 1, salt: nearness.salt, where: { $0.isActive }).first
        {
            index = first.index
        }
        nearness.asksNearest.toggle()
        var link = contacts.list[index].link!
        link.isAskedForCards = true
        contacts.update(link, at: index)
        actions.append(.send(contacts.list[index].node, link.endpoint, .nearby(region)))
    }

    /// A near peer is gone: another is looked for soon.
    mutating func lostNear(at now: Instant) {
        nearness.period = min(nearness.period, Nearness.dialPeriod)
        nearness.nextQuery = min(nearness.nextQuery, now + nearness.jittered(Nearness.dialPeriod))
    }

    /// The own card names another region, or its first.
    mutating func movedRegion(at now: Instant) {
        nearness.period = Nearness.firstQuery
        nearness.nextQuery = min(nearness.nextQuery, now + Nearness.firstQuery)
    }

    // MARK: Choosing

    /// Peers, and those who may be dialled.
    private func nearestFour(to place: Position, at now: Instant) -> [Ranked] {
        var prefixes: [Prefix: Int] = [:]
        for index in contacts.active {
            guard let prefix = settings.prefix(of: contacts.list[index].home) else { continue }
            prefixes[prefix, default: 0] += 1
        }
        return nearest(to: place, max: nearMax, salt: nearness.salt) { contact in
            if contact.isActive { return true }
            guard let retryAt = contact.retryAt, retryAt <= now, isTold(contact), !contact.endpoints.isEmpty
            else { return false }
            return contact.isTrusted
                || settings.prefixes(of: contact).allSatisfy {
                    prefixes[$0, default: 0] < Self.activeOfPrefixMax
                }
        }
    }

    private mutating func adopt(_ nearest: [Ranked]) {
        for ranked in nearest {
            guard var link = contacts.list[ranked.index].link, !link.isOutbound, !link.isNear,
                isEnoughFor(near: nearCount + 1, of: contacts.activeCount)
            else { continue }
            link.isNear = true
            contacts.update(link, at: ranked.index)
        }
    }

    private func isEnoughFor(near: Int, of all: Int) -> Bool {
        near <= nearMax && (near <= all - near || isRemoved(.nearPlaces))
    }

    /// Whether there is room for one more stranger that was not chosen among all.
    private var hasFreePlace: Bool { contacts.activeCount < settings.activeMax && hasRoomForUnchosen }

    /// Strangers that came by themselves and are not near.
    private var givingWayToNear: [Int] {
        contacts.active.filter {
            guard let link = contacts.list[$0].link, !contacts.list[$0].isTrusted else { return false }
            return !link.isOutbound && !link.isNear
        }
    }

    private func hasRoomForNear(isSwap: Bool) -> Bool {
        if isSwap { return isEnoughFor(near: nearCount, of: contacts.activeCount) }
        if hasFreePlace { return isEnoughFor(near: nearCount + 1, of: contacts.activeCount + 1) }
        return isEnoughFor(near: nearCount + 1, of: contacts.activeCount) && !givingWayToNear.isEmpty
    }

    /// Of the near peers the one to give way.
    private func farthestNear(from place: Position) -> (index: Int, metres: Int)? {
        var farthest: (index: Int, metres: Int)?
        for index in contacts.active where contacts.list[index].link?.isNear == true {
            // A card that names no place any more is as far as can be.
            let metres = contacts.list[index].place?.distanceMetres(to: place) ?? .max
            if farthest.map({ $0.metres < metres }) ?? true { farthest = (index, metres) }
        }
        return farthest
    }

    /// Dials one for its place, if it is worth it.
    mutating func dialNear(at now: Instant, _ actions: inout [Action]) {
        guard seeksNear, nearness.nextDial <= now, let centre = own.region?.centre else { return }
        nearness.nextDial = now + Nearness.lookPeriod
        let four = nearestFour(to: centre, at: now)
        guard let first = four.first(where: { !contacts.list[$0.index].isActive }) else { return }
        if nearCount >= nearMax {
            guard nearness.nextSwap <= now, let farthest = farthestNear(from: centre),
                first.metres < farthest.metres, first.metres <= farthest.metres / 2,
                hasRoomForNear(isSwap: true)
            else { return }
        } else {
            guard hasRoomForNear(isSwap: false) else { return }
        }
        nearness.nextDial = now + nearness.jittered(Nearness.dialPeriod)
        dial(first.index, at: now, &actions)
        nearness.dialled = contacts.list[first.index].node
    }

    /// For whoever dials and is among the nearest four peers.
    mutating func mayJoinAsNear(
        _ index: Int, _ endpoint: Endpoint, at now: Instant, _ actions: inout [Action]
    ) -> Bool {
        guard seeksNear, nearness.nextWelcome <= now, let place = own.region?.centre,
            let metres = contacts.list[index].place?.distanceMetres(to: place),
            contacts.list[index].isTrusted || hasRoom(inPrefixOf: endpoint)
        else { return false }
        let nearer = contacts.active.count {
            contacts.list[$0].place.map { $0.distanceMetres(to: place) <= metres } ?? false
        }
        guard nearer < nearMax, makeRoomForNear(index, at: now, &actions) else { return false }
        nearness.nextWelcome = now + nearness.jittered(Nearness.dialPeriod)
        return true
    }

    /// For one that is to be a near peer; the farthest of them, or one that came by itself, may give way.
    mutating func makeRoomForNear(_ index: Int, at now: Instant, _ actions: inout [Action]) -> Bool {
        guard nearCount >= nearMax else {
            guard hasRoomForNear(isSwap: false) else { return false }
            if hasFreePlace { return true }
            let may = givingWayToNear
            dismiss(may[nearness.chance.below(may.count)], at: now, &actions)
            return true
        }
        guard nearness.nextSwap <= now, hasRoomForNear(isSwap: true), let place = own.region?.centre,
            let metres = contacts.list[index].place?.distanceMetres(to: place),
            let farthest = farthestNear(from: place), metres <= farthest.metres / 2
        else { return false }
        nearness.nextSwap = now + settings.renewalPeriod
        let (period, nextQuery) = (nearness.period, nearness.nextQuery)
        dismiss(farthest.index, at: now, &actions)
        (nearness.period, nearness.nextQuery) = (period, nextQuery)
        return true
    }

    // MARK: Being asked

    /// Whether a question who is near is answered now: an answer is a look at every card.
    public func answersNearby(_ sender: NodeID, at now: Instant) -> Bool {
        if let link = contacts[sender]?.link { return link.askedAt + Nearness.answerPeriod <= now }
        return nearness.nextStranger <= now
    }

    mutating func answerNearby(
        _ cell: Cell, from sender: NodeID, _ endpoint: Endpoint, at now: Instant, _ actions: inout [Action]
    ) {
        guard sender != own.node, answersNearby(sender, at: now) else { return }
        if let index = contacts.index(of: sender), var link = contacts.list[index].link {
            link.askedAt = now
            contacts.update(link, at: index)
        } else {
            nearness.nextStranger = now + Nearness.strangersAnswerPeriod
        }
        let found = nearest(to: cell.centre, max: Frame.recordsMax, salt: nearness.chance.bits()) {
            $0.node != sender && isTold($0)
        }
        let cards = found.map { contacts.list[$0.index].record! }
        actions.append(.send(sender, endpoint, .records(cards, asks: false)))
    }
}
