import Bytes
import Identity
import Rules

/// Marks what a store must give back unchanged: a disk that flips a bit of a remembered vote would otherwise make an
/// honest validator sign its contradiction.
///
/// 32 octets of digest, then the content.
public enum Seal {
    static let prefixByteCount = 32

    public static func close(_ content: [UInt8]) -> [UInt8] { Digest(of: content).encoded() + content }

    /// The content, or nil if it is not what was sealed.
    public static func open(_ sealed: [UInt8]) -> [UInt8]? {
        guard sealed.count >= prefixByteCount else { return nil }
        let content = Array(sealed[prefixByteCount...])
        return isRemoved(.sealedRecords) || close(content) == sealed ? content : nil
    }
}
