internal import Chance
internal import Identity
internal import Wire

// How long a card is good for, counted in final epochs: see the DocC article. Only its owner can renew it.
extension Membership {
    /// Dials in vain after which an expired card is forgotten.
    static let attemptsOfExpired = 2

    /// No card at all has not expired.
    func hasExpired(_ record: NodeRecord?) -> Bool {
        guard let record, record.epoch < final else { return false }
        return final - record.epoch > lifetime
    }

    /// Whether others are told of it. A stranger that they could not dial helps nobody; and who names an epoch far
    /// ahead would have its card told for ever, long after it is gone.
    func isTold(_ contact: Contact) -> Bool {
        guard let record = contact.record, contact.isReachable, contact.attempts < 2, !contact.isHearsay,
            !hasExpired(record)
        else { return false }
        return record.epoch <= final || record.epoch - final <= lifetime
    }

    /// Whoever dials may know this node by an expired card, and is told the present one even if it is refused. Before a lifetime
    /// of the network has passed there are none.
    var mayHaveExpired: Bool { final > lifetime }

    /// Of those who expired and do not answer. Nobody is forgotten untried: of a node that was off for a day, all cards
    /// expire at once as it catches up, and what is told first must not be all that it knows.
    mutating func forgetExpired(at now: Instant) {
        for index in contacts.list.indices.reversed() {
            let contact = contacts.list[index]
            guard let retryAt = contact.retryAt, !contact.isTrusted, !contact.isAnchor,
                hasExpired(contact.record)
            else { continue }
            // The last dial may yet be answered.
            let vain = retryAt <= now ? contact.attempts : contact.attempts - 1
            guard vain >= Self.attemptsOfExpired else { continue }
            contacts.remove(at: index)
        }
    }

    /// The renewed card of one's own, to every peer: they tell others.
    func tellPeers(_ actions: inout [Action]) {
        for index in contacts.active {
            let contact = contacts.list[index]
            actions.append(.send(contact.node, contact.link!.endpoint, .records([own], asks: false)))
        }
    }
}
