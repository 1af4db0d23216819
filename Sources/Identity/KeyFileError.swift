/// Why the contents of a key file were refused.
public enum KeyFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Larger than any key file.
    case tooLarge
    /// Neither 32 octets nor text.
    case notText
    /// Not `name = value`; lines count from 1.
    case syntax(line: Int)
    case unknownField(line: Int)
    case repeatedField(line: Int)
    case missing(field: String)
    /// The field's value has the wrong form, length or range.
    case badValue(field: String)
    /// Both an open and a sealed seed, or half of one.
    case ambiguous
    /// The file asks for more work or memory than any key file of ours.
    case costTooHigh
    case passphraseNeeded
    case passphraseTooLong
    /// The passphrase is wrong, or the file was changed.
    case cannotUnseal
    /// The system has less memory to give than the file's `memlimit`.
    case notEnoughMemory

    public var description: String {
        switch self {
        case .tooLarge: "too large for a key file"
        case .notText: "neither a raw seed of 32 bytes nor text"
        case .syntax(let line): "line \(line) is not of the form name = value"
        case .unknownField(let line): "line \(line) sets a field that this version does not know"
        case .repeatedField(let line): "line \(line) sets a field again"
        case .missing(let field): "'\(field)' is missing"
        case .badValue(let field): "'\(field)' has a value that it cannot have"
        case .ambiguous: "holds both an open and a sealed seed, or parts of both"
        case .costTooHigh: "'opslimit' and 'memlimit' ask for more than this program grants"
        case .passphraseNeeded: "is sealed: a passphrase is needed"
        case .passphraseTooLong: "the passphrase is longer than \(KeyFile.passphraseByteCountMax) bytes"
        case .cannotUnseal: "the passphrase is wrong, or the file was changed"
        case .notEnoughMemory: "the system cannot give the memory that 'memlimit' asks for"
        }
    }
}
