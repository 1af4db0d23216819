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
        logFormat = try reader.word("log_format") ?? logFormat
    }

    var watchingText: String {
        var text = ""
        if logFormat != .text { text += "log_format = \"\(logFormat.rawValue)\"\n" }
        if let admin { text += "admin = \"\(admin)\"\n" }
        return text
    }
}
