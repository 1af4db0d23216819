internal import Bytes
public import Identity

/// The chain of epoch randomness and everything that is derived by VRF from it.
public enum Randomness {
    /// What a builder evaluates its VRF on: no view in it, so each builder has one outcome.
    public static func alpha(network: Digest, epoch: Epoch, randomness: Digest) -> [UInt8] {
        alpha("rand", network, epoch, randomness)
    }

    /// What a hotspot evaluates its VRF on to learn whether and how it beacons.
    ///
    /// The device is part of it, since anybody can register anybody's public key: a proof is worth
    /// nothing to a device that bears the key and not the secret, and one secret makes no two devices
    /// send the same beacon. (Deviation: protocol §6 has the epoch and its randomness only.)
    public static func beaconAlpha(
        network: Digest, epoch: Epoch, randomness: Digest, device: NodeID
    ) -> [UInt8] {
        alpha("beacon", network, epoch, randomness) + device.octets
    }

    /// Where an author stands in the order by which full blocks are filled: who ranks last is left out.
    public static func rank(of author: NodeID, randomness: Digest) -> Digest {
        Digest(of: randomness.octets + author.octets)
    }

    private static func alpha(_ label: String, _ network: Digest, _ epoch: Epoch, _ randomness: Digest)
        -> [UInt8]
    {
        var writer = ByteWriter(capacity: 88)
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
