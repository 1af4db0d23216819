/// Fleets of real nodes, each at a socket of its own on the loopback, with production's settings.
enum NetworkRows {
    static let parts = ["know", "spread", "crash", "garbage", "spoof"]

    /// Hands over rows as they are measured.
    static func measure(_ part: String, isFull: Bool, _ add: ([Row]) -> Void) throws {
        switch part {
        case "know": try KnowingRows.measure(isFull: isFull, add)
        case "spread": try SpreadRows.measure(isFull: isFull, add)
        case "crash": try CrashRows.measure(isFull: isFull, add)
        case "garbage": add(try GarbageRows.measure(isFull: isFull))
        case "spoof": try SpoofRows.measure(isFull: isFull, add)
        default: preconditionFailure("no such part")
        }
    }
}
