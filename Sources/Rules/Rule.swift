/// Rules of the design that can be switched off, to see that the simulator notices.
///
/// Only in builds with the condition `MUTATIONS` (`tools/mutants`): in all others `isRemoved` is the constant false, and
/// nothing is there that could make it true. Each case quotes the design's sentence.
@usableFromInline package enum Rule: String, CaseIterable, Sendable {
    // MARK: Consensus

    /// "X[w] MUST be held for all u < w < v, else pull."
    case proposeJustified
    /// "★ The attached certificates are valid and justify it (u = 0 or N[u] = d, and X for every w between)."
    case notarizeJustified
    /// "notarized[v] empty": one notarization a view.
    case notarizeOnce
    /// "Re-execution gives the same roots", and every other objective rule.
    case notarizeExecuted
    /// "The block lacks an entry for an author whose valid bundle I held": a leader cannot censor.
    case inclusion
    /// "Or an unstaking that I held before the window": nor keep stake locked.
    case unstakingInclusion
    /// "Finalize(v,d): N[v] = d, notarized[v] = d."
    case finalizeOwnNotarized
    /// "★ Not nullified[v]", of finalizing.
    case finalizeNotNullified
    /// "A quorum of equal votes forms a certificate."
    case quorum
    /// "Re-arm the timers (forgetting that stalled 93 of 6,000 runs)."
    case timersAfterRestart
    /// "Every Δ ± 20 % until final: a Summary to about six peers."
    case summaries
    /// "Before notarizing a fresh block one reconciliation round after my window's end is complete."
    case gathering
    /// After 64 views without a notarization the proposal timer is waited for, whatever a header is: views never run away.
    case hastyViews

    // MARK: What is said

    /// "Durable before sent ★"; "the driver MUST commit a persist batch before it sends any datagram that the same
    /// step emitted after it".
    case durableBeforeSent
    /// What stands behind a header is durable before it is voted for, so that whoever notarized can serve it.
    case contentsDurable
    /// "A recorded machine id, device or inode that differs (a copy): observe only."
    case copyObserves
    /// "Sign no bundle for an epoch already open", of a copy.
    case copySignsNoBundle
    /// "A restarted node re-sends the same bytes" of its one bundle.
    case sameBundleAgain
    /// What a disk changed is not believed: a flipped bit of a remembered vote would make a contradiction.
    case sealedRecords
    /// "MUST: only after the node itself has verified the finalize certificate of block e […] does the beaconer
    /// release its VRF proof."
    case revealAfterFinality

    // MARK: What is believed

    /// "Each signature singly", of votes, and of certificates and proposals that carry them.
    case voteSignatures
    /// The finalize certificate of a header that a peer sends to one who is behind: "verified through the committee
    /// digests"; "a lying uplink must not trick it".
    case finalitySignatures
    /// Bundles are signed by their authors.
    case bundleSignatures
    /// Transactions are signed by their accounts.
    case transactionSignatures
    /// "A bundle is valid only if its author is registered and effective at e."
    case registeredAuthors
    /// Contact cards are signed by those whom they are about.
    case cardSignatures
    /// "Forward only what was verified."
    case validateBeforeForward
    /// "The attached certificates are valid": each signature of what justifies a proposal.
    case justificationSignatures
    /// A proposal is looked at and passed on only with its leader's vote.
    case leadersVote
    /// "Larger objects go in hashed chunks": what they come to is what its digest says, or it is nothing.
    case chunkDigests
    /// "Peels ≤ cells received, each h peeled once, else abort and score."
    case sketchLimits
    /// "A known key lets a crafted set cancel a victim's items": those of a session's short ids are nobody else's.
    case keyedShortIDs
    /// "Bad signature −100 […]; −80 ignore": whoever does wrong is heard no more for a while.
    case faultsCount

    // MARK: Who gets in

    /// "Replay window 2,048": no datagram of a session is heard twice.
    case replayWindow
    /// "Answer with a cookie bound to the source address."
    case cookieBinding
    /// "`mac1` always": whoever does not know whom it calls makes nobody work.
    case mac1
    /// "Signed records with sequence numbers": an older one never takes the place of a newer one.
    case recordSequence
    /// "At most 2 active and 10 passive peers per /24 or /48."
    case prefixLimits

    /// "Of the active view at most four are near, and never more than are not."
    case nearPlaces

    /// "Introduction through a common peer": it makes who is introduced call a stranger, twice a second at most.
    case introductionLimits

    // MARK: What a block does

    /// "MUST: a registration, key, location, gain, owner, region or stake change in block r takes effect at epoch r+4."
    case registryDelay
    /// "Conflict in block e: both void, the author suspended."
    case conflictSuspends
    /// "Transactions, by (account, nonce), accounts ordered by BLAKE2b(R(e) ‖ account)."
    case transactionOrder
    /// One entry an author, in their order: an item that a leader names twice is no evidence.
    case ascendingAuthors
    /// "The books balance to the unit every epoch."
    case balancedBooks
    /// A transfer that opens an account costs a thousand least fees more, as every node keeps it for ever.
    case accountFee
    /// "A node whose roots differ from a finalised header stops voting and serving."
    case divergenceHalts

    // MARK: What an edge node believes

    /// "A header is final when votes to finalize it, of more than two thirds of the weight, are verified here."
    case edgeQuorum
    /// The votes that a validator shows for a header are signed by who has the seats.
    case edgeVoteSignatures
    /// The votes are for the header that they are shown for.
    case edgeVotesOfHeader
    /// "Whatever has that digest is that committee, whoever hands it over", and nothing else is.
    case edgeCommittees
    /// "Whether the own bundle is in block e is settled by a proof under its evidence root."
    case edgeInclusion
    /// The registry's record is "believed with a proof under the state root of the last final header here".
    case edgeRegistry
    /// Validators' cards are "believed with their signatures".
    case edgeCards
    /// "At 80 %: a validator that it was not given to is asked for it": who keeps a bundle to itself is found out.
    case edgeAsksOthers

    // MARK: What the simulator found

    /// A copy's votes are another's to repeat: an observer that starts from them says nothing of them again.
    case copyRepeatsNoVotes
    /// A header commits to items only: the author beside one is the word of whoever sent the list.
    case authorsAreHints
    /// Of consensus only what changes something here is verified and passed on.
    case relaysOfUse
    /// Who takes us for a peer and is none is answered at once.
    case answersPings
    /// A silent peer is asked where its card says it is, as well as where it spoke last.
    case asksAtHome
    /// A session that leaves payload unanswered asks the place that the payload was for, if that is another.
    case sessionsAskAtHome
    /// What is asked of a peer is put off by the time that its question slept, and not by that which anything else waited.
    case onlyQuestionsSleep
    /// Whatever is said of an epoch says that those before it are final, and a finalize certificate that it is itself.
    case heedsLaterEpochs
    /// Cells of two sketches are never taken for cells of one, though a node was started or connected again between them.
    case sketchVersions
    /// What was taken in only because a header names it is given to whoever asks for it.
    case servesAsked
}

#if MUTATIONS
    // Both are written before any node runs or by the one thread that runs them all.
    nonisolated(unsafe) private var removedRule: Rule?
    nonisolated(unsafe) private var isEveryRuleInForce = false

    package let canRemoveRules = true

    /// Switches a rule off for the rest of this process. False if this build cannot.
    package func remove(_ rule: Rule) -> Bool {
        precondition(unsafe removedRule == nil, "one rule a process")
        unsafe removedRule = rule
        return true
    }

    @usableFromInline package func isRemoved(_ rule: Rule) -> Bool {
        unsafe removedRule == rule && !isEveryRuleInForce
    }

    /// For checkers that share code with what they check.
    package func withEveryRule<Result>(_ body: () -> Result) -> Result {
        unsafe isEveryRuleInForce = true
        defer { unsafe isEveryRuleInForce = false }
        return body()
    }
#else
    package let canRemoveRules = false

    /// Switches a rule off for the rest of this process. False if this build cannot.
    package func remove(_ rule: Rule) -> Bool { false }

    @inlinable package func isRemoved(_ rule: Rule) -> Bool { false }

    /// For checkers that share code with what they check.
    @inlinable package func withEveryRule<Result>(_ body: () -> Result) -> Result { body() }
#endif
