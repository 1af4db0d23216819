internal import Bytes
internal import Foundation
public import Identity
public import Wire

/// Speaks to one node as a wallet does: asks for accounts, hands in transactions, asks what became of them.
public final class Wallet {
    /// How often a question is repeated before the node counts as unreachable; datagrams get lost.
    static let attemptsMax = 10
    static let attemptMilliseconds: Int32 = 300

    private let socket: DatagramSocket
    private let node: Endpoint
    private let network: Digest
    private let sender: NodeID

    /// A wallet speaks under a name of its own: a node drops what seems to come from itself, and the account may be
    /// the node's.
    public init(node: Endpoint, network: Digest) throws(RuntimeError) {
        socket = try DatagramSocket(boundTo: .loopback(port: 0))
        self.node = node
        self.network = network
        sender = NodeKeys(seed: Entropy.octets(32).span.octetBytes).signing.nodeID
    }

    deinit { socket.close() }

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
        let datagram = Datagram(
            network: network.prefix, sender: sender, frames: [.message(question.encoded())]
        ).encoded()
        for _ in 0..<Self.attemptsMax {
            socket.send(datagram, to: node)
            let deadline = Date().addingTimeInterval(Double(Self.attemptMilliseconds) / 1000)
            while true {
                let left = Int32(deadline.timeIntervalSinceNow * 1000)
                guard left > 0, let bytes = socket.receive(milliseconds: left) else { break }
                guard let answer = try? Datagram(decoding: bytes.span.octetBytes) else { continue }
                for case .message(let octets) in answer.frames {
                    if let message = try? Message(decoding: octets), let found = match(message) {
                        return found
                    }
                }
            }
        }
        throw RuntimeError(
            "\(node) does not answer: is the node running, on this network, and is this its gossip address?")
    }
}
