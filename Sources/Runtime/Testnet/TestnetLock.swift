internal import Glibc
internal import Records
internal import Store
internal import Wire

/// The right to a testnet's directory among processes, for as long as the object or the process lives.
///
/// The lock is the directory's own: it goes along when that is renamed, and leaves no file behind. Children do not inherit it.
public final class TestnetLock: Sendable {
    private let descriptor: Int32

    init(on directory: String) throws(RuntimeError) {
        let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RuntimeError("cannot open \(directory): \(unsafe String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(descriptor)
            throw RuntimeError(
                "another testnet is at work in \(directory); stop it, or name another directory with --dir")
        }
        self.descriptor = descriptor
    }

    deinit { Glibc.close(descriptor) }
}

/// A port that somebody else holds is better said at once, with its owner's name for it, than by eight logs.
private func checkFree(for name: String, gossip: Endpoint, radio: Endpoint?) throws(RuntimeError) {
    for (endpoint, use) in [(gossip, "gossip"), (radio, "radio")] {
        guard let endpoint else { continue }
        do throws(DatagramSocket.Refusal) {
            Glibc.close(try DatagramSocket.bound(to: endpoint))
        } catch {
            guard error.errorNumber == EADDRINUSE else {
                throw error.sentence(of: endpoint, for: "\(use) of \(name)")
            }
            throw RuntimeError(
                "port \(endpoint.port) is in use, but \(name) needs it for \(use); is another testnet "
                    + "running? Stop it, or choose other ports with --port-base")
        }
    }
}

extension TestnetPlan {
    /// Throws if a port that a node would take is in use: to be asked before anything is made or removed.
    public func checkPorts() throws(RuntimeError) {
        for member in members {
            try checkFree(for: member.name, gossip: member.gossip, radio: member.radio)
        }
    }
}

extension TestnetDirectory {
    /// As `TestnetPlan.checkPorts`, of the ports that these nodes take by their files.
    func checkPorts(of names: [String]) throws {
        for name in names {
            let config = try NodeConfig.read(configFile(name))
            try checkFree(for: name, gossip: config.listen, radio: config.radio)
        }
    }

    /// Throws if a node is at work in one of these folders: one that somebody started by hand.
    func checkStores(in folders: [String]) throws {
        for name in folders {
            do {
                _ = try NodeStore(at: data(name), readOnly: false)
            } catch StoreError.locked(let process) {
                throw RuntimeError(
                    "\(name) is still at work in \(path)\(process.map { ", as process \($0)" } ?? ""); stop it, or "
                        + "name another directory with --dir")
            } catch {
                // Damaged, or of another version: nobody is at work in it.
            }
        }
    }
}
