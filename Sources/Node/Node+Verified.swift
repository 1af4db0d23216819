import Chance
import Consensus
import Dissemination
import Geo
import Identity
import Ledger
import Membership
import Reconciliation
import Rules
import Wire

// What becomes of what the workers have checked.
extension Node {
    /// A worker's answer. An unknown ticket is one whose epoch has closed since.
    func verified(
        _ ticket: UInt64, _ verification: Verification, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let purpose = tickets.removeValue(forKey: ticket) else { return }
        ticketShares.end(ticket)
        edges.tickets.remove(ticket)
        if case .snapshotHeader(let final, let committee, let peer) = purpose {
            return verified(
                snapshotHeader: final, committee, from: peer, verification, at: now, &actions)
        }
        if case .snapshotBundle(let bundle, let peer) = purpose {
            return verified(
                snapshotBundle: bundle, from: peer, holds: verification.holds, at: now, &actions)
        }
        guard verification.holds else { return failed(purpose, at: now, &actions) }
        switch purpose {
        case .membership(let event): take(event, at: now, &actions)
        case .bundle(let bundle, let short, let keys, _, let replyTo):
            guard bundle.epoch == chain.openEpoch else { return count(.wrongEpoch) }
            for (key, output) in zip(keys, verification.outputs) { chain.vrfOutputs[key] = .some(output) }
            let isNew = hold(bundle, at: now, &actions)
            if isNew {
                actions.append(.persist(.bundle(bundle, isOwn: false)))
            } else if candidates.name(bundle),
                pool.insertAsked(bundle, owed: candidates.owed(bundle))
            {
                actions.append(.persist(.bundle(bundle, isOwn: false)))
            } else if !pool.contains(bundle.id) {
                decline(bundle, at: now, &actions)
            }
            if let short { run(dissemination: .accepted(short), at: now, &actions) }
            if let replyTo {
                accept(bundleOfEdge: bundle, from: replyTo, isNew: isNew, at: now, &actions)
            }
            advanceCandidates(with: bundle, at: now, &actions)
        case .transaction(let transaction, let short, _, let replyTo):
            admit(transaction, short, replyTo: replyTo, at: now, &actions)
        case .consensus(let message, let short, let peer):
            // Another copy, or a vote like it, may have been verified meanwhile.
            let isLate = isLateVote(message)
            guard isLate || simplex.isOfUse(message) || isRemoved(.relaysOfUse) else {
                count(.superfluous)
                return run(dissemination: .refused(short), at: now, &actions)
            }
            run(dissemination: .accepted(short), at: now, &actions)
            switch message {
            case .vote(let vote) where isLate: finalityVotes!.insert(vote)
            case .vote(let vote): run(simplex: .vote(vote), at: now, &actions)
            case .certificate(let certificate): run(simplex: .certificate(certificate), at: now, &actions)
            case .proposal(let proposal): run(simplex: .proposal(proposal), at: now, &actions)
            default: preconditionFailure("\(peer) cannot have sent this for a consensus ticket")
            }
        case .finality(let final, let teller):
            checkedFinality = nil
            noteGiven(by: teller)
            guard final.header.epoch == chain.openEpoch else { return }
            finalised(final, at: now, &actions)
        case .candidate(let digest): executeCandidate(digest, at: now, &actions)
        case .snapshotHeader, .snapshotBundle: break
        }
    }

    private func failed(_ purpose: Purpose, at now: Instant, _ actions: inout [NodeAction]) {
        count(.badSignature)
        switch purpose {
        case .membership(let event):
            if let (sender, place) = event.teller {
                run(membership: .forged(from: sender, place), at: now, &actions)
                charge(.badSignature, to: sender, at: now, &actions)
            }
        // The rest of a range with one forged certificate is not worth asking for.
        case .finality(_, let teller):
            refuseFetched(at: now)
            charge(.badSignature, to: teller, at: now, &actions)
        case .bundle(_, let short, _, let teller, _):
            if let short { run(dissemination: .refused(short), at: now, &actions) }
            if let teller { charge(.badSignature, to: teller, at: now, &actions) }
        case .transaction(let transaction, let short, let teller, let replyTo):
            if let short { run(dissemination: .refused(short), at: now, &actions) }
            if let teller { charge(.badSignature, to: teller, at: now, &actions) }
            refuse(transaction, .badSignature, replyTo: replyTo, &actions)
        case .consensus(_, let short, let peer):
            run(dissemination: .refused(short), at: now, &actions)
            charge(.badSignature, to: peer, at: now, &actions)
        case .candidate(let digest): invalidate(digest, .badTransactions, at: now, &actions)
        case .snapshotHeader, .snapshotBundle: break
        }
    }

    private func admit(
        _ transaction: Transaction, _ short: ShortID?, replyTo: Destination?, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        let isNew = !transactions.contains(transaction.id)
        if let fault = implausibleLocation(in: transaction)
            ?? transactions.insert(transaction, ledger: chain.ledger, epoch: chain.openEpoch)
        {
            count(.refusedTransaction)
            run(reconciliation: .declined(.transactions, transaction.id), at: now, &actions)
            if let short { run(dissemination: .refused(short), at: now, &actions) }
            return refuse(transaction, fault, replyTo: replyTo, &actions)
        }
        statuses.note(pending: transaction.id)
        run(reconciliation: .inserted(.transactions, transaction.id), at: now, &actions)
        dropDeparted(at: now, &actions)
        if let short {
            run(dissemination: .accepted(short), at: now, &actions)
        } else if isNew {
            publish(.transaction(transaction), at: now, &actions)
        }
        // It costs a fee, unless it was told before.
        if let replyTo, isNew {
            edges.allowance.giveBack(replyTo.node, of: settings.membership.prefix(of: replyTo.endpoint))
        }
        if let replyTo { answerStatus(of: transaction.id, to: replyTo, &actions) }
    }

    private func refuse(
        _ transaction: Transaction, _ fault: TransactionFault, replyTo: Destination?,
        _ actions: inout [NodeAction]
    ) {
        guard let replyTo else { return }
        let id = transaction.id
        statuses.note(refused: id, fault)
        answerStatus(of: id, to: replyTo, &actions)
        actions.append(.notice(.transactionRefused(id, fault)))
    }

    /// The subjective check of protocol §8: do these coordinates lie in this cell, as far as this machine can tell?
    ///
    /// Others' blocks may be a metre further off than what is admitted here: machines differ in the last bits, and what
    /// one of them has just admitted must not cost its leader the view.
    func implausibleLocation(in transaction: Transaction, ofBlock: Bool = false) -> TransactionFault? {
        switch transaction.kind {
        case .registerDevice(_, _, _, let location?), .locate(_, let location):
            location.position.lies(in: location.cell, toleranceMetres: ofBlock ? 21 : 20)
                ? nil : .implausibleLocation
        default: nil
        }
    }
}

extension Membership.Event {
    /// Who told the cards in it, and from where; nil if it has none of others.
    fileprivate var teller: (node: NodeID, place: Endpoint)? {
        switch self {
        case .records(_, _, let node, let place), .dial(_, _, let node, let place),
            .welcome(_, let node, let place), .refusal(_, let node, let place):
            (node, place)
        default: nil
        }
    }
}
