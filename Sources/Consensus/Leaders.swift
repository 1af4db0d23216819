internal import Bytes
public import Identity
public import Wire

extension Simplex {
    /// The order in which seats lead views: a permutation, weighted like drawing without putting back.
    ///
    /// Every node computes the same order, so it uses integers only. A seat's chance to come next is its
    /// share of the weight that is left. The leader of view v is `leaders[(v − 1) % count]`.
    /// - Parameter randomness: R(epoch − 1), known one epoch before, so that leaders can prepare.
    public static func leaders(of committee: Committee, randomness: Digest) -> [Int] {
        var draws = Draws(seed: randomness)
        var rest = Array(committee.seats.indices)
        var weight = committee.weight
        var leaders: [Int] = []
        leaders.reserveCapacity(rest.count)
        while !rest.isEmpty {
            var point = draws.below(weight)
            var place = 0
            while point >= committee.seats[rest[place]].weight {
                point -= committee.seats[rest[place]].weight
                place += 1
            }
            weight -= committee.seats[rest[place]].weight
            leaders.append(rest.remove(at: place))
        }
        return leaders
    }

    /// k: the least number such that the first k leaders weigh more than a third.
    ///
    /// One of them is honest, so a censored author meets at least one fair leader; after them the subjective
    /// rules rest, so that nobody can stall an epoch with them.
    public static func subjectiveViews(of committee: Committee, leaders: [Int]) -> View {
        var weight: UInt64 = 0
        for (place, leader) in leaders.enumerated() {
            weight += committee.seats[leader].weight
            if committee.isMoreThanThird(weight) { return View(place + 1) }
        }
        return View(leaders.count)
    }

    /// Even draws from BLAKE2b in counter mode: `BLAKE2b-512("earshot leaders", seed ‖ counter)`.
    private struct Draws {
        private static let key = Array("earshot leaders".utf8)
        private let seed: Digest
        private var counter: UInt64 = 0
        private var octets: [UInt8] = []

        init(seed: Digest) { self.seed = seed }

        private mutating func word() -> UInt64 {
            if octets.isEmpty {
                var writer = ByteWriter(capacity: 40)
                seed.encode(to: &writer)
                writer.integer(counter)
                counter += 1
                octets = blake2b(writer.bytes.octetBytes, key: Self.key, byteCount: 64)
            }
            var word: UInt64 = 0
            for octet in octets.suffix(8) { word = word << 8 | UInt64(octet) }
            octets.removeLast(8)
            return word
        }

        mutating func below(_ bound: UInt64) -> UInt64 {
            precondition(bound > 0)
            // The 2⁶⁴ mod bound highest words would make some results likelier than others.
            let excess = (UInt64.max % bound + 1) % bound
            while true {
                let word = word()
                if word <= UInt64.max - excess { return word % bound }
            }
        }
    }
}

extension Committee {
    /// Weights sum below 2⁶², so three times any weight fits.
    public func isMoreThanThird(_ weight: UInt64) -> Bool { weight * 3 > self.weight }
}
