internal import Glibc
internal import Identity
internal import Logging
internal import Node

// What a node notices, in words for its operator.
extension Driver {
    func logMisplaced(in directory: String) {
        let (process, file) = (getpid(), "data.mdb")
        logger.critical(
            """
            \(directory)/\(file) was removed, moved or replaced under this node: what it stores is gone when it stops, and started again \
            it only observes. If it was moved, move it back. Else copy it while the node is there: kill -STOP \(process), copy \
            the \(file) that ls -l /proc/\(process)/fd shows as deleted, kill -KILL \(process), put the copy to its place and start the node
            """)
    }

    func log(_ notice: Notice) {
        watch.note(notice, at: Driver.now)
        switch notice {
        case .ready(let epoch): logger.info("ready", metadata: ["epoch": "\(epoch)"])
        case .epochFinal(let epoch, let view, let root):
            logger.info(
                "epoch final", metadata: ["epoch": "\(epoch)", "view": "\(view)", "state": "\(root.short)"])
        case .peerConnected(let peer, let endpoint):
            logger.info("peer connected", metadata: ["peer": "\(peer)", "address": "\(endpoint)"])
        case .located(let endpoint):
            logger.notice("others agree to see this node there", metadata: ["address": "\(endpoint)"])
        case .forger(let node, let endpoint):
            logger.warning(
                """
                a node tells contact cards that those whom they name did not sign, and none of them is kept: it lies, or its \
                memory is broken
                """, metadata: ["node": "\(node)", "address": "\(endpoint)"])
        case .ignored(let node, let endpoint):
            logger.warning(
                "a peer did so much wrong that nothing but its votes is heard for a while",
                metadata: ["peer": "\(node)", "address": "\(endpoint)"])
        case .peerDisconnected(let peer): logger.info("peer disconnected", metadata: ["peer": "\(peer)"])
        case .catchingUp(let from, let to):
            logger.info("catching up", metadata: ["from": "\(from)", "to": "\(to)"])
        case .diverged(let epoch, let expected, let computed):
            logger.critical(
                """
                this node's execution of block \(epoch) differs from what the network finalised: it votes and serves \
                no more, its store is kept; compare with `earshot inspect verify`
                """, metadata: ["expected": "\(expected.hex)", "computed": "\(computed.hex)"])
        case .alarm(let what): logger.error("alarm: \(what)")
        case .unregistered:
            logger.warning(
                """
                this node is not registered: its bundles are not accepted and it earns nothing; register it with \
                `earshot tx register`
                """)
        case .uplinkSilent(let validator, let epoch):
            logger.warning(
                "a validator kept this node's bundle to itself; others have it now",
                metadata: ["validator": "\(validator)", "epoch": "\(epoch)"])
        case .uplinkLied(let validator, let what):
            logger.warning(
                "a validator says what is not so; others are asked",
                metadata: ["validator": "\(validator)", "what": "\(what)"])
        case .snapshot(let notice): logger.log(notice)
        case .transactionRefused(let id, let fault):
            logger.debug("transaction refused", metadata: ["id": "\(id)", "reason": "\(fault)"])
        }
    }
}
