internal import Bytes
public import Identity

/// Every signing domain of the protocol. Two never share a constant: a signature made for one purpose is
/// never one for another.
extension SigningDomain {
    /// `NodeRecord`, by the node.
    public static let record = SigningDomain("record")
    /// `Bundle`, by its author.
    public static let bundle = SigningDomain("bundle")
    /// `Ballot`, by a validator.
    public static let vote = SigningDomain("vote")
    /// `Transaction`, by the account that pays for it.
    public static let transaction = SigningDomain("transaction")
    /// `Consent`, by a device that lets an account register it.
    public static let consent = SigningDomain("consent")
}

/// The number of a finalised block. Genesis is 0.
public typealias Epoch = UInt64
/// A leader's turn within an epoch's consensus, counted from 1.
public typealias View = UInt32
/// 10⁻⁸ of a token.
public typealias Amount = UInt64

extension SigningDomain {
    /// The bytes that are signed, of a message held as an array.
    public func preimage(network: Digest, message: [UInt8]) -> [UInt8] {
        preimage(network: network, message: message.octetBytes)
    }
}
