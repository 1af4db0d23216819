internal import Bytes
internal import Chance
internal import Coverage
internal import Foundation
internal import Identity
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Node
internal import Radio
internal import Records
internal import Store
internal import Wire

/// Drives one `Node` or `EdgeNode` with real sockets, clock, workers and store; lives on one event loop.
///
/// Sends leave in the order in which the node asked for them, and none overtakes a `persist` before it: what is
/// asked for while a commit runs waits, and one commit takes everything that waits (group commit).
final class Driver {
    /// How often the node's own account of itself is stored, for tools.
    static let statusPeriod: TimeAmount = .milliseconds(Int64(LiveStatus.periodMilliseconds))
    /// How often it is looked whether the store is still in its place, and after how many such looks it is said again that it is not.
    static let placePeriod: TimeAmount = .seconds(30)
    private static let looksPerWord: UInt64 = 20
    /// How long the disk may take at the end: less than the 10 s after which whoever asked a node to stop kills it.
    static let stopPatience: TimeAmount = .seconds(5)

    private enum Phase {
        case running
        /// No events any more; what was asked for becomes durable and leaves, then the promise is kept.
        case leaving(EventLoopPromise<Bool>, until: Scheduled<Void>)
        case stopped
    }

    private let eventLoop: any EventLoop
    private let node: any NodeMachine
    private let carrier: Carrier
    private let store: NodeStore
    private let writer: NIOThreadPool
    private let workers: NIOThreadPool
    private let gossip: NodeSocket
    private let radio: RadioPort?
    let logger: Logger
    private let keyLog: KeyLog?
    private let onFailure: @Sendable (RuntimeError) -> Void

    var watch: NodeWatch
    private var clock: ClockWatch
    private var outputs = OutputQueue<RecordWrite>()
    /// What is to be sent by radio, and after how many commits: nothing is said there either before it is durable.
    private var transmissions: [(transmission: Transmission, commits: Int)] = []
    private var commits = 0
    private var isWriterAtWork = false
    private var hasFailed = false
    private var timer: Scheduled<Void>?
    private var timerAt: Instant = .never
    private var statusTask: RepeatedTask?
    private var placeTask: RepeatedTask?
    private var phase = Phase.running
    /// Datagrams that came in, dropped ones too.
    private var datagrams: UInt64 = 0
    /// Datagrams that the system did not take, or that waited for the disk beside too many others.
    private var unsent: UInt64 = 0
    /// In how many looks, one after the other, the store was not in its place.
    private var misplaced: UInt64 = 0

