/// How many parts a key of a TOML text has (TOML 1.0, "Keys"): parsers and what walks their tables take one turn of the stack for each, and
/// such texts come from others.
package enum KeyParts {
    /// More than any key has that somebody wrote.
    package static let countMax = 64

    /// The first line, from 1, with a key or a table's name of more parts; inline tables' keys too.
    package static func lineOfTooMany(in text: String) -> Int? {
        let octets = Array(text.utf8)
        var (place, line, dots) = (0, 1, 0)
        while place < octets.count {
            let octet = octets[place]
            switch octet {
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                let end = endOfString(in: octets, from: place)
                line += octets[place..<end].count { $0 == UInt8(ascii: "\n") }
                place = end
                continue
            case UInt8(ascii: "#"):
                while place < octets.count, octets[place] != UInt8(ascii: "\n") { place += 1 }
                continue
            case UInt8(ascii: "."):
                dots += 1
                if dots >= countMax { return line }
            case UInt8(ascii: "\n"): (line, dots) = (line + 1, 0)
            case _ where separators.contains(octet): dots = 0
            default: break
            }
            place += 1
        }
        return nil
    }

    private static let separators = Array("=,[]{}".utf8)

    /// Behind the string that begins there: of one quote, or of three, where one or two more may stand before the last three.
    private static func endOfString(in octets: [UInt8], from start: Int) -> Int {
        let quote = octets[start]
        let quotes = octets[start...].prefix(3).prefix { $0 == quote }.count
        if quotes == 2 { return start + 2 }
        var place = start + quotes
        while place < octets.count {
            switch octets[place] {
            case UInt8(ascii: "\\") where quote == UInt8(ascii: "\""): place += 2
            // Only a text that is no TOML has one here; it ends so that the next line's keys are counted.
            case UInt8(ascii: "\n") where quotes == 1: return place
            case quote:
                let run = octets[place...].prefix(5).prefix { $0 == quote }.count
                if quotes == 1 { return place + 1 }
                if run >= 3 { return place + run }
                place += run
            default: place += 1
            }
        }
        return octets.count
    }
}
