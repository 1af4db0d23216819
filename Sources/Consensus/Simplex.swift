public import Chance
public import Identity
public import Wire

/// Decides one header per epoch among a weighted committee, of which less than a third may do anything.
///
/// Simplex (Chan and Pass, "Simplex Consensus: A Simple and Fast Consensus Protocol", 2023, section 3), with
/// these deviations: it decides one value an epoch and proposes a notarized header again instead of extending
/// a chain; notarizing needs execution; timers grow with the view; a summary repairs what the network loses.
///
/// Upon opening epoch e: wait for the window's end and G, or for votes of more than a third, then begin view 1.
/// Upon every event, each of these is looked at again in the current view v, where N[w] and X[w] are the
/// certificates of notarization and nullification:
/// 1. Propose, if leading v: u = highest view with N[u], else 0. X[w] must be held for all u < w < v. For
///    u ≥ 1 propose N[u] again, for u = 0 build a fresh header. Attach N[u] and X[u+1 … v−1].
/// 2. Notarize (v, d), once: the header is well formed, certificates justify it, the host calls it valid. A
///    fresh header also needs a finished reconciliation round; in the first k views the host may reject it for
///    subjective reasons. Allowed after the own nullification.
/// 3. Finalize (v, d) in any view: N[v] = d, notarized here, not nullified here.
/// 4. Nullify (v): the proposal timer ran out and nothing is notarized here; or the view timer ran out without
///    N[v]; or what the leader signed is objectively invalid. Never after the own finalization.
/// 5. A quorum of equal votes is a certificate: sent to all.
/// 6. X[v] → enter v+1. N[v] → enter v at once, v+1 after the finalize timer. A finalize certificate ends the epoch.
///    Votes of others for what it names are taken until the next epoch opens, and by the host until its block is built
///    (`FinalityVotes`): who votes is paid. Of its own a seat signs that one, by rule 3, and nothing else any more.
///
/// Whether a proposal is fresh is read from the header's `buildView`, which the leader signed, never from the
/// proposal's `parentView`, which a relay could forge; certificates count wherever they came from.
///
/// Every vote is in the `persist` that its step emits first. An observer (no seat, or no right to vote) does all
/// but sign. The host verifies signatures; this machine trusts them and checks everything else.
public struct Simplex: Sendable {
    public struct Settings: Sendable {
        public let network: Digest
        /// Δ: an upper bound of a message's delay among validators. The node's own grows above it where its
        /// proposals come back slower, see `Pace`.
        public let delta: Duration
        /// G: from the window's end to view 1, for reconciliation to settle.
        public let gather: Duration
        /// R: added to the timers of a view, for fetching and executing a block.
        public let executionAllowance: Duration
        /// How many peers a summary goes to.
        public let summaryPeers: Int
        /// False where the store may be a copy: the node observes.
        public let mayVote: Bool
        /// Whether it stops voting where its key signs elsewhere. Only an adversary's second machine goes on.
        public let resigns: Bool

        public init(
            network: Digest, delta: Duration = .milliseconds(300), gather: Duration? = nil,
            executionAllowance: Duration = .milliseconds(500), summaryPeers: Int = 6, mayVote: Bool = true,
            resigns: Bool = true
        ) {
            precondition(delta > .zero && executionAllowance >= .zero && summaryPeers > 0)
            let gather = gather ?? delta * 2
            precondition(gather >= delta * 2, "reconciliation needs a round trip after the window's end")
            self.network = network
            self.delta = delta
            self.gather = gather
            self.executionAllowance = executionAllowance
            self.summaryPeers = summaryPeers
            self.mayVote = mayVote
            self.resigns = resigns
        }
    }

    /// One epoch to decide.
    public struct Instance: Hashable, Sendable {
        public let epoch: Epoch
        public let committee: Committee
        /// Indices of seats; the leader of view v is `leaders[(v − 1) % count]`.
        public let leaders: [Int]
        /// k: fresh headers of these first views may be rejected for subjective reasons.
        public let subjectiveViews: View

        public init(epoch: Epoch, committee: Committee, leaders: [Int], subjectiveViews: View) {
            precondition(!leaders.isEmpty && leaders.count <= Certificate.seatsMax)
            precondition(leaders.allSatisfy { committee.seats.indices.contains($0) })
            self.epoch = epoch
            self.committee = committee
            self.leaders = leaders
            self.subjectiveViews = subjectiveViews
        }

        public func leader(of view: View) -> NodeID {
            precondition(view > 0)
            return committee.seats[leaders[Int(view - 1) % leaders.count]].key
        }
    }

    public enum Judgement: Hashable, Sendable {
        case valid
        case objectivelyInvalid
        /// Objectively valid, but unfair or implausible as this node saw the window: binding for fresh headers only.
        case subjectivelyRejected
    }

