import Bytes
import Chance
import Identity
@testable import Session
import TestKit
import Testing
import Wire

@Suite struct AdmissionTests {
    private let secrets = SecretSource.simulated(Chance(seed: 7))

    @Test func `a cookie is honoured from its own address alone, and for no longer than two secrets`() {
        var jar = CookieJar(secrets: secrets, at: .origin)
        let source = Endpoint(ipv4: 0xC000_0201, port: 4_100)
        let message: [UInt8] = [1, 2, 3]
        let mac2 = mac(message[...], key: jar.cookie(for: source))
        func honours(_ endpoint: Endpoint) -> Bool { jar.honours(mac2, over: message[...], from: endpoint) }
        #expect(honours(source))
        #expect(!honours(Endpoint(ipv4: 0xC000_0202, port: 4_100)))
        #expect(!honours(Endpoint(ipv4: 0xC000_0201, port: 4_101)))
        #expect(!jar.honours(mac2, over: [1, 2, 4][...], from: source))
        jar.rotate(secrets: secrets, at: .origin + .seconds(121))
        #expect(honours(source))
        jar.rotate(secrets: secrets, at: .origin + .seconds(242))
        #expect(!honours(source))
    }

    @Test func `a prefix has its burst, then its rate, and loopback has no limit`() {
        var admission = Admission(secrets: secrets)
        let settings = Settings()
        let start = Instant.origin + .seconds(1)
        func count(_ endpoint: Endpoint, _ times: Int, at now: Instant) -> Int {
            (0..<times).count { _ in admission.admits(endpoint, settings: settings, at: now) }
        }
        #expect(count(Endpoint(ipv4: 0xC000_0201, port: 1), 100, at: start) == 5)
        #expect(count(Endpoint(ipv4: 0xC000_02FE, port: 2), 100, at: start) == 0)
        #expect(count(Endpoint(ipv4: 0xC000_02FE, port: 2), 100, at: start + .milliseconds(50)) == 1)
        #expect(count(.loopback(port: 1), 100, at: start) == 100)
        // Over relays it is nobody's but each way's own, and there is no customer.
        for way: UInt64 in 1...32 { #expect(count(.relayed(way), 100, at: start) == 5) }
    }

    @Test func `a customer's IPv6 has a burst and a rate too, however many prefixes it has`() {
        var admission = Admission(secrets: secrets)
        let settings = Settings()
        let start = Instant.origin + .seconds(1)
        func count(site: UInt64, _ prefixes: Range<UInt64>, at now: Instant) -> Int {
            prefixes.count { prefix in
                let source = Endpoint(high: 0x2001_0DB8 << 32 | site << 16 | prefix, low: 1, port: 1)
                return admission.admits(source, settings: settings, at: now)
            }
        }
        #expect(count(site: 1, 0..<500, at: start) == 25)
        #expect(count(site: 1, 500..<1_000, at: start + .milliseconds(100)) == 10)
        #expect(count(site: 2, 0..<20, at: start + .milliseconds(100)) == 20)
    }

    @Test func `more than fifty handshakes in a second ask for proof until a second after`() {
        var admission = Admission(secrets: secrets)
        let settings = Settings()
        let start = Instant.origin + .seconds(10)
        for number in 1...60 {
            let isLoaded = admission.isLoaded(settings: settings, pending: 0, at: start)
            #expect(isLoaded == (number > 50))
        }
        let later = admission.isLoaded(settings: settings, pending: 0, at: start + .seconds(2))
        let withPending = admission.isLoaded(settings: settings, pending: 33, at: start + .seconds(4))
        #expect(!later && withPending)
    }

    @Test func `an older or equal timestamp is refused, and the table is bounded`() {
        var table = Timestamps()
        let first = ExchangePublicKey(octets: [UInt8](repeating: 1, count: 32))!
        let answers = [5, 5, 4, 6].map { (timestamp: UInt64) in table.advance(first, to: timestamp) }
        #expect(answers == [true, false, false, true])
        var chance = Chance(seed: 1)
        for _ in 0..<Timestamps.countMax + 8 {
            _ = table.advance(ExchangePublicKey(octets: chance.octets(32))!, to: 1)
        }
        #expect(table.count == Timestamps.countMax)
    }
}
