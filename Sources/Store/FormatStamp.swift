internal import Bytes

/// The record that tells our stores from others, and one layout of theirs from the next.
///
/// Table `meta`, key `format`, value: the magic octets, then the format as a little-endian 32-bit integer.
enum FormatStamp {
    static let tableName = "meta"
    private static let key = Array("format".utf8)
    private static let magic = Array("Earshot\n".utf8)

    /// Stamps an environment that holds nothing yet; any other must bear the stamp.
    static func checkOrWrite(
        _ format: UInt32, in transaction: inout WriteTransaction
    ) throws(StoreError) {
        if try check(format, in: transaction.access) { return }
        let table = try transaction.table(creating: tableName)
        var stamp = ByteWriter(capacity: 12)
        stamp.raw(magic)
        stamp.integer(format)
        try transaction.put(stamp.bytes.octetBytes, for: key.octetBytes, in: table)
    }

    /// Whether the stamp is there and right; false if the environment is empty.
    static func check(_ format: UInt32, in access: Access) throws(StoreError) -> Bool {
        guard let tables = try access.open(nil, create: false) else { throw .corrupted }
        if try access.count(in: tables) == 0 { return false }
        guard let table = try access.open(tableName, create: false),
            let pages = try unsafe access.find(key.octetBytes, in: table)
        else { throw .wrongFormat }
        // The pages are read before the transaction changes anything.
        let found = try unsafe read(RawSpan(_unsafeBytes: pages))
        if found > format { throw .newerFormat(found: found, supported: format) }
        if found < format { throw .olderFormat(found: found, supported: format) }
        return true
    }

    private static func read(_ stamp: RawSpan) throws(StoreError) -> UInt32 {
        do throws(DecodeError) {
            var reader = ByteReader(stamp)
            guard try [UInt8](copying: reader.take(magic.count)) == magic else { throw .unknown }
            let format = try reader.integer(UInt32.self)
            try reader.finish()
            return format
        } catch {
            throw .wrongFormat
        }
    }
}
