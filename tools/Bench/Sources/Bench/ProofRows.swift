internal import Bytes
internal import Identity

/// The VRF, for information: what a worker can check a second.
enum ProofRows {
    static func measure() -> [Row] {
        let key = VRFKey(seed: [UInt8](repeating: 7, count: 32).octetBytes)
        let alpha = [UInt8](repeating: 9, count: 79)
        let proof = key.prove(alpha.octetBytes)
        let prove = best(rounds: 5, operations: 200) {
            for _ in 0..<200 { keep(key.prove(alpha.octetBytes)) }
        }
        let verify = best(rounds: 5, operations: 200) {
            for _ in 0..<200 {
                guard key.publicKey.verify(proof, alpha: alpha.octetBytes) != nil else {
                    fatalError("our own proof")
                }
            }
        }
        return [.time("VRF prove", prove), .time("VRF verify", verify)]
    }
}