    /// What happens. All signatures inside have been verified.
    public enum Event: Sendable {
        /// The block before is final here; the own window of the epoch ends then.
        case open(Instance, windowEnds: Instant)
        case vote(Vote)
        case certificate(Certificate)
        case proposal(Proposal)
        case summary(Summary, from: NodeID)
        case proposalRequested(epoch: Epoch, view: View, from: NodeID)
        /// The answer to `Action.build`.
        case built(epoch: Epoch, view: View, Header)
        /// The answer to `Action.evaluate`.
        case judged(epoch: Epoch, digest: Digest, Judgement)
        /// A reconciliation round after the window's end is complete with peers of more than a third.
        case gathered
        /// Whom the host has a session with: what is said to others goes nowhere.
        case peers(Set<NodeID>)
        case woke
    }

    public enum Action: Sendable {
        /// Must be durable before any later action of the step leaves.
        case persist(SafetyState)
        /// To all committee members, and as gossip.
        case broadcast(Message)
        case send(NodeID, Message)
        /// Make a fresh header of what is held now.
        case build(Epoch, View)
        /// Hold all that stands behind the header, execute it again, compare. The answer may come late or never.
        case evaluate(Header, Epoch, View, isSubjective: Bool)
        case began(Epoch)
        /// Once an epoch in each life of the machine.
        case finalised(FinalHeader)
        case alarm(Alarm)
    }

    public enum Alarm: Hashable, Sendable {
        /// Two votes of one key that no honest node signs.
        case contradiction(Vote, Vote)
        /// A quorum certified what this node's own execution calls invalid.
        case divergence(Epoch, Digest)
        /// A vote of the own key that this machine did not cast: another machine has the key, or the store was put back from
        /// a copy. From here on this one observes.
        case signedElsewhere(Ballot)
        /// Two certificates that exist only if more than a third of the weight is dishonest.
        case fork(Certificate, Certificate)
    }

    /// For people and dashboards.
    public struct Status: Hashable, Sendable {
        public let epoch: Epoch
        /// 0 before the epoch has begun.
        public let view: View
        public let leader: NodeID?
        public let highestNotarization: View
        public let isObserver: Bool
        public let isFinal: Bool
        public let waitsFor: String
    }

    private let settings: Settings
    private let signer: SigningKey
    private var chance: Chance
    private var restored: SafetyState?
    private var round: Round?
    private var pace: Pace
    private var peers: Set<NodeID> = []
    private var hasResigned = false
    /// When to send `woke`, at the latest. Stored: a host that asks reads a word and copies no machine.
    public private(set) var deadline: Instant = .never

    public init(settings: Settings, signer: SigningKey, chance: Chance, restored: SafetyState?) {
        self.settings = settings
        self.signer = signer
        self.chance = chance
        self.restored = restored
        pace = Pace(floor: settings.delta)
    }

    public var status: Status {
        round?.status
            ?? Status(
                epoch: 0, view: 0, leader: nil, highestNotarization: 0, isObserver: true, isFinal: false,
                waitsFor: "an epoch to open")
    }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        var outbox: [Action] = []
        if case .peers(let peers) = event { self.peers = peers }
        if case .open(let instance, let windowEnds) = event {
            open(instance, windowEnds: windowEnds)
            round?.resume(at: now, &outbox)
        } else {
            round?.receive(event, at: now, &outbox)
        }
        round?.settle(at: now, &outbox)
        // Everything that was signed in this step is in the state that stands before it.
        hasResigned = hasResigned || round?.hasResigned ?? false
        if let state = round?.takeUnsaved() { actions.append(.persist(state)) }
        actions += outbox
        deadline = round?.deadline ?? .never
        assertInvariants()
    }

    /// Whether a vote, certificate or proposal would change anything here. What would not is neither verified nor passed
    /// on: else one dishonest validator makes everybody carry what it invents, well signed, about views far ahead.
    public func isOfUse(_ message: Message) -> Bool { round?.isOfUse(message) ?? false }

    /// An epoch opens once; one below what was signed before the restart is only observed.
    private mutating func open(_ instance: Instance, windowEnds: Instant) {
        if let round, round.epoch >= instance.epoch { return }
        if let roundTrip = round?.roundTrip { pace.observe(roundTrip: roundTrip) }
        let lastFinal = round?.lastFinal ?? restored?.lastFinal
        let isForgotten = restored.map { $0.epoch > instance.epoch } ?? false
        let isVoter = settings.mayVote && !isForgotten && !hasResigned
        round = Round(
            instance: instance, settings: settings, signer: signer, isVoter: isVoter, chance: chance.split(),
            delta: pace.delta, windowEnds: windowEnds, lastFinal: lastFinal)
        round?.peers = peers
        if let restored, restored.epoch == instance.epoch { round?.restore(restored) }
    }

    /// Whether a verified certificate of the open epoch, which came by another way than consensus, has a vote of the own key that
    /// this machine did not cast.
    public func isDoubled(in certificate: Certificate) -> Bool { round?.isDoubled(in: certificate) ?? false }

    /// Observes only, from here on.
    public mutating func resign() {
        hasResigned = true
        round?.resign()
    }

    /// The certificate of what is final in the epoch that was opened last, with every vote for it that has come; nil if nothing is.
    public var finality: Certificate? { round?.finality }

    /// Every table with its present size and its bound.
    public var gauges: [(name: String, value: Int, limit: Int)] { round?.gauges ?? [] }

    /// Run after each event; tests and simulation may run it at any time.
    public func assertInvariants() {
        round?.assertInvariants()
    }
}
