internal import Logging
internal import Node

extension Logger {
    /// What an operator can act on of a node that starts from a recent state.
    func log(_ notice: SnapshotNotice) {
        switch notice {
        case .began(let from, let to):
            self.notice(
                "far behind: starting from a recent state instead of executing every block",
                metadata: ["from": "\(from)", "to": "\(to)"])
        case .fetching(let epoch):
            info("every header is verified; fetching the state", metadata: ["epoch": "\(epoch)"])
        case .adopted(let epoch, let parts, let byteCount, let milliseconds):
            self.notice(
                "started from the state of a recent epoch",
                metadata: [
                    "epoch": "\(epoch)", "parts": "\(parts)", "octets": "\(byteCount)",
                    "milliseconds": "\(milliseconds)",
                ])
        case .lied(let peer, let what):
            warning(
                "a peer sent what is not so; others are asked",
                metadata: ["peer": "\(peer)", "what": "\(what)"])
        case .trustsBootstrap(let count):
            warning(
                """
                the last block here is older than stakes are bound, and no --checkpoint was given: this node trusts \
                its genesis because \(count) nodes of the bootstrap list agree about the newest block
                """)
        case .doubts(let own, needed: 0):
            warning(
                """
                the last block here is older than stakes are bound, and no bootstrap list names others who could say that it \
                is the network's: nothing more is committed; start with --checkpoint \(own.text) if others have it too, else \
                with their last one
                """)
        case .doubts(let own, let needed):
            warning(
                """
                the last block here is older than stakes are bound: nothing more is committed until \(needed) nodes of the \
                bootstrap list say to be at it too, or a recent state is vouched for; if they are gone, start with \
                --checkpoint and the last block of the network
                """, metadata: ["block": "\(own.text)"])
        case .vouched(let epoch, let count):
            self.notice(
                "nodes of the bootstrap list are at this node's last block: it goes on",
                metadata: ["epoch": "\(epoch)", "nodes": "\(count)"])
        case .failed(let why):
            warning("cannot start from a recent state", metadata: ["reason": "\(why)"])
        }
    }
}
