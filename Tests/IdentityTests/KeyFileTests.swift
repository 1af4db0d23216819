import Bytes
import Chance
import Identity
import TestKit
import Testing

/// libsodium's least: what is tested does not depend on the cost.
private let cheap = SealingCost(operations: 1, memoryBytes: SealingCost.memoryBytesMin)
private let seedHex = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
private let head = "version = 1\nkind = \"earshot-key\"\nnetwork = \"any\"\n"
private let openText = head + "seed = \"\(seedHex)\"\n"

private func hex(_ seed: SecretSeed) -> String { seed.read { [UInt8](copying: $0) }.hex }

private func secret() -> SecretSeed { SecretSeed(octets: [UInt8](seedHex).octetBytes) }

private func open(_ file: KeyFile, _ passphrase: String) throws(KeyFileError) -> SecretSeed {
    let octets = Array(passphrase.utf8)
    return try file.open(passphrase: octets.octetBytes)
}

private func sealed(_ passphrase: String, isTestOnly: Bool = false) throws -> KeyFile {
    let octets = Array(passphrase.utf8)
    return try KeyFile(
        sealing: secret(), passphrase: octets.octetBytes, salt: (1...16).map { UInt8($0) }, cost: cheap,
        isTestOnly: isTestOnly)
}

@Suite struct `An open key file` {
    @Test func `has exactly this text`() throws {
        #expect(KeyFile(seed: secret(), isTestOnly: false).text == openText)
        let file = try KeyFile(parsing: openText)
        #expect(hex(try file.open()) == seedHex)
        #expect(!file.isTestOnly && !file.isSealed)
        #expect(file.text == openText)
    }

    @Test(arguments: Seed.all) func `comes back`(seed: Seed) throws {
        var chance = seed.chance()
        let octets = chance.octets(32)
        let file = KeyFile(
            seed: SecretSeed(octets: octets.octetBytes), isTestOnly: chance.happens(1, in: 2))
        let read = try KeyFile(parsing: file.text)
        #expect(hex(try read.open()) == octets.hex)
        #expect(read.isTestOnly == file.isTestOnly)
    }

    @Test func `may hold comments, blank lines and another order`() throws {
        let text = """
            # my key\r
            \tseed="\(seedHex.uppercased())" # keep it secret

            network = "test"
              kind   =   "earshot-key"
            version = 1#
            """
        let file = try KeyFile(parsing: text)
        #expect(hex(try file.open()) == seedHex)
        #expect(file.isTestOnly)
    }

    @Test func `may begin with a mark of its encoding, and end its lines as other systems do`() throws {
        let text = "\u{FEFF}" + openText.replacing("\n", with: "\r\n")
        #expect(hex(try KeyFile(parsing: text).open()) == seedHex)
        #expect(hex(try KeyFile(contents: Array(text.utf8).octetBytes).open()) == seedHex)
        // A seed may begin with the same octets.
        let seed = Array("\u{FEFF}".utf8) + [UInt8](repeating: 7, count: 29)
        #expect(hex(try KeyFile(contents: seed.octetBytes).open()) == seed.hex)
    }

    @Test func `may be nothing but the seed's octets`() throws {
        let file = try KeyFile(contents: [UInt8](seedHex).octetBytes)
        #expect(hex(try file.open()) == seedHex)
        #expect(!file.isTestOnly)
        #expect(hex(try KeyFile(contents: Array(openText.utf8).octetBytes).open()) == seedHex)
    }

    @Test func `for tests only is refused elsewhere`() {
        let test = KeyFile(seed: secret(), isTestOnly: true)
        #expect(test.permits(testNetwork: true) && !test.permits(testNetwork: false))
        let any = KeyFile(seed: secret(), isTestOnly: false)
        #expect(any.permits(testNetwork: true) && any.permits(testNetwork: false))
    }

    @Test(
        arguments: [
            ("", .missing(field: "version")),
            (head, .missing(field: "seed")),
            ("kind = \"earshot-key\"\n", .missing(field: "version")),
            (openText + "seed = \"00\"\n", .repeatedField(line: 5)),
            (openText + "salt = \"00\"\n", .ambiguous),
            (openText + "opslimit = 1\n", .ambiguous),
            (openText + "sede = \"00\"\n", .unknownField(line: 5)),
            (openText + "seed\n", .syntax(line: 5)),
            (openText + "salt = \"00\n", .syntax(line: 5)),
            (openText + "salt = \"0\\u00300\"\n", .syntax(line: 5)),
            (openText + "salt = \"00\" 00\n", .syntax(line: 5)),
            (openText + "opslimit = 01\n", .syntax(line: 5)),
            (openText + "opslimit = -1\n", .syntax(line: 5)),
            (openText + "opslimit =\n", .syntax(line: 5)),
            (openText + "opslimit = 18446744073709551616\n", .syntax(line: 5)),
            (openText + "# \u{E9}\n", .notText),
            (openText + "#\0\n", .notText),
            (openText.replacing("= 1", with: "= 2"), .badValue(field: "version")),
            (openText.replacing("= 1", with: "= \"1\""), .badValue(field: "version")),
            (openText.replacing("earshot", with: "eyeshot"), .badValue(field: "kind")),
            (openText.replacing("any", with: "all"), .badValue(field: "network")),
            (openText.replacing("7f60", with: "7f6"), .badValue(field: "seed")),
            (openText.replacing("7f60", with: "7f6000"), .badValue(field: "seed")),
            (openText.replacing("7f60", with: "7g60"), .badValue(field: "seed")),
            (openText.replacing("\"\(seedHex)\"", with: "7"), .badValue(field: "seed")),
            (openText + String(repeating: "#", count: 4_096), .tooLarge),
        ] as [(String, KeyFileError)])
    func `is refused with the reason`(text: String, error: KeyFileError) {
        #expect(throws: error) { try KeyFile(parsing: text) }
        #expect(throws: error) { try KeyFile(contents: Array(text.utf8).octetBytes) }
        #expect(!error.description.isEmpty)
    }
}

