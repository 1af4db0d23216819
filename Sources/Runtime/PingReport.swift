internal import Bytes
internal import Glibc
public import Identity
public import Wire

/// What came of greeting one node.
public struct PingReport: Sendable {
    public let node: NodeID
    /// As it was written: host and port.
    public let place: String
    /// Where that is; nil while it is a name without an address.
    public internal(set) var endpoint: Endpoint?
    /// Signed by the node.
    public internal(set) var record: NodeRecord?
    /// From where it sees us come.
    public internal(set) var observed: Endpoint?
    /// How far its clock is ahead of ours, negative for behind, and by how much that may be wrong.
    public internal(set) var clock: (ahead: Duration, doubt: Duration)?
    /// From the first initiation to the response.
    public internal(set) var handshake: Duration?
    public internal(set) var sent = 0
    /// Of the probes that were answered, in the order of the answers.
    public internal(set) var roundTrips: [Duration] = []
    /// Whom it named, if it was asked who is near a place; each with a good signature.
    public internal(set) var cards: [NodeRecord] = []
    /// Those it named whose cards nobody signed.
    public internal(set) var badCards = 0
    /// The step that failed; nil for a node that answers.
    public internal(set) var fault: PingFault?

    init(node: NodeID, place: String) {
        self.node = node
        self.place = place
    }

    init(_ entry: PeersFile.Entry, fault: PingFault) {
        self.init(node: entry.node, place: "\(entry.host):\(entry.port)")
        endpoint = entry.endpoint
        self.fault = fault
    }

    public var answers: Bool { fault == nil }
}

/// Which step failed.
public enum PingFault: Hashable, Sendable {
    case nameUnknown
    case nameSlow
    /// The system's own words.
    case noSocket(String)
    case refused
    case unreachable(String)
    case tooLarge
    case badIdentity
    case noAnswer
    case strangeAnswer
    case cookieOnly
    case badRecord
    case unconfirmed
    case noPong
    case noCards
    case closedByPeer(UInt8)
    case fellSilent
    case interrupted

    init(errorNumber code: Int32) {
        let words = unsafe String(cString: strerror(code))
        switch code {
        case ECONNREFUSED: self = .refused
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, EACCES, EPERM, ENOPROTOOPT:
            self = .unreachable(words)
        case EMSGSIZE: self = .tooLarge
        default: self = .noSocket(words)
        }
    }

    /// For programs; kept.
    public var name: String {
        switch self {
        case .nameUnknown: "nameUnknown"
        case .nameSlow: "nameSlow"
        case .noSocket: "noSocket"
        case .refused: "refused"
        case .unreachable: "unreachable"
        case .tooLarge: "tooLarge"
        case .badIdentity: "badIdentity"
        case .noAnswer: "noAnswer"
        case .strangeAnswer: "strangeAnswer"
        case .cookieOnly: "cookieOnly"
        case .badRecord: "badRecord"
        case .unconfirmed: "unconfirmed"
        case .noPong: "noPong"
        case .noCards: "noCards"
        case .closedByPeer: "closedByPeer"
        case .fellSilent: "fellSilent"
        case .interrupted: "interrupted"
        }
    }

    public var step: String {
        switch self {
        case .nameUnknown, .nameSlow: "the name"
        case .noSocket, .refused, .unreachable, .tooLarge: "the way there"
        case .badIdentity, .noAnswer, .strangeAnswer, .cookieOnly, .badRecord: "the handshake"
        case .unconfirmed, .noPong, .noCards, .closedByPeer, .fellSilent: "the session"
        case .interrupted: "nothing yet"
        }
    }

    /// What happened.
    public var explanation: String {
        switch self {
        case .nameUnknown: "the name has no address"
        case .nameSlow: "the resolver does not answer"
        case .noSocket(let why): "the system gives no socket for it: \(why)"
        case .refused: "that host, or a firewall before it, says that nothing listens on this port"
        case .unreachable(let why): "no datagram gets there: \(why)"
        case .tooLarge: "the way there does not take datagrams of 1,200 octets whole"
        case .badIdentity: "the node id is no key that anybody can hold"
        case .noAnswer: "\(Ping.attemptsMax) initiations, and no answer"
        case .strangeAnswer: "something answers there, but not as this node"
        case .cookieOnly: "it is under load and asked for a proof of our address; given that, it was silent"
        case .badRecord:
            "it holds the key, but answered with a card that is not its own or not for this network"
        case .unconfirmed: "it answered the handshake, and then nothing came in the session"
        case .noPong: "the session is up, but no ping was answered"
        case .noCards: "the session is up, but it did not say who is near"
        case .closedByPeer(let code): "it ended the session (code \(code))"
        case .fellSilent: "the session was up, and then the node fell silent"
        case .interrupted: "stopped before an answer came"
        }
    }

    /// What to do about it.
    public var advice: String {
        switch self {
        case .nameUnknown: "is the name right, and does `getent hosts` know it?"
        case .nameSlow: "does this machine have a resolver that works?"
        case .noSocket: "is there an address of this kind (IPv4, IPv6) on this machine?"
        case .refused: "is the node running, and is this its gossip port?"
        case .unreachable: "is there a route, and does a firewall here or there refuse it?"
        case .tooLarge: "look for a tunnel with a small MTU on the way"
        case .badIdentity: "copy the line again from whoever gave it"
        case .noAnswer:
            "node down, wrong port, wrong node id, wrong network (--genesis) and a firewall that drops all look alike "
                + "from here: a node is silent to whoever does not know its key and network"
        case .strangeAnswer: "is another program on this port, or does something on the way change datagrams?"
        case .cookieOnly: "try again when it has less to do; are two of our addresses in use at once (NAT)?"
        case .badRecord: "does the node run with this genesis file? Tell its operator"
        case .unconfirmed: "does something on the way let one large datagram through and not the next?"
        case .noPong: "the node may be starting, stopping or overloaded, or of another version"
        case .noCards:
            "too many may be asking it, or it is of a version that cannot be asked: try again, or another"
        case .closedByPeer: "it stopped, or had no place left: try again"
        case .fellSilent: "did it stop, or did the way there?"
        case .interrupted: "let it run"
        }
    }
}

extension NodeRecord {
    /// Whether whom it names signed it, for this network.
    func isSigned(for network: Digest) -> Bool {
        let preimage = SigningDomain.record.preimage(network: network, message: signedBytes.octetBytes)
        return node.signed(preimage.octetBytes, with: signature)
    }
}
