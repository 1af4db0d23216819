internal import Bytes
public import Identity

/// The chain of epoch randomness and everything that is derived by VRF from it.
public enum Randomness {
    /// What a builder evaluates its VRF on: no view in it, so each builder has one outcome.
    public static func alpha(network: Digest, epoch: Epoch, randomness: Digest) -> [UInt8] {
        alpha("rand", network, epoch, randomness)
    }

    /// What a hotspot evaluates its VRF on to learn whether and how it beacons.
    public static func beaconAlpha(network: Digest, epoch: Epoch, randomness: Digest) -> [UInt8] {
        alpha("beacon", network, epoch, randomness)
    }

    private static func alpha(_ label: String, _ network: Digest, _ epoch: Epoch, _ randomness: Digest)
        -> [UInt8]
    {
        var writer = ByteWriter(capacity: 80)
        writer.octets(Array(label.utf8))
        network.encode(to: &writer)
        writer.integer(epoch)
        randomness.encode(to: &writer)
        return writer.bytes
    }

    /// R(epoch + 1) = BLAKE2b-256(R(epoch) ‖ beta ‖ epoch).
    public static func next(after randomness: Digest, output: VRFOutput, epoch: Epoch) -> Digest {
        var writer = ByteWriter(capacity: 104)
        randomness.encode(to: &writer)
        writer.raw(output.octets)
        writer.integer(epoch)
        return Digest(of: writer.written)
    }
}
