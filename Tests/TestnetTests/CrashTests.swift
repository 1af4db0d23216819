import Bytes
import Consensus
import Foundation
import Identity
import Node
import Records
import Runtime
import Testing
import Wire

/// Every vote that a node's store ever showed: a later one may add to an earlier one, never contradict it.
private struct VoteRecord {
    struct Place: Hashable {
        let epoch: Epoch
        let view: View
    }

    struct Votes {
        var notarized: Digest?
        var isNullified = false
        var finalized: Digest?
    }

    private(set) var seen: [Place: Votes] = [:]

    /// Takes in what the store shows now; false if it contradicts what it showed before, or itself.
    mutating func add(_ state: SafetyState) -> Bool {
        for record in state.records {
            let place = Place(epoch: state.epoch, view: record.view)
            var votes = seen[place] ?? Votes()
            if let earlier = votes.notarized, earlier != record.notarized { return false }
            if let earlier = votes.finalized, earlier != record.finalized { return false }
            if votes.isNullified, !record.isNullified { return false }
            votes = Votes(
                notarized: record.notarized, isNullified: record.isNullified, finalized: record.finalized)
            if votes.isNullified, votes.finalized != nil { return false }
            if let finalized = votes.finalized, finalized != votes.notarized { return false }
            seen[place] = votes
        }
        return true
    }
}

/// When a node is killed.
private enum Phase: CaseIterable {
    case beforeItsBundle
    case betweenNotarizeAndFinalize
    case duringCatchUp
}

extension TestnetTests {
    @Suite final class CrashTests {
        private let world: World
        private var votes: [String: VoteRecord] = [:]

        init() throws {
            // Of eight equal validators, two may fail.
            world = try World(portBase: Ports.crashes) { $0.validators = $0.nodes }
        }

        @Test func `a node that is killed in any phase catches up, agrees, and never contradicts itself`()
            async throws
        {
            try await world.goOn(world.names, by: 2)
            for name in world.names {
                for phase in Phase.allCases { try await kill(name, phase) }
            }
            try await killTwo("node2", "node7")
            try await conclude()
        }

        private func kill(_ name: String, _ phase: Phase) async throws {
            let others = world.others(than: [name])
            switch phase {
            case .beforeItsBundle: try await killBeforeItsBundle(name)
            case .betweenNotarizeAndFinalize: try await killBetweenVotes(name)
            case .duringCatchUp: try await killDuringCatchUp(name, others)
            }
            try await world.goOn(others, by: 1)
            try world.testnet.start(name)
            try await rejoin([name])
        }

        /// Every restarted node reaches what the others have, and then closes epochs with them.
        private func rejoin(_ list: [String]) async throws {
            let goal = world.newest(of: world.others(than: Set(list))) + 1
            try await until("\(list) to catch up with epoch \(goal)") {
                for name in list { try look(at: name) }
                return world.testnet.commonEpoch(of: list) >= goal
            }
        }

        private func safety(of name: String) throws -> SafetyState? {
            guard let sealed = try world.testnet.store(of: name)?.safety() else { return nil }
            let bytes = try #require(Seal.open(sealed))
            return try SafetyState(decoding: bytes.octetBytes)
        }

        private func look(at name: String) throws {
            guard let state = try safety(of: name) else { return }
            let agrees = votes[name, default: VoteRecord()].add(state)
            #expect(agrees, "\(name) contradicts its earlier votes: \(state)")
        }

        private func killBeforeItsBundle(_ name: String) async throws {
            let before = world.last(of: name)
            try await until("an epoch to open at \(name)") { world.last(of: name) > before }
            try await world.die(name)
            let store = try #require(world.testnet.store(of: name))
            let open = try store.lastEpoch() + 1
            #expect(try store.ownBundle()?.epoch ?? 0 < open, "it had not yet signed a bundle of the epoch")
            try look(at: name)
        }

        /// Whether its store shows a notarized header of the open epoch that it has not voted to finalise.
        private func isBetweenVotes(_ name: String) throws -> Bool {
            guard let state = try safety(of: name), state.epoch > world.last(of: name) else { return false }
            return state.records.last.map { $0.notarized != nil && $0.finalized == nil } ?? false
        }

        private func killBetweenVotes(_ name: String) async throws {
            let child = try #require(world.testnet.children[name])
            try await until("\(name) to stand between two votes", every: .milliseconds(1)) {
                guard try isBetweenVotes(name) else { return false }
                // Whatever it does between the look and the signal would spoil the phase: look again at rest.
                child.pause()
                if try isBetweenVotes(name) { return true }
                child.resume()
                return false
            }
            try await world.die(name)
            #expect(try isBetweenVotes(name))
            try look(at: name)
        }

        private func killDuringCatchUp(_ name: String, _ others: [String]) async throws {
            try await world.die(name)
            try await world.goOn(others, by: 4)
            let before = world.last(of: name)
            try world.testnet.start(name)
            let child = try #require(world.testnet.children[name])
            try await until("\(name) to be amid its catch-up", every: .milliseconds(1)) {
                guard world.last(of: name) > before else { return false }
                child.pause()
                return true
            }
            #expect(world.last(of: name) < world.newest(of: others), "it is still behind")
            try await world.die(name)
            try look(at: name)
        }

        private func killTwo(_ first: String, _ second: String) async throws {
            let others = world.others(than: [first, second])
            try await killBetweenVotes(first)
            try await world.die(second)
            try await world.goOn(others, by: 3)
            try world.testnet.start(first)
            try world.testnet.start(second)
            try await rejoin([first, second])
        }

        /// One common history, no alarm anywhere, and every store holds by itself.
        private func conclude() async throws {
            try await world.goOn(world.names, by: 1)
            let last = world.testnet.commonEpoch(of: world.names)
            world.testnet.stop()
            #expect(world.testnet.faults(through: last, of: world.names) == [])
            for name in world.names {
                let log = world.log(of: name)
                #expect(!log.contains("alarm:") && !log.contains("critical"), "\(log)")
            }
            #expect(zombies() == [])
            for name in world.names {
                // With nothing else of the testnet at hand.
                let alone = world.scratch.path + "/alone-" + name
                try FileManager.default.copyItem(atPath: world.directory.data(name), toPath: alone)
                let (status, said) = try await run("inspect", alone, "verify", in: world.scratch)
                #expect(status == 0 && said.contains("hold"), "\(name): \(said)")
            }
        }
    }
}
