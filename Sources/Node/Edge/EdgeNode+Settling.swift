import Bytes
import Chance
import Consensus
import Coverage
import Identity
import Rules
import Wire

/// A final header whose evidence may hold the own bundle.
struct Settling {
    let header: Header
    let age: UInt32
    let bundle: Digest
    /// Whom it was asked of.
    var asked: [NodeID]
    var deadline: Instant
}

// Whether the own bundle has its place in a final block.
extension EdgeNode {
    func receive(
        inclusion proof: MerkleProof?, of epoch: Epoch, from sender: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard let settling else {
            // It came before its header was final.
            if let current = exchange, current.uplink == sender, current.epoch == epoch {
                exchange!.inclusion = .some(proof)
            }
            return
        }
        let header = settling.header
        guard header.epoch == epoch, settling.asked.last == sender else { return }
        guard let proof else { return placeElsewhere(at: now, &actions) }
        func shows(_ item: Digest) -> Bool {
            isRemoved(.edgeInclusion)
                || proof.verify(root: header.evidence.root, count: header.evidence.count, item: item)
        }
        if shows(settling.bundle) {
            return conclude(header, includesOwn: true, age: settling.age, at: now, &actions)
        }
        guard shows(EvidenceEntry.conflictItem(author: id, epoch: epoch)) else {
            lied(sender, "a place in the evidence of epoch \(epoch)", at: now, &actions)
            return placeElsewhere(at: now, &actions)
        }
        actions.append(
            .notice(.alarm("another machine signs bundles with this node's key: epoch \(epoch) is void")))
        conclude(header, includesOwn: false, age: settling.age, at: now, &actions)
    }

    func placeElsewhere(at now: Instant, _ actions: inout [NodeAction]) {
        guard var current = settling else { return }
        guard current.asked.count < Self.placesMax,
            let destination = uplinks.pick(excluding: current.asked, at: now)
        else { return conclude(current.header, includesOwn: false, age: current.age, at: now, &actions) }
        current.asked.append(destination.node)
        current.deadline = now + patience
        settling = current
        ask(.inclusion(current.header.epoch), destination, &actions)
    }

    /// Closes an epoch for the radio and opens the next.
    func conclude(
        _ header: Header, includesOwn: Bool, age: UInt32, at now: Instant, _ actions: inout [NodeAction]
    ) {
        settling = nil
        if ownBundle?.epoch == header.epoch { count(includesOwn ? .bundlesIncluded : .bundlesMissed) }
        run(coverage: .final(epoch: header.epoch, includesOwnBundle: includesOwn), at: now, &actions)
        // A validator's word on how long ago the next epoch opened; from one that is believed it moves this node's window
        // by no more than an eighth, so that a liar costs no more than some reports.
        var since = age == .max ? now : min(now, now + .milliseconds(-Int64(age)))
        if isAligned { since = min(now, max(since, openedAt + window * 7 / 8)) }
        isAligned = age != .max
        open(since: since, at: now, &actions)
        // Whoever gave the header may be further on: at once, then.
        if tip.map({ $0.epoch >= chain.openEpoch }) ?? false { poll(at: now, &actions) }
    }
}
