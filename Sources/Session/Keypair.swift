internal import Bytes
internal import Chance
internal import Identity
internal import Rules
internal import Wire

/// The keys of one handshake, in both directions, with what was sent and received under them.
///
/// A class: its counter may never be used twice, so there must be no second copy. The keys are wiped when the
/// last owner lets go; a table that drops an expired keypair thereby wipes it.
final class Keypair {
    let localIndex: UInt32
    let remoteIndex: UInt32
    let isInitiator: Bool
    let born: Instant
    /// Where the handshake's other message went to, or came from: its address was proven by that exchange.
    let handshakeEndpoint: Endpoint
    /// The peer's record in that handshake.
    let record: NodeRecord
    private let sending: CipherKey
    private let receiving: CipherKey
    private(set) var nextCounter: UInt64 = 0
    private(set) var window = ReplayWindow()
    /// The other side has the key: it sent something under it.
    private(set) var isConfirmed = false

    init(
        localIndex: UInt32, remoteIndex: UInt32, isInitiator: Bool, born: Instant, endpoint: Endpoint,
        record: NodeRecord, outcome: NoiseIK.Outcome
    ) {
        self.localIndex = localIndex
        self.remoteIndex = remoteIndex
        self.isInitiator = isInitiator
        self.born = born
        handshakeEndpoint = endpoint
        self.record = record
        sending = isInitiator ? outcome.initiator : outcome.responder
        receiving = isInitiator ? outcome.responder : outcome.initiator
    }

    /// A data datagram of `body` with its kind.
    func seal(_ body: [UInt8], _ kind: InnerKind) -> [UInt8] {
        let byteCount = body.count + Packet.dataOverhead
        var datagram = Packet.head(.data, capacity: byteCount)
        Packet.append(remoteIndex, to: &datagram)
        Packet.append(nextCounter, to: &datagram)
        datagram.append(contentsOf: body)
        datagram.append(kind.rawValue)
        datagram.append(contentsOf: repeatElement(0, count: CipherKey.tagByteCount))
        sending.seal(&datagram, head: Packet.dataHead, counter: nextCounter)
        nextCounter += 1
        return datagram
    }

    enum Opened {
        case replayed
        case forged
        /// The plaintext without its kind; nothing is noted yet of its kind being known.
        case plain([UInt8], kind: UInt8, isHighest: Bool)
    }

    /// Authenticates, then notes the counter. A forged datagram changes nothing.
    func open(_ datagram: [UInt8]) -> Opened {
        let counter: UInt64 = Packet.integer(datagram, at: 8)
        guard window.admits(counter) || isRemoved(.replayWindow) else { return .replayed }
        guard var plain = receiving.open(datagram, head: Packet.dataHead, counter: counter),
            let kind = plain.popLast()
        else { return .forged }
        let isHighest = window.admits(counter) ? window.note(counter) : false
        isConfirmed = true
        return .plain(plain, kind: kind, isHighest: isHighest)
    }

    /// One line for a dissector, in hexadecimal: local and remote index, sending and receiving key.
    var keyLogLine: String {
        var indices: [UInt8] = []
        for index in [localIndex, remoteIndex] {
            for shift in [24, 16, 8, 0] { indices.append(UInt8(truncatingIfNeeded: index >> UInt32(shift))) }
        }
        return "EARSHOT_KEYS \(Array(indices[0..<4]).hex) \(Array(indices[4...]).hex)"
            + " \(sending.hex) \(receiving.hex)"
    }
}
