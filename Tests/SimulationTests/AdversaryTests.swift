import Bytes
import Chance
import Consensus
import Identity
import TestKit
import Testing
import Wire

@testable import Simulation

@Suite struct AdversaryTests {
    @Test func `an equivocator proposes two blocks to two halves, both with its good signature`() throws {
        for parentView: View in [0, 1] {
            var stage = Stage(.equivocator)
            let own = stage.proposal(by: 0, parentView: parentView)
            for peer in 1..<Stage.hosts { stage.say(.proposal(own), to: peer) }
            let proposals = try stage.heard().compactMap { said -> (Int, Proposal)? in
                guard case .proposal(let proposal) = said.message else { return nil }
                return (said.to, proposal)
            }
            let checks = proposals.map { $0.1.checks(in: stage.committee, network: Stage.network)! }
            #expect(checks.allSatisfy { $0.allSatisfy(\.holds) })
            let even = Set(proposals.filter { $0.0 % 2 == 0 }.map(\.1.header.digest))
            let odd = Set(proposals.filter { $0.0 % 2 == 1 }.map(\.1.header.digest))
            #expect(even == [own.header.digest])
            // What was notarized before can only be proposed again as it was.
            #expect(odd.contains(own.header.digest) == (parentView != 0))
            #expect(odd.count == 1)
            let contradictions = try stage.contradictions()
            #expect(!contradictions.isEmpty)
        }
    }

    @Test func `an equivocator understands its node's proposal in chunks`() throws {
        var stage = Stage(.equivocator)
        let own = stage.proposal(by: 0, justification: 4)
        #expect(Message.proposal(own).encoded().count > Frame.messageByteCountMax)
        for peer in 1..<Stage.hosts { stage.say(.proposal(own), to: peer) }
        var seen = Array(repeating: Set<Digest>(), count: Stage.hosts)
        for said in try stage.heard() {
            if case .proposal(let proposal) = said.message { seen[said.to].insert(proposal.header.digest) }
        }
        #expect(seen[2] == [own.header.digest] && seen[4] == [own.header.digest])
        #expect(seen[1].count == 1 && seen[1] == seen[3] && seen[1] != seen[2])
    }

    @Test func `an equivocator signs two bundles of one epoch, one for each half`() throws {
        var stage = Stage(.equivocator)
        let own = stage.bundle(by: 0)
        for peer in 1..<Stage.hosts { stage.say(.bundle(own), to: peer) }
        var ids = Array(repeating: Set<Digest>(), count: Stage.hosts)
        for said in try stage.heard() {
            guard case .bundle(let bundle) = said.message else { continue }
            #expect(isSigned(bundle) && bundle.author == own.author && bundle.epoch == own.epoch)
            ids[said.to].insert(bundle.id)
        }
        #expect(ids[2] == [own.id] && ids[4] == [own.id])
        #expect(ids[1].count == 1 && ids[1] == ids[3] && ids[1] != ids[2])
    }

    @Test(arguments: Seed.all)
    func `a double voter contradicts every vote for a block`(seed: Seed) throws {
        var stage = Stage(.doubleVoter, seed: seed.value)
        let digest = Digest(of: [9])
        for ballot: Ballot in [.notarize(1, 1, digest), .finalize(1, 2, digest), .nullify(1, 3)] {
            for peer in 1..<Stage.hosts { stage.say(stage.vote(ballot), to: peer) }
        }
        #expect(try stage.votes().allSatisfy { $0.vote.isSigned(network: Stage.network) })
        #expect(Set(try stage.contradictions().map { $0.0.view }) == [1, 2])
    }

    @Test func `a double voter sometimes tells each half only one of its two votes`() throws {
        var isSplit: Set<Bool> = []
        for seed: UInt64 in 0..<16 {
            var stage = Stage(.doubleVoter, seed: seed)
            let ballot = Ballot.notarize(1, 1, Digest(of: [9]))
            for peer in 1..<Stage.hosts { stage.say(stage.vote(ballot), to: peer) }
            let heardByOne = Set(try stage.votes().filter { $0.to == 1 }.map(\.vote.ballot))
            isSplit.insert(!heardByOne.contains(ballot))
        }
        #expect(isSplit == [true, false])
    }

