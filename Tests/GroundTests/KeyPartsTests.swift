import Bytes
import Testing

@Suite struct `The parts of a text's keys` {
    private static let many = [String](repeating: "a", count: 65).joined(separator: ".")

    @Test func `are counted wherever a key stands`() {
        let quoted = [String](repeating: "\"a.b\"", count: 65).joined(separator: " . ")
        for text in [
            "\(Self.many) = 1", "[\(Self.many)]", "[[ \(Self.many) ]]", "x = { y = 1, \(Self.many) = 1 }",
            "\(quoted) = 1", "x = \"\"\nx = [ { \(Self.many) = 1 } ]", "# it's\n\(Self.many) = 1",
        ] {
            let lines = text.count { $0 == "\n" }
            #expect(KeyParts.lineOfTooMany(in: "a = 1\n" + text) == lines + 2, "\(text)")
        }
        #expect(KeyParts.lineOfTooMany(in: Self.many.dropLast(2) + " = 1") == nil, "64 are not too many")
    }

    @Test func `are not what stands in texts and comments`() {
        for text in [
            "# \(Self.many)", "x = \"\(Self.many)\"", "x = '\(Self.many)'",
            "x = \"\"\"\n\(Self.many)\"\"\"", "x = '''\(Self.many)'''", "x = \"\\\"\(Self.many)\"",
            "x = [\(String(repeating: "1.5, ", count: 100))]",
        ] {
            #expect(KeyParts.lineOfTooMany(in: text) == nil, "\(text)")
        }
    }

    @Test func `are counted behind every end that a text can have`() {
        for text in [
            "''", "\"\"", "'''it's'''", "\"\"\"say \"'\" \"\"\"", "\"\"\"\"'\"\"\"\"\"", "'\\'", "\"\\\\\"",
            "''''''''", "'it", "\"\"\"a\\\"\"\"\"",
        ] {
            #expect(KeyParts.lineOfTooMany(in: "x = \(text)\n\(Self.many) = 1") == 2, "\(text)")
        }
    }
}
