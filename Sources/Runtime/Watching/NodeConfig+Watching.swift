/// The settings by which a node is watched.
extension NodeConfig {
    mutating func readWatching(_ reader: inout TableReader) throws(RuntimeError) {
        if let name = try reader.string("log_format") {
            guard let format = LogFormat(rawValue: name) else {
                throw reader.fault(
                    "log_format",
                    "is \(name); there are \(LogFormat.allCases.map(\.rawValue).joined(separator: " and "))")
            }
            logFormat = format
        }
    }

    var watchingText: String {
        logFormat == .text ? "" : "log_format = \"\(logFormat.rawValue)\"\n"
    }
}
