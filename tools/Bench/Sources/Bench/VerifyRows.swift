internal import Baseline
internal import Bytes
internal import Identity
internal import Wire

/// Evidence from datagram to forwarded datagram, against libsodium's bare verification.
enum VerifyRows {
    static func measure(in directory: String) throws -> [Row] {
        let evidence = Evidence(authors: 2_000)
        let signed = Signed(evidence)
        let wrapper = Comparison(
            rounds: 9, operations: signed.count, baseline: signed.verifyBare, ours: signed.verify)

        var ingest = try (0..<10).map { try Ingest(evidence, at: "\(directory)/ingest-\($0)") }
        var wall = Int64.max
        let whole = try Comparison(
            rounds: 9, operations: signed.count, baseline: signed.verifyBare,
            ours: {
                var fresh = ingest.removeLast()
                let taken = try time(baseline_wall) {
                    for datagram in evidence.payloads { try fresh.receive(datagram) }
                    try fresh.finish()
                }
                wall = min(wall, taken)
                precondition(fresh.stored == signed.count, "bundles were dropped")
                // Each is above 512 octets, and so pushed to one and announced to the others.
                let octets = evidence.payloads.reduce(0) { $0 + $1.count }
                precondition(
                    (octets...2 * octets).contains(fresh.sent),
                    "\(fresh.sent) octets forwarded of \(octets)")
            })
        var again = try Ingest(evidence, at: "\(directory)/duplicates")
        for datagram in evidence.payloads { try again.receive(datagram) }
        try again.finish()
        let duplicates = try best(rounds: 9, operations: signed.count) {
            for datagram in evidence.payloads { try again.receive(datagram) }
        }
        return [
            .rate("`NodeID.signed` against libsodium's verify", wrapper),
            .rate("evidence ingest against libsodium's verify", whole, least: 0.85),
            .time("evidence ingest, wall, commits included", Double(wall) / Double(signed.count)),
            .time("a duplicate, from datagram to drop", duplicates, most: 2_000),
        ]
    }
}

/// What both sides verify: key, preimage and signature of every bundle.
@safe private final class Signed {
    private var keys: [NodeID] = []
    private var signatures: [Signature] = []
    private var preimages: [[UInt8]] = []
    /// The same for C, in memory that does not move.
    private let items: UnsafeMutableBufferPointer<baseline_signed>
    private let octets: UnsafeMutableBufferPointer<UInt8>

    var count: Int { keys.count }

    init(_ evidence: Evidence) {
        for bundle in evidence.bundles {
            keys.append(bundle.author)
            signatures.append(bundle.signature)
            preimages.append(
                SigningDomain.bundle.preimage(network: evidence.network, message: bundle.signedBytes))
        }
        let total = preimages.reduce(0) { $0 + $1.count + 96 }
        unsafe octets = .allocate(capacity: total)
        unsafe items = .allocate(capacity: preimages.count)
        var end = 0
        func place(_ bytes: [UInt8]) -> UnsafePointer<UInt8> {
            let start = unsafe octets.baseAddress! + end
            for byte in bytes {
                unsafe octets[end] = byte
                end += 1
            }
            return unsafe UnsafePointer(start)
        }
        for index in keys.indices {
            let item = unsafe baseline_signed(
                key: place(keys[index].octets), message: place(preimages[index]),
                message_count: preimages[index].count, signature: place(signatures[index].encoded()))
            unsafe items.initializeElement(at: index, to: item)
        }
    }

    deinit {
        unsafe items.deallocate()
        unsafe octets.deallocate()
    }

    func verifyBare() {
        let holding = unsafe baseline_verify(items.baseAddress!, count)
        precondition(holding == count)
    }

    func verify() {
        for index in keys.indices {
            let preimage = preimages[index]
            precondition(keys[index].signed(preimage.octetBytes, with: signatures[index]))
        }
    }
}
