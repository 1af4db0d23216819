package import Foundation
internal import Glibc

/// Why a node cannot start or go on, in words that say what to do next.
public struct RuntimeError: Error, CustomStringConvertible, Sendable {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

extension CocoaError {
    /// What Foundation refused, in words: its own description is for programmers.
    package var sentence: String {
        let place = filePath.map { "\($0): " } ?? ""
        guard let cause = underlying as? POSIXError else { return place + localizedDescription }
        return place + (unsafe String(cString: strerror(cause.code.rawValue)))
    }
}
