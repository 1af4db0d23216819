internal import Bytes
internal import Identity
internal import Wire

/// In the views that it leads, its proposal is the beginning of a message as large as any may be, to everyone, and the
/// rest never comes. (What says that it is larger still does not decode.)
struct OversizedLeader: Adversary {
    private var silent = SilentLeader()
    private var wiretap = Wiretap()
    private var led = Recent<Turn>(max: 32)

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        for case .proposal(let proposal) in wiretap.read(datagram, at: endpoint).compactMap(\.message)
        where proposal.vote.voter == scene.id && !led.list.contains(Turn(proposal)) {
            led.add(Turn(proposal))
            for (_, peer) in scene.peers { flood(proposal, to: peer, &scene) }
        }
        silent.send(datagram, to: endpoint, scene: &scene)
    }

    private func flood(_ proposal: Proposal, to endpoint: Endpoint, _ scene: inout Scene) {
        let octets = [UInt8](repeating: 0xAA, count: Chunk.byteCountMax)
        let message = Digest(of: proposal.encoded())
        for index in 0..<UInt16(64) {
            let chunk = Chunk(message: message, index: index, count: UInt16(Chunk.countMax), octets: octets)
            scene.send([.chunk(chunk)], to: endpoint)
        }
    }
}