@Suite struct `A sealed key file` {
    @Test(arguments: ["", "correct horse", String(repeating: "é", count: 512)])
    func `opens with its passphrase and no other`(passphrase: String) throws {
        let file = try sealed(passphrase)
        #expect(file.isSealed)
        #expect(!file.text.contains(seedHex))
        let read = try KeyFile(parsing: file.text)
        #expect(read.text == file.text)
        #expect(hex(try open(read, passphrase)) == seedHex)
        #expect(throws: KeyFileError.cannotUnseal) { try open(read, "wrong") }
        #expect(throws: KeyFileError.passphraseNeeded) { try read.open() }
    }

    /// Freezes the format: a file of today has to open in years.
    @Test func `has exactly this head`() throws {
        let text = try sealed("x").text
        #expect(
            text.hasPrefix(
                head + "salt = \"0102030405060708090a0b0c0d0e0f10\"\n"
                    + "opslimit = 1\nmemlimit = 8192\nsealed = \""
            ))
    }

    @Test func `is refused when any of its fields was changed`() throws {
        let text = try sealed("x").text
        let changes = [
            ("\"any\"", "\"test\""), ("0102", "0103"), ("opslimit = 1", "opslimit = 2"), ("8192", "16384"),
        ]
        for (from, to) in changes {
            let changed = try KeyFile(parsing: text.replacing(from, with: to, maxReplacements: 1))
            #expect(throws: KeyFileError.cannotUnseal) { try open(changed, "x") }
        }
        let test = try sealed("x", isTestOnly: true).text
        #expect(try KeyFile(parsing: test).isTestOnly)
        let unmarked = try KeyFile(parsing: test.replacing("\"test\"", with: "\"any\""))
        #expect(throws: KeyFileError.cannotUnseal) { try open(unmarked, "x") }
        var box = Array(text.utf8)
        box[box.count - 5] ^= 1
        if let changed = try? KeyFile(contents: box.octetBytes) {
            #expect(throws: KeyFileError.cannotUnseal) { try open(changed, "x") }
        }
    }

    @Test(
        arguments: [
            ("opslimit = 1", "opslimit = 65", .costTooHigh),
            ("opslimit = 1", "opslimit = 18446744073709551615", .costTooHigh),
            ("memlimit = 8192", "memlimit = 1073741825", .costTooHigh),
            ("memlimit = 8192", "memlimit = 18446744073709551615", .costTooHigh),
            ("opslimit = 1\nmemlimit = 8192", "opslimit = 5\nmemlimit = 1073741824", .costTooHigh),
            ("opslimit = 1", "opslimit = 0", .badValue(field: "opslimit")),
            ("memlimit = 8192", "memlimit = 8191", .badValue(field: "memlimit")),
            ("salt = \"01", "salt = \"", .badValue(field: "salt")),
            ("salt = \"01", "salt = \"0101", .badValue(field: "salt")),
            ("sealed = \"", "sealed = \"00", .badValue(field: "sealed")),
            ("opslimit = 1\n", "", .missing(field: "opslimit")),
            ("memlimit = 8192\n", "", .missing(field: "memlimit")),
            ("salt", "#", .missing(field: "salt")), ("sealed", "#", .missing(field: "sealed")),
            ("sealed", "seed", .ambiguous),
        ] as [(String, String, KeyFileError)])
    func `that asks for too much or says too little is refused`(
        from: String, to: String, error: KeyFileError
    ) throws {
        let text = try sealed("x").text
        #expect(throws: error) { try KeyFile(parsing: text.replacing(from, with: to, maxReplacements: 1)) }
    }

    @Test func `grants the settings that we write`() throws {
        for (operations, memory) in [(3, 1 << 28), (2, 1 << 26), (4, 1 << 30)] {
            let text = try sealed("x").text.replacing("opslimit = 1\n", with: "opslimit = \(operations)\n")
                .replacing("8192", with: "\(memory)")
            #expect(try KeyFile(parsing: text).isSealed)
        }
    }

    @Test func `is not sealed with an endless passphrase`() {
        #expect(throws: KeyFileError.passphraseTooLong) {
            try sealed(String(repeating: "x", count: KeyFile.passphraseByteCountMax + 1))
        }
    }

    @Test(arguments: Seed.all) func `survives no mutation in silence`(seed: Seed) throws {
        var chance = seed.chance()
        let good = Array(try sealed("x").text.utf8)
        for _ in 0..<100 {
            var bytes = good
            bytes.mutate(with: &chance)
            guard let file = try? KeyFile(contents: bytes.octetBytes), file.text != (try sealed("x").text)
            else { continue }
            // A cost that only costs is not worth paying here.
            if file.text.contains("opslimit = 1\nmemlimit = 8192\n") {
                #expect(throws: KeyFileError.cannotUnseal) { try open(file, "x") }
            }
        }
    }
}
