import Bytes
import Foundation

/// The published and the crafted VRF vectors of the folder `Vectors`.
struct PublishedVector: Decodable, Sendable, CustomStringConvertible {
    let id, secretKey, publicKey, alpha, hashToCurvePoint, nonce, proof, beta: String
    let u, v: String
    var description: String { id }

    enum CodingKeys: String, CodingKey {
        case id, secretKey, publicKey, alpha, hashToCurvePoint, nonce, proof, beta
        case u = "U"
        case v = "V"
    }

    static let all: [PublishedVector] = {
        struct File: Decodable { let vectors: [PublishedVector] }
        return load(File.self, "ecvrf.json").vectors
    }()
}

struct CraftedVectors: Decodable, Sendable {
    struct Accepted: Decodable, Sendable, CustomStringConvertible {
        let id, publicKey, alpha, proof, beta: String
        let secretKey: String?
        var description: String { id }
    }
    struct Refused: Decodable, Sendable, CustomStringConvertible {
        let id, publicKey, alpha, proof: String
        var description: String { id }
    }
    struct SmallY: Decodable, Sendable {
        let octets: String
        let valid: Bool
    }
    struct Points: Decodable, Sendable {
        let nonCanonical, negativeZero, torsion, mixed, offCurve, prime: [String]
        let smallY: [SmallY]
    }
    let accepted: [Accepted]
    let refused: [Refused]
    let points: Points

    static let all = load(CraftedVectors.self, "ecvrf-crafted.json")
}

private func load<File: Decodable>(_: File.Type, _ name: String) -> File {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors")
    do {
        return try JSONDecoder().decode(File.self, from: Data(contentsOf: folder.appending(path: name)))
    } catch {
        fatalError("\(name): \(error)")
    }
}

extension [UInt8] {
    /// Octets of a test's own constant.
    init(_ hex: String) {
        self.init(hex: hex)!
    }
}
