internal import Bytes
internal import Coverage
internal import Wire

/// Several bad habits of one host: what one of them lets leave, the next one gets.
struct Several: Adversary {
    private var actors: [any Adversary]

    init(_ actors: [any Adversary]) { self.actors = actors }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        pass([(datagram.encoded(), endpoint)], after: -1, &scene)
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        var passes = true
        for place in actors.indices {
            var own = scene.again()
            passes = actors[place].receive(datagram, from: endpoint, scene: &own) && passes
            pass(own, after: place, &scene)
        }
        return passes
    }

    mutating func hear(_ payload: [UInt8], _ measurement: Measurement, scene: inout Scene) {
        for place in actors.indices {
            var own = scene.again()
            actors[place].hear(payload, measurement, scene: &own)
            pass(own, after: place, &scene)
        }
    }

    mutating func tick(scene: inout Scene) {
        for place in actors.indices {
            var own = scene.again()
            actors[place].tick(scene: &own)
            pass(own, after: place, &scene)
        }
    }

    private mutating func pass(_ own: Scene, after place: Int, _ scene: inout Scene) {
        for transmission in own.transmissions { scene.transmit(transmission) }
        for introduction in own.introductions { scene.say(introduction.0, to: introduction.to) }
        pass(own.outbox, after: place, &scene)
    }

    private mutating func pass(
        _ outbox: [(bytes: [UInt8], to: Endpoint)], after place: Int, _ scene: inout Scene
    ) {
        var outbox = outbox
        for next in actors.indices where next > place {
            var said: [(bytes: [UInt8], to: Endpoint)] = []
            for (bytes, endpoint) in outbox {
                guard let datagram = try? Datagram(decoding: bytes.octetBytes) else {
                    said.append((bytes, endpoint))
                    continue
                }
                var own = scene.again()
                actors[next].send(datagram, to: endpoint, scene: &own)
                for transmission in own.transmissions { scene.transmit(transmission) }
                said += own.outbox
            }
            outbox = said
        }
        for (bytes, endpoint) in outbox { scene.send(bytes: bytes, to: endpoint) }
    }
}

/// Keeps to the protocol by itself; its harm is that another machine does so with the same key.
struct Twin: Adversary {}
