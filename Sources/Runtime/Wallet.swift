internal import Bytes
internal import Chance
internal import Foundation
public import Identity
internal import Node
internal import Session
public import Wire

/// Speaks to one node as a wallet does: asks for accounts, hands in transactions, asks what became of them.
public final class Wallet {
    /// How often a question is repeated before the node counts as unreachable; datagrams get lost.
    static let attemptsMax = 10
    static let attemptMilliseconds: Int64 = 300

    private let socket: DatagramSocket
    private let node: Destination
    private let carrier: Carrier

    /// A wallet speaks under a name of its own, made for it: neither its address nor its questions tell whose it is.
    /// - Parameter bind: Where to send from; nil: any address that reaches the node.
    public init(node: NodeID, at endpoint: Endpoint, network: Digest) throws(RuntimeError) {
        socket = try DatagramSocket(boundTo: endpoint.isLoopback ? endpoint.sameHost : endpoint.anyHost)
        self.node = Destination(node, endpoint, opens: true)
        let seed = Entropy.octets(SigningKey.seedByteCount)
        let keys = NodeKeys(seed: seed.span.octetBytes)
        let card = NodeRecord(
            node: keys.signing.nodeID, sequence: 1, roles: [], endpoints: [], region: nil, version: 1
        ).signed(by: keys.signing, network: network)
        carrier = Carrier(
            key: keys.exchange, record: card, network: network, settings: Session.Settings(),
            secrets: SecretSource { Entropy.octets($0) },
            wallNanoseconds: UInt64(Date().timeIntervalSince1970 * 1_000_000_000), now: Self.now)
    }

    deinit { socket.close() }

    private static var now: Instant {
        Instant(nanoseconds: Int64(ProcessInfo.processInfo.systemUptime * 1_000_000_000))
    }

    /// What an account holds and the last final epoch, as the node sees it.
    public func account(_ id: NodeID) throws(RuntimeError) -> (account: Account, lastFinal: Epoch) {
        try ask(.accountRequest(id)) { message in
            if case .account(id, let account, let lastFinal) = message { (account, lastFinal) } else { nil }
        }
    }

    /// Hands a transaction in and returns the node's first word on it.
    public func submit(_ transaction: Transaction) throws(RuntimeError) -> TransactionStatus {
        let id = transaction.id
        return try ask(.transaction(transaction)) { message in
            if case .transactionStatus(id, let status) = message { status } else { nil }
        }
    }

    public func status(of id: Digest) throws(RuntimeError) -> TransactionStatus {
        try ask(.transactionStatusRequest(id)) { message in
            if case .transactionStatus(id, let status) = message { status } else { nil }
        }
    }

    private func ask<Answer>(_ question: Message, _ match: (Message) -> Answer?) throws(RuntimeError)
        -> Answer
    {
        let payload = Payload(frames: [.message(question.encoded())]).encoded()
        for _ in 0..<Self.attemptsMax {
            _ = carry(.send(payload, to: node))
            let until = Self.now + .milliseconds(Self.attemptMilliseconds)
            while Self.now < until {
                let wait = (min(until, carrier.deadline) - Self.now).milliseconds
                var heard = carry(.woke)
                if let bytes = socket.receive(milliseconds: Int32(clamping: max(1, wait))) {
                    heard += carry(.datagram(bytes, from: node.endpoint))
                }
                for message in heard {
                    if let found = match(message) { return found }
                }
            }
        }
        throw RuntimeError(
            "\(node.endpoint) does not answer as \(node.node.text): is the node running, on this network, with this "
                + "key, and is this its gossip address?")
    }

    /// What the node says in answer.
    private func carry(_ event: Carrier.Event) -> [Message] {
        var actions: [Carrier.Action] = []
        carrier.handle(event, at: Self.now, actions: &actions)
        var messages: [Message] = []
        for action in actions {
            switch action {
            case .transmit(let bytes, let endpoint): socket.send(bytes, to: endpoint)
            case .payload(let octets, _, _):
                guard let payload = try? Payload(decoding: octets.span.octetBytes) else { continue }
                for case .message(let octets) in payload.frames {
                    if let message = try? Message(decoding: octets) { messages.append(message) }
                }
            case .lost, .observed, .keyLog: break
            }
        }
        return messages
    }
}

extension Endpoint {
    /// Any port of the same loopback address.
    fileprivate var sameHost: Endpoint { Endpoint(high: high, low: low, port: 0) }

    /// Any port of whatever address leads there.
    fileprivate var anyHost: Endpoint {
        ipv4 != nil ? Endpoint(ipv4: 0, port: 0) : Endpoint(high: 0, low: 0, port: 0)
    }
}
