internal import Wire

/// The settings by which a node is watched.
extension NodeConfig {
    mutating func readWatching(_ reader: inout TableReader) throws(RuntimeError) {
        if let text = try reader.string("admin") {
            guard let endpoint = Endpoint(text: text) else {
                throw reader.fault(
                    "admin",
                    "must be address:port, for instance 127.0.0.1:9101; port 0 takes one that is free")
            }
            guard endpoint.isLoopback else {
                throw reader.fault(
                    "admin",
                    "is \(text), but the admin port asks for no password and is for this machine only: use 127.0.0.1 "
                        + "or [::1], and come from elsewhere by a tunnel or a proxy of your own")
            }
            admin = endpoint
        }
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
        var text = ""
        if logFormat != .text { text += "log_format = \"\(logFormat.rawValue)\"\n" }
        if let admin { text += "admin = \"\(admin)\"\n" }
        return text
    }
}