    init(
        node: any NodeMachine, carrier: Carrier, first: [NodeAction], watch: NodeWatch, store: NodeStore,
        eventLoop: any EventLoop, writer: NIOThreadPool, workers: NIOThreadPool, gossip: NodeSocket,
        radio: RadioPort?, keyLog: KeyLog?, logger: Logger,
        onFailure: @escaping @Sendable (RuntimeError) -> Void
    ) {
        self.node = node
        self.carrier = carrier
        self.watch = watch
        clock = ClockWatch(wallNanoseconds: Driver.wallMicroseconds * 1_000, at: Driver.now)
        self.store = store
        self.eventLoop = eventLoop
        self.writer = writer
        self.workers = workers
        self.gossip = gossip
        self.radio = radio
        self.keyLog = keyLog
        self.logger = logger
        self.onFailure = onFailure
        carryOut(first)
        let driver = NIOLoopBound(self, eventLoop: eventLoop)
        statusTask = eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: Driver.statusPeriod) { _ in
            driver.value.persistStatus()
        }
        placeTask = eventLoop.scheduleRepeatedTask(
            initialDelay: Driver.placePeriod, delay: Driver.placePeriod
        ) { _ in _ = driver.value.lookForStore() }
        rearm()
    }

    static var now: Instant { Instant(nanoseconds: Int64(NIODeadline.now().uptimeNanoseconds)) }

    static var wallTime: UInt64 { wallMicroseconds / 1_000 }

    /// 0 where the system believes to be before 1970.
    static var wallMicroseconds: UInt64 { UInt64(max(0, Date().timeIntervalSince1970 * 1_000_000)) }

    private var isRunning: Bool { if case .running = phase { !hasFailed } else { false } }

    private var isStopped: Bool { if case .stopped = phase { true } else { false } }

    // MARK: In

    func handle(_ event: NodeEvent) {
        guard isRunning else { return }
        node.wallTime = Driver.wallTime
        var actions: [NodeAction] = []
        node.handle(event, at: Driver.now, actions: &actions)
        carryOut(actions)
        rearm()
    }

    func receive(_ bytes: [UInt8], from address: SocketAddress) {
        guard let source = Endpoint(address), isRunning else { return }
        datagrams += 1
        watch.traffic.received(bytes.count, from: source)
        carry(.datagram(bytes, from: source))
        rearm()
    }

    private func carry(_ event: Carrier.Event) {
        var actions: [Carrier.Action] = []
        carrier.handle(event, at: Driver.now, actions: &actions)
        act(on: actions)
    }

    private func act(on actions: [Carrier.Action]) {
        for action in actions {
            switch action {
            case .transmit(let bytes, let endpoint): write(bytes, to: endpoint)
            case .payload(let payload, let sender, let place): handle(.payload(payload, from: sender, place))
            case .lost(let peer): handle(.lost(peer))
            case .observed(let seen, let peer, let place): handle(.observed(seen, by: peer, place))
            case .keyLog(let line): keyLog?.write(line)
            }
        }
    }

    func receiveRadio(_ bytes: [UInt8], from address: SocketAddress) {
        guard let radio, isRunning else { return }
        act(on: radio.handle(.datagram(from: address, bytes), at: Driver.now))
        rearm()
    }

    private func wake() {
        timer = nil
        timerAt = .never
        if let radio, radio.deadline <= Driver.now { act(on: radio.handle(.woke, at: Driver.now)) }
        if carrier.deadline <= Driver.now { carry(.woke) }
        handle(.woke)
    }

    private func rearm() {
        guard isRunning else { return }
        let deadline = min(min(node.deadline, carrier.deadline), radio?.deadline ?? .never)
        guard deadline != .never, deadline < timerAt || timer == nil else { return }
        timer?.cancel()
        timerAt = deadline
        let driver = NIOLoopBound(self, eventLoop: eventLoop)
        // A deadline in the past fires at once; never busier than once a tick of 100 microseconds.
        let at = max(deadline.nanoseconds, Driver.now.nanoseconds + 100_000)
        timer = eventLoop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(at))) { driver.value.wake() }
    }

    // MARK: Out

    private func carryOut(_ actions: [NodeAction]) {
        for action in actions {
            switch action {
            case .send(let payload, let destination):
                if !outputs.send(payload, to: destination) { unsent += 1 }
            case .card(let card): carry(.card(card))
            case .hold(let peer): carry(.hold(peer))
            case .release(let peer): carry(.release(peer))
            case .persist(let persisted):
                watch.note(persisted, wallMicroseconds: Driver.wallMicroseconds)
                // In one batch, as nothing is pumped between them.
                for write in RecordWrite.all(of: persisted, at: Driver.wallTime) { outputs.persist(write) }
            case .verify(let ticket, let checks): verify(ticket, checks)
            case .transmit(let transmission):
                transmissions.append((transmission, commits + outputs.commitsAhead))
            case .serve(let request, let peer): serve(request, to: peer)
            case .notice(let notice): log(notice)
            }
        }
        if outputs.isOverfull {
            return fail(
                RuntimeError("the disk does not keep up: \(outputs.count) outputs wait for it; stopping"))
        }
        pump()
    }

    /// Sends up to the next `persist`, then commits everything that waits.
    private func pump() {
        guard !hasFailed else { return }
        var leaving: [(payload: [UInt8], destination: Destination)] = []
        let batch = outputs.pump { leaving.append(($0, $1)) }
        for (payload, destination) in leaving { carry(.send(payload, to: destination)) }
        if let batch { commit(batch) }
        // Last, as the node hears of each at once and says more.
        while isRunning, let next = transmissions.first, next.commits <= commits {
            transmissions.removeFirst()
            transmit(next.transmission)
        }
    }

    private func commit(_ batch: [RecordWrite]) {
        let driver = NIOLoopBound(self, eventLoop: eventLoop)
        let store = store
        isWriterAtWork = true
        writer.runIfActive(eventLoop: eventLoop) { try store.write(batch) }.whenComplete { result in
            driver.value.committed(result)
        }
    }

    private func committed(_ result: Result<Void, any Error>) {
        isWriterAtWork = false
        guard !isStopped else { return }
        if case .failure(let error) = result {
            fail(RuntimeError("the store took nothing more: \(error)"))
        } else {
            outputs.committed()
            commits += 1
            pump()
        }
        leaveIfDone()
    }

    private func write(_ bytes: [UInt8], to endpoint: Endpoint) {
        guard !isStopped else { return }
        // What the system refuses is a lost datagram: the protocols above repair it.
        guard gossip.send(bytes, to: endpoint) else { return unsent += 1 }
        watch.traffic.sent(bytes.count, to: endpoint)
    }

    private func verify(_ ticket: UInt64, _ checks: [Check]) {
        let driver = NIOLoopBound(self, eventLoop: eventLoop)
        workers.runIfActive(eventLoop: eventLoop) { Verification(of: checks) }.whenSuccess { verification in
            driver.value.handle(.verified(ticket: ticket, verification))
        }
    }

    private func serve(_ request: StoreRequest, to peer: NodeID) {
        let driver = NIOLoopBound(self, eventLoop: eventLoop)
        let store = store
        workers.runIfActive(eventLoop: eventLoop) { try store.answer(request) }.whenComplete { result in
            switch result {
            case .success(let messages): driver.value.handle(.served(messages, to: peer))
            case .failure(let error):
                driver.value.logger.warning("cannot read what a peer asks for: \(error)")
                driver.value.handle(.served([], to: peer))
            }
        }
    }

    private func transmit(_ transmission: Transmission) {
        watch.note(transmission, epoch: node.view.openEpoch, wallTime: Driver.wallTime)
        guard let radio else { return handle(.radioTransmitted(power: nil)) }
        act(on: radio.transmit(transmission, at: Driver.now))
    }

    private func act(on results: [RadioPort.Result]) {
        for result in results {
            switch result {
            case .heard(let payload, let measurement): handle(.radioHeard(payload: payload, measurement))
            case .transmitted(let power): handle(.radioTransmitted(power: power))
            case .refused(let why): logger.warning("the packet forwarder did not transmit: \(why)")
            case .exceeded(let asked, let used):
                logger.warning(
                    """
                    the packet forwarder transmits with \(used) dBm where it was asked for \(asked) dBm: more than the region may \
                    allow, and reports of the beacon may be found too loud. Give its gain table a row of \(asked) dBm or less, \
                    and set its antenna_gain to 0
                    """)
            }
        }
    }

    // MARK: Accounts

    /// Once a second.
    private func persistStatus() {
        guard isRunning else { return }
        let wallNanoseconds = Driver.wallMicroseconds * 1_000
        if clock.wasSet(to: wallNanoseconds, at: Driver.now) {
            logger.notice("the system's clock was set")
            carry(.clock(wallNanoseconds: wallNanoseconds))
        }
        outputs.persist(.stamp(carrier.lastStamp))
        outputs.persist(.status(status(at: Driver.now, wallTime: Driver.wallTime)))
        pump()
    }

    /// Somebody may remove, move or replace the store's file under the node. It goes on, as to end would destroy the last of the data: of
    /// one node, or of all those that the same mistake is made on. Nothing is contradicted by that: a store that is not
    /// there, or is another one, makes the next life observe only.
    func lookForStore() -> EventLoopFuture<Void> {
        let driver = NIOLoopBound(self, eventLoop: eventLoop)
        let store = store
        // On the writer's thread, as a disk may hang.
        return writer.runIfActive(eventLoop: eventLoop) { store.store.isInPlace }.map { isInPlace in
            let driver = driver.value
            guard driver.isRunning else { return }
            if isInPlace {
                if driver.misplaced > 0 { driver.logger.notice("the store is in its place again") }
                driver.misplaced = 0
            } else {
                if driver.misplaced % Driver.looksPerWord == 0 { driver.logMisplaced(in: store.directory) }
                driver.misplaced += 1
            }
        }
    }

    func status(at now: Instant, wallTime: UInt64) -> LiveStatus {
        let own =
            [
                ("gossip.datagrams", datagrams), ("gossip.unsent", unsent),
                (NodeHealth.misplacedCounter, misplaced),
            ]
            + carrier.counters.map { ("session.\($0.name)", $0.value) }
            + (radio?.counters ?? [])
        return watch.status(of: node, over: carrier, driverCounters: own, at: now, wallTime: wallTime)
    }

    private func fail(_ error: RuntimeError) {
        guard !hasFailed else { return }
        hasFailed = true
        logger.critical("\(error)")
        onFailure(error)
    }

    // MARK: The end

    /// Takes no more events; what was asked for still becomes durable and leaves, and so do the last words. Then says goodbye.
    ///
    /// - Parameter patience: After so long it says goodbye all the same: a disk that is stuck must not hold the process.
    /// - Returns: False if the writer is at work even so: it is not to be waited for.
    func stop(within patience: TimeAmount = Driver.stopPatience) -> EventLoopFuture<Bool> {
        switch phase {
        case .leaving(let promise, _): return promise.futureResult
        case .stopped: return eventLoop.makeSucceededFuture(!isWriterAtWork)
        case .running: break
        }
        let promise = eventLoop.makePromise(of: Bool.self)
        let driver = NIOLoopBound(self, eventLoop: eventLoop)
        phase = .leaving(promise, until: eventLoop.scheduleTask(in: patience) { driver.value.leave() })
        timer?.cancel()
        statusTask?.cancel()
        placeTask?.cancel()
        // Of this moment: an epoch may have become final since the last snapshot.
        let last = watch.lastWords(status(at: Driver.now, wallTime: Driver.wallTime))
        outputs.persist(.status(last))
        pump()
        leaveIfDone()
        return promise.futureResult
    }

    private func leaveIfDone() {
        if hasFailed || outputs.isEmpty { leave() }
    }

    private func leave() {
        guard case .leaving(let promise, let overdue) = phase else { return }
        overdue.cancel()
        var actions: [NodeAction] = []
        node.leave(at: Driver.now, actions: &actions)
        for case .send(let payload, let destination) in actions { carry(.send(payload, to: destination)) }
        var last: [Carrier.Action] = []
        carrier.leave(at: Driver.now, actions: &last)
        for case .transmit(let bytes, let endpoint) in last { write(bytes, to: endpoint) }
        phase = .stopped
        if isWriterAtWork { logger.warning("the disk takes too long: what was to be kept last is lost") }
        promise.succeed(!isWriterAtWork)
    }
}
