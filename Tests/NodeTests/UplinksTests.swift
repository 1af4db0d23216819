import Bytes
import Chance
import Identity
import Testing
import Wire

@testable import Node

/// Where an edge node calls a validator that has several places, of which it may reach some only.
@Suite struct UplinksTests {
    private let validator = Followed.Member(0).key
    private let own = Followed.Member(1).key.nodeID
    private let v4 = Endpoint(ipv4: 0xCB00_7109, port: 4_100)
    private let v6 = Endpoint(text: "[2001:db8::1]:4100")!

    private func card(_ places: [Endpoint], sequence: UInt64 = 1) -> NodeRecord {
        NodeRecord(
            node: validator.nodeID, sequence: sequence, roles: .validator, endpoints: places, region: nil,
            version: 1
        ).signed(by: validator, network: Digest(of: [1]))
    }

    private func uplinks(listed: Endpoint?, remembered: [NodeRecord] = []) -> Uplinks {
        Uplinks(
            own: own, bootstrap: listed.map { [(validator.nodeID, $0)] } ?? [], remembered: remembered,
            chance: Chance(seed: 1))
    }

    private func place(_ uplinks: Uplinks) -> Endpoint? {
        uplinks.destination(of: validator.nodeID)?.endpoint
    }

    /// Where it is called, and where after each of so many failures.
    private func places(_ uplinks: inout Uplinks, failures: Int) -> [Endpoint?] {
        var places = [place(uplinks)]
        for _ in 0..<failures {
            uplinks.failed(validator.nodeID, at: .origin)
            places.append(place(uplinks))
        }
        return places
    }

    @Test func `a place that card and list name is not given up for another, and all are tried in turn`() {
        var uplinks = uplinks(listed: v4)
        let isNews = uplinks.learn(card([v6, v4]))
        let tried = places(&uplinks, failures: 2)
        #expect(isNews && tried == [v4, v6, v4])
    }

    @Test func `so it is after a restart, with the list and without`() {
        let known = card([v6, v4])
        var listed = uplinks(listed: v4, remembered: [known])
        let tried = places(&listed, failures: 2)
        #expect(tried == [v4, v6, v4])
        var unlisted = uplinks(listed: nil, remembered: [known])
        let others = places(&unlisted, failures: 2)
        #expect(others == [v6, v4, v6])
    }

    @Test func `no number of failures ends the turns`() {
        var uplinks = uplinks(listed: nil, remembered: [card([v6, v4])])
        let tried = places(&uplinks, failures: 100)
        #expect(tried.suffix(2) == [v4, v6])
    }

    @Test func `the list's place counts though the card has another, until it fails`() {
        var uplinks = uplinks(listed: v4)
        _ = uplinks.learn(card([v6]))
        let tried = places(&uplinks, failures: 2)
        #expect(tried == [v4, v6, v4])
        let moved = Endpoint(ipv4: 0xC633_6401, port: 4_100)
        _ = uplinks.learn(card([moved], sequence: 2))
        #expect(place(uplinks) == moved)
    }

    @Test func `where it answered it is called, as long as its cards name that place`() {
        var uplinks = uplinks(listed: nil, remembered: [card([v6, v4])])
        uplinks.answered(validator.nodeID, at: v4)
        _ = uplinks.learn(card([v6, v4], sequence: 2))
        #expect(place(uplinks) == v4)
        _ = uplinks.learn(card([v6], sequence: 3))
        #expect(place(uplinks) == v6)
    }

    @Test func `who is off the list gives way to who is on it`() {
        let nodes = (0..<(Uplinks.contactsMax + 1)).map { number in
            SigningKey(seed: [UInt8](repeating: UInt8(number + 1), count: 32).octetBytes).nodeID
        }
        var uplinks = Uplinks(
            own: own, bootstrap: nodes.prefix(Uplinks.contactsMax).filter { $0 != own }.map { ($0, v4) },
            remembered: [], chance: Chance(seed: 1))
        let others = nodes.suffix(1) + [SigningKey(seed: [UInt8](repeating: 99, count: 32).octetBytes).nodeID]
        uplinks.relist(others.map { ($0, v6) }, own: own)
        #expect(others.allSatisfy(uplinks.isKnown))
        #expect(uplinks.contacts.count { $0.listed != nil } == 2)
        uplinks.assertInvariants()
    }
}