    @Test func `one who nullifies and finalizes says both of one view to everyone`() throws {
        var stage = Stage(.nullifyAndFinalizer)
        stage.say(stage.vote(.notarize(1, 1, Digest(of: [9]))), to: 1)
        let votes = try stage.votes()
        #expect(votes.allSatisfy { $0.vote.isSigned(network: Stage.network) })
        for peer in 1..<Stage.hosts {
            let kinds = Set(votes.filter { $0.to == peer }.map(\.vote.ballot.kind))
            #expect(kinds.isSuperset(of: [.nullify, .finalize]))
        }
        let contradictions = try stage.contradictions()
        #expect(!contradictions.isEmpty)
    }

    @Test(arguments: [0, 4])
    func `a silent leader swallows what it says in its own view and nothing else`(certificates: Int) throws {
        var stage = Stage(.silentLeader)
        let own = stage.proposal(by: 0, justification: certificates)
        let others = stage.proposal(by: 1, justification: certificates)
        stage.say(.proposal(own), to: 1)
        stage.say(.vote(own.vote), to: 1)
        stage.say(stage.vote(.nullify(1, own.view)), to: 1)
        #expect(stage.outbox.isEmpty)
        stage.say(.proposal(others), to: 1)
        stage.say(stage.vote(.nullify(1, own.view + 1)), to: 1)
        #expect(
            try stage.heard().map(\.message) == [.proposal(others), stage.vote(.nullify(1, own.view + 1))])
    }

    @Test(arguments: [0, 60])
    func `a censoring leader's node hears one author's bundles only once it asks for some`(reports: Int) {
        var stage = Stage(.censoringLeader)
        func deaf() -> [Int] {
            (1..<Stage.hosts).filter { author in
                !stage.hear(.bundle(stage.bundle(by: author, reports: reports)), from: 1)
            }
        }
        let victims = deaf()
        #expect(victims.count == 1)
        #expect(deaf() == victims)
        stage.say(.bundlesRequest([Digest(of: [1])]), to: 1)
        #expect(deaf().isEmpty)
        stage.now = stage.now + .seconds(2)
        #expect(deaf() == victims)
    }

    @Test func `an unstaking censor's node hears all but unstakings`() {
        var stage = Stage(.unstakingCensor)
        func hears(_ kind: TransactionKind) -> Bool {
            let transaction = Transaction(account: stage.ids[1], nonce: 1, fee: 1, expiry: 1, kind: kind)
            return stage.hear(.transaction(transaction), from: 2)
        }
        let hearsUnstaking = hears(.unstake(stage.ids[1], 1))
        let hearsOthers = hears(.stake(stage.ids[1], 1))
        let hearsBundles = stage.hear(.bundle(stage.bundle(by: 1)), from: 2)
        #expect(!hearsUnstaking && hearsOthers && hearsBundles)
    }

    @Test func `a snapshot liar tells one kind of lie for the whole run`() throws {
        var kinds: Set<[String]> = []
        for seed: UInt64 in 0..<48 {
            var stage = Stage(.snapshotLiar, seed: seed)
            let headers = (0..<3).map { builder in
                let header = stage.proposal(by: builder).header
                let ballot = Ballot.finalize(1, 1, header.digest)
                return FinalHeader(
                    header: header, certificate: Certificate(ballot: ballot, voters: [], signatures: []))
            }
            let part = StatePart(nodes: [.inner, .leaf(.totals, [1, 2, 3]), .stub(Digest(of: [1]))])
            let answer = Message.snapshotAnswer(.part(5, StatePlace.root, part))
            for _ in 0..<12 {
                stage.say(.finality(headers), to: 1)
                stage.say(answer, to: 1)
            }
            let told = try stage.heard().compactMap { said -> String? in
                switch said.message {
                case .finality(let lie) where lie == [headers[0]]: "few headers"
                case .finality(let lie) where lie == headers.reversed(): "another order"
                case .finality: "another state"
                case .snapshotAnswer(.part(6, _, part)): "another epoch"
                case .snapshotAnswer(.part(5, _, let lie)) where lie.nodes == [.empty]: "nothing there"
                case .snapshotAnswer(.part(5, _, let lie)):
                    lie.nodes[2] == part.nodes[2] && lie.nodes[1] != part.nodes[1] && isLeaf(lie.nodes[1])
                        ? "another value" : "another hash"
                default: nil
                }
            }
            let own = Set(told)
            #expect(own.count <= 2, "\(own)")
            kinds.insert(own.sorted())
        }
        // Five lies about parts, one of them silence, and three about headers.
        #expect(Set(kinds.joined()).count == 7)
        #expect(kinds.contains { $0.count == 1 })
    }

    private func isLeaf(_ node: StatePart.Node) -> Bool { if case .leaf = node { true } else { false } }

    @Test func `a flood is well formed, well signed, of every kind, and of a fixed size`() throws {
        var stage = Stage(.flooder)
        _ = stage.hear(.bundle(stage.bundle(by: 1)), from: 1)
        for _ in 0..<20 { stage.tick() }
        #expect(stage.outbox.count == 20 * Flooder.datagramsPerTick)
        var tags: Set<UInt8> = []
        var haves = 0
        var wants = 0
        var comparisons = 0
        for said in try stage.datagrams() {
            for frame in said.datagram.frames {
                switch frame {
                case .reconciliation: comparisons += 1
                case .have: haves += 1
                case .want: wants += 1
                case .message(let octets):
                    tags.insert(octets[0])
                    switch try Message(decoding: octets) {
                    case .bundle(let bundle): #expect(isSigned(bundle))
                    case .vote(let vote): #expect(vote.isSigned(network: Stage.network))
                    case .transaction(let transaction): #expect(isSigned(transaction))
                    default: break
                    }
                default: break
                }
            }
        }
        #expect(tags == [0, 1, 2, 6, 8, 10, 11, 28])
        #expect(haves > 0 && wants > 0 && comparisons > 0)
    }

    @Test func `a liar about evidence announces what is not, and answers with something else`() throws {
        var stage = Stage(.evidenceLiar)
        stage.tick()
        #expect(
            try stage.datagrams().contains { if case .have = $0.datagram.frames[0] { true } else { false } })
        stage.outbox = []

        let asked = stage.bundle(by: 2)
        _ = stage.hear(.bundlesRequest([asked.id]), from: 1)
        _ = stage.hear([.want([ShortID(Message.bundle(asked).id)])], from: 1)
        stage.say(.bundle(asked), to: 1)
        let answers = try stage.heard().compactMap { said -> Bundle? in
            if case .bundle(let bundle) = said.message { bundle } else { nil }
        }
        #expect(answers.count == 2 && answers.allSatisfy { isSigned($0) && $0.id != asked.id })
    }

    @Test(arguments: [3, 40])
    func `a liar about evidence leaves an item out of what a header stands for`(count: Int) throws {
        var stage = Stage(.evidenceLiar)
        let contents = stage.contents(items: count)
        #expect(contents.matchesHeader)
        stage.say(.contents(contents), to: 1)
        let told = try stage.heard()
        #expect(told.count == 1)
        guard case .contents(let lie)? = told.first?.message else {
            Issue.record("it says nothing of the contents")
            return
        }
        #expect(lie.items.count == count - 1 && !lie.matchesHeader)
    }

    @Test(arguments: [0, 4])
    func `false verdicts are proposed with a good signature in place of true ones`(certificates: Int) throws {
        var stage = Stage(.falseVerdicts)
        let own = stage.proposal(by: 0, justification: certificates)
        for peer in 1..<Stage.hosts { stage.say(.proposal(own), to: peer) }
        stage.say(.vote(own.vote), to: 1)
        var lies: Set<Digest> = []
        for said in try stage.heard() {
            guard case .proposal(let proposal) = said.message else { continue }
            let checks = proposal.checks(in: stage.committee, network: Stage.network)!
            #expect(checks.allSatisfy { $0.holds })
            let header = proposal.header
            #expect(
                header.stateRoot != own.header.stateRoot || header.verdictsRoot != own.header.verdictsRoot)
            lies.insert(header.digest)
        }
        #expect(lies.count == 1)
        #expect(Set(try stage.votes().map(\.vote.ballot.digest!)) == lies)
    }

    @Test func `who proposes false verdicts votes for whatever he hears`() throws {
        var stage = Stage(.falseVerdicts)
        let heard = stage.proposal(by: 3)
        _ = stage.hear(.proposal(heard), from: 3)
        _ = stage.hear(.proposal(heard), from: 2)
        let votes = try stage.votes()
        #expect(votes.map(\.to) == [1, 2, 3, 4])
        #expect(votes.allSatisfy { $0.vote.ballot == heard.vote.ballot && $0.vote.voter == stage.ids[0] })
    }

    @Test
    func `a forger of bodies shows a header with another body behind it, or gives another than its header's`()
        throws
    {
        var lies: Set<String> = []
        for seed: UInt64 in 0..<24 {
            var stage = Stage(.bodyForger, seed: seed)
            let own = stage.proposal(by: 0)
            for host in 1..<Stage.hosts { _ = stage.hear(.bundle(stage.bundle(by: host)), from: host) }
            for peer in 1..<Stage.hosts { stage.say(.proposal(own), to: peer) }
            var shown: [Proposal] = []
            for case .proposal(let proposal) in try stage.heard().map(\.message)
            where !shown.contains(proposal) { shown.append(proposal) }
            // One header only: it cannot be accused.
            try #require(shown.count == 1)
            let checks = shown[0].checks(in: stage.committee, network: Stage.network)!
            #expect(checks.allSatisfy { $0.holds })
            stage.outbox = []
            let header = shown[0].header
            guard header == own.header else {
                _ = stage.hear(.contentsRequest(header.digest), from: 1)
                guard case .contents(let given)? = try stage.heard().first?.message else {
                    Issue.record("it gives nothing")
                    return
                }
                #expect(given.header == header && given.items.count == Stage.hosts - 1)
                lies.insert(given.body.root == header.transactionsRoot ? "forged body" : "other root")
                continue
            }
            let contents = Contents(
                header: header, body: Body(transactions: [], parentCertificate: nil), items: [])
            stage.say(.contents(contents), to: 1)
            stage.say(.bundle(stage.bundle(by: 3)), to: 1)
            for said in try stage.heard() {
                switch said.message {
                case .contents(let given) where given.body != contents.body: lies.insert("other body")
                case .bundle(let given) where given != stage.bundle(by: 3): lies.insert("other bundle")
                default: break
                }
            }
        }
        #expect(lies == ["forged body", "other root", "other body", "other bundle"])
    }

    @Test
    func
        `a late leader says nothing of its block until its view is given up, and then to all or to one half`()
        throws
    {
        var audiences: Set<Set<Int>> = []
        for seed: UInt64 in 0..<16 {
            var stage = Stage(.lateLeader, seed: seed)
            let own = stage.proposal(by: 0, justification: 1)
            for peer in 1..<Stage.hosts {
                stage.say(.proposal(own), to: peer)
                stage.say(.vote(own.vote), to: peer)
            }
            // One Δ before the others' proposal timer: 3 Δ, half longer in the second view, and what executing may take.
            stage.now = stage.now + .milliseconds(300 * 9 / 2 + 500 - 301)
            stage.tick()
            #expect(stage.outbox.isEmpty)
            stage.say(stage.vote(.nullify(1, own.view)), to: 1)
            #expect(try stage.heard().map(\.message) == [stage.vote(.nullify(1, own.view))])
            stage.outbox = []
            stage.now = stage.now + .seconds(2)
            stage.tick()
            let told = try stage.heard().filter { $0.message == .proposal(own) }.map(\.to)
            audiences.insert(Set(told))
            for peer in 1..<Stage.hosts { stage.say(.proposal(own), to: peer) }
            let again = try stage.heard().filter { $0.message == .proposal(own) }.map(\.to)
            #expect(Set(again) == Set(told))
        }
        #expect(audiences == [[1, 2, 3, 4], [2, 4]])
    }

    @Test
    func
        `a leader of a third bundle gives all two others before it proposes, and the third to one half alone`()
        throws
    {
        var stage = Stage(.thirdBundle)
        let third = stage.bundle(by: 0)
        let own = stage.proposal(by: 0)
        for peer in 1..<Stage.hosts { stage.say(.bundle(third), to: peer) }
        #expect(try stage.heard().isEmpty)
        for peer in 1..<Stage.hosts {
            stage.say(.proposal(own), to: peer)
            stage.say(.vote(own.vote), to: peer)
        }
        var given: [Int: Set<Digest>] = [:]
        var decoy = third
        for said in try stage.heard() {
            guard case .bundle(let bundle) = said.message else {
                Issue.record("it says more than that")
                return
            }
            #expect(bundle.author == stage.ids[0] && bundle.epoch == third.epoch)
            given[said.to, default: []].insert(bundle.id)
            decoy = bundle
        }
        let two = try #require(given[1])
        #expect(two.count == 2 && !two.contains(third.id))
        #expect(given.count == Stage.hosts - 1 && given.values.allSatisfy { $0 == two })
        // Its node must not know them, nor the others' mind.
        #expect(
            !stage.hear(.bundle(decoy), from: 1) && stage.hear(.bundle(stage.bundle(by: 2)), from: 1))
        let finalize = Vote(.finalize(1, 1, own.header.digest), by: stage.keys[2], network: Stage.network)
        #expect(!stage.hear(.vote(finalize), from: 2) && stage.hear(.vote(own.vote), from: 2))

        stage.outbox = []
        stage.now = stage.now + .milliseconds(100)
        stage.tick()
        let shown = try stage.heard().filter { $0.message == .proposal(own) }.map(\.to)
        #expect(Set(shown) == Set(1..<Stage.hosts))
        stage.outbox = []
        for peer in 1..<Stage.hosts {
            stage.say(.bundle(third), to: peer)
            stage.say(stage.vote(.finalize(1, 1, own.header.digest)), to: peer)
            stage.say(stage.vote(.nullify(1, 2)), to: peer)
        }
        let after = try stage.heard()
        #expect(after.map(\.to) == [1, 3] && after.allSatisfy { $0.message == .bundle(third) })
    }

    @Test func `a replayer says again what it heard, as its own and as the first one's`() throws {
        var stage = Stage(.replayer)
        var original: Set<[UInt8]> = []
        for number: View in 1...40 {
            let vote = Vote(.nullify(1, number), by: stage.keys[2], network: Stage.network)
            let message = Message.vote(vote).encoded()
            original.insert(message)
            _ = stage.hear(.vote(vote), from: 2)
        }
        for _ in 0..<10 { stage.tick() }
        #expect(stage.outbox.count == 10 * Replayer.datagramsPerTick)
        var senders: Set<NodeID> = []
        for said in try stage.datagrams() {
            senders.insert(said.datagram.sender)
            for case .message(let octets) in said.datagram.frames { #expect(original.contains(octets)) }
        }
        #expect(senders == [stage.ids[0], stage.ids[2]])
    }

    @Test func `an eclipser dials as nodes it invented, with good cards, and answers their pings`() throws {
        var stage = Stage(.eclipser)
        for _ in 0..<20 { stage.tick() }
        var invented: Set<NodeID> = []
        for said in try stage.datagrams() {
            guard case .records(let records, asks: true) = said.datagram.frames[0] else { continue }
            #expect(records.allSatisfy(isSigned))
            let own = try #require(records.first)
            #expect(own.node == said.datagram.sender && own.endpoints == [stage.endpoints[0]])
            invented.insert(own.node)
        }
        #expect(invented.count == Eclipser.inventedMax && invented.isDisjoint(with: stage.ids))
        stage.outbox = []
        _ = stage.hear([.ping(nonce: 77)], from: 1)
        let pongs = try stage.datagrams()
        #expect(Set(pongs.map(\.datagram.sender)) == invented)
        #expect(pongs.allSatisfy { $0.to == 1 && $0.datagram.frames == [.pong(nonce: 77)] })
    }

    @Test func `a forger's cards of others are never well signed, its own absurd ones are`() throws {
        var stage = Stage(.recordForger)
        for host in 1..<Stage.hosts {
            _ = stage.hear([.records([stage.record(of: host)], asks: false)], from: host)
        }
        for _ in 0..<50 { stage.tick() }
        var own: Set<NodeRecord> = []
        var others = 0
        for said in try stage.datagrams() {
            guard case .records(let records, _) = said.datagram.frames[0] else { continue }
            for record in records {
                #expect(isSigned(record) == (record.node == stage.ids[0]))
                if record.node == stage.ids[0] { own.insert(record) } else { others += 1 }
            }
        }
        #expect(own.contains { $0.sequence == .max })
        #expect(Set(own.map(\.endpoints)).count > 1)
        #expect(others > 0)
    }

    @Test(arguments: Byzantine.Behaviour.allCases)
    func `equal chance makes an actor say equal things, all of which can be read`(
        behaviour: Byzantine.Behaviour
    ) throws {
        func said() throws -> [[UInt8]] {
            var stage = Stage(behaviour, seed: 5)
            for host in 1..<Stage.hosts {
                _ = stage.hear(.bundle(stage.bundle(by: host, reports: 60)), from: host)
                _ = stage.hear([.records([stage.record(of: host)], asks: true), .ping(nonce: 3)], from: host)
                _ = stage.hear(.proposal(stage.proposal(by: host, justification: 4)), from: host)
                stage.say(.proposal(stage.proposal(by: 0, justification: 4)), to: host)
                stage.say(.bundle(stage.bundle(by: 0, reports: 60)), to: host)
                stage.tick()
            }
            for said in try stage.datagrams() {
                for case .message(let octets) in said.datagram.frames { _ = try Message(decoding: octets) }
            }
            return stage.outbox.map(\.bytes)
        }
        let first = try said()
        let second = try said()
        #expect(first == second)
    }
}
