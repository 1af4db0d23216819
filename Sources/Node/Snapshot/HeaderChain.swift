import Bytes
import Consensus
public import Identity
import Ledger
public import Wire

/// Verifies headers and certificates from genesis on, by the committees that they name: what shows that a state is the
/// network's whose blocks are not here.
public struct HeaderChain {
    private var light: LightChain

    public init(genesis: Genesis) { light = LightChain(genesis: genesis, network: genesis.network) }

    public var last: Header? { light.last }

    /// Checks the header after the last.
    /// - Parameter committee: The committee with a digest, if it is at hand.
    /// - Returns: How many signatures that took.
    public mutating func check(
        _ final: FinalHeader, committee: (Digest) -> Committee?
    ) throws(ReplayFault) -> Int {
        let header = final.header
        guard header.epoch == light.openEpoch else {
            throw .block(header.epoch, "it stands in the place of \(light.openEpoch)")
        }
        let seats: Committee
        do throws(LightChain.Fault) {
            seats = try light.examine(header)
        } catch {
            guard case .needs(let digest) = error else { throw .block(header.epoch, "\(error)") }
            guard let known = committee(digest), light.learn(known) else {
                throw .block(header.epoch, "its committee \(digest.hex) is missing")
            }
            return try check(final) { _ in nil }
        }
        guard !light.contradicts(header) else {
            throw .block(header.epoch, "it does not follow from the header before it")
        }
        guard case .finalize(header.epoch, _, header.digest) = final.certificate.ballot,
            final.certificate.hasQuorum(in: seats),
            let votes = final.certificate.checks(in: seats, network: light.network)
        else { throw .certificate(header.epoch, "its voters are no quorum for this header") }
        let checks: [Check] = votes.map { .signature($0.key, preimage: $0.preimage, $0.signature) }
        let verification = Verification(of: checks + [light.randomnessCheck(of: header, in: seats)])
        guard verification.holds, let output = verification.outputs.last ?? nil else {
            throw .signature(header.epoch, "a vote, or the builder's proof")
        }
        light.advance(to: header, seats, output: output)
        return checks.count
    }
}
