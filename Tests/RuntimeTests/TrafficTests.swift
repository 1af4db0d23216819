import Records
import Testing
import Wire

@testable import Runtime

@Suite struct `Traffic of the gossip port` {
    private func endpoint(_ port: UInt16) -> Endpoint { .loopback(port: port) }

    @Test func `is counted in all, and by peer from when it connects`() {
        var traffic = Traffic()
        traffic.received(100, from: endpoint(1))
        traffic.begin(endpoint(1))
        traffic.received(200, from: endpoint(1))
        traffic.sent(50, to: endpoint(1))
        traffic.sent(7, to: endpoint(2))
        #expect(traffic[endpoint(1)]?.received.octets == 200 && traffic[endpoint(1)]?.received.datagrams == 1)
        #expect(traffic[endpoint(1)]?.sent.octets == 50)
        #expect(traffic[endpoint(2)] == nil)
        #expect(
            traffic.counters.map { "\($0.0) \($0.1)" } == [
                "traffic.receivedDatagrams 2", "traffic.receivedBytes 300", "traffic.sentDatagrams 2",
                "traffic.sentBytes 57",
            ])
    }

    @Test func `of who is no peer any more is forgotten, and of who moved begins anew`() {
        var traffic = Traffic()
        traffic.begin(endpoint(1))
        traffic.begin(endpoint(2))
        traffic.follow([endpoint(2), endpoint(3)])
        traffic.received(5, from: endpoint(3))
        traffic.received(1, from: endpoint(1))
        traffic.received(1, from: endpoint(2))
        #expect(traffic[endpoint(1)] == nil && traffic[endpoint(2)]?.received.octets == 1)
        #expect(traffic[endpoint(3)]?.received.octets == 5)
    }
}
