public import Rules

/// How much of what a node says and writes may wait for its disk.
public struct OutputLimits: Sendable {
    /// Above it what is sent is lost, as anybody could make a node say so much while its disk is slow.
    public let sendsMax: Int
    /// Above it, writes too, the node stops rather than eat memory: its disk stalls longer than all other work.
    public let outputsMax: Int

    @inlinable public init(sendsMax: Int, outputsMax: Int) {
        precondition(0 < sendsMax && sendsMax <= outputsMax)
        self.sendsMax = sendsMax
        self.outputsMax = outputsMax
    }

    public static let node = OutputLimits(sendsMax: 50_000, outputsMax: 100_000)
}

/// The order in which one node's sends leave and its writes become durable.
///
/// A send never overtakes a write that was asked for before it. What is asked for while a commit runs waits, and
/// one commit takes every write that waits (group commit). The real driver and the simulator share this queue, so
/// what the simulator finds out about crashes between a write and a send is true of a running node too. Inlinable, as both
/// ask it at every step: elsewhere its element's type would be looked up each time.
public struct OutputQueue<Write> {
    @usableFromInline typealias Send = (bytes: [UInt8], destination: Destination)

    /// Sends that no write holds back.
    @usableFromInline var ready: [Send] = []
    /// Sends that the running commit holds back: asked for before it began, after one of its writes.
    @usableFromInline var held: [Send] = []
    /// Sends asked for after a write that waits, or while a commit runs.
    @usableFromInline var waiting: [Send] = []
    /// How many of `waiting` come before the first write that waits.
    @usableFromInline var waitingAhead = 0
    @usableFromInline var writes: [Write] = []
    @usableFromInline var committingCount = 0

    public let limits: OutputLimits

    @inlinable public init(limits: OutputLimits = .node) { self.limits = limits }

    @inlinable public var isCommitting: Bool { committingCount > 0 }

    /// Everything asked for that has not left or is not durable yet.
    @inlinable public var count: Int {
        ready.count + held.count + waiting.count + writes.count + committingCount
    }

    @inlinable public var isEmpty: Bool { count == 0 }

    /// The disk does not keep up: the node must stop.
    @inlinable public var isOverfull: Bool { count > limits.outputsMax }

    /// Of `count`, what waits to be sent.
    @inlinable public var sendsCount: Int { ready.count + held.count + waiting.count }

    /// After so many commits everything is durable that has been asked for.
    @inlinable public var commitsAhead: Int { (isCommitting ? 1 : 0) + (writes.isEmpty ? 0 : 1) }

    /// False if so much waits that it is lost.
    @discardableResult
    @inlinable public mutating func send(_ bytes: [UInt8], to destination: Destination) -> Bool {
        guard count < limits.sendsMax else { return false }
        enqueue(bytes, destination)
        return true
    }

    @inlinable mutating func enqueue(_ bytes: [UInt8], _ destination: Destination) {
        if isRemoved(.durableBeforeSent) { return ready.append((bytes, destination)) }
        if writes.isEmpty {
            if committingCount == 0 { return ready.append((bytes, destination)) }
            waitingAhead += 1
        }
        waiting.append((bytes, destination))
    }

    @inlinable public mutating func persist(_ write: Write) { writes.append(write) }

    /// Hands over the sends that may leave now, in order; then, if no commit runs and writes wait, begins a commit
    /// and returns its batch. Answer a batch with `committed` once it is durable.
    @inlinable public mutating func pump(_ leave: (_ bytes: [UInt8], _ destination: Destination) -> Void)
        -> [Write]?
    {
        for send in ready { leave(send.bytes, send.destination) }
        // Almost every step sends and does not write: the storage is worth keeping.
        ready.removeAll(keepingCapacity: true)
        guard committingCount == 0, !writes.isEmpty else { return nil }
        precondition(held.isEmpty && waitingAhead == 0, "what no write holds back has left")
        let batch = writes
        writes = []
        committingCount = batch.count
        swap(&held, &waiting)
        return batch
    }

    /// The running commit is durable: what it held back may leave with the next `pump`.
    @inlinable public mutating func committed() {
        precondition(committingCount > 0, "a commit runs")
        committingCount = 0
        ready.append(contentsOf: held)
        held.removeAll(keepingCapacity: true)
        ready.append(contentsOf: waiting[..<waitingAhead])
        waiting.removeFirst(waitingAhead)
        waitingAhead = 0
    }
}

extension OutputQueue: Sendable where Write: Sendable {}
