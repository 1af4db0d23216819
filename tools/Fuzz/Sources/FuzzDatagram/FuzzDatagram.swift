import Bytes
import Chance
import Foundation
import Wire
import WireSamples

/// Whatever octets a stranger sends, they are refused or are exactly what we would have written: as a payload,
/// as the messages in it, and as a message put together from chunks.
@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let octets = Array(UnsafeBufferPointer(start: start, count: count))
    if let payload = try? Payload(decoding: octets.octetBytes) {
        precondition(payload.encoded() == octets, "a second encoding of one payload")
        for case .message(let inner) in payload.frames { tryMessage(inner) }
    }
    tryMessage(octets)
    return 0
}

private func tryMessage(_ octets: [UInt8]) {
    guard let message = try? Message(decoding: octets) else { return }
    precondition(message.encoded() == octets, "a second encoding of one message")
}

@_silgen_name("LLVMFuzzerRunDriver")
private func run(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// SwiftPM makes this type's `main` the program's own, so it has to call libFuzzer's driver itself.
@main struct FuzzDatagram {
    static func main() throws {
        // Valid octets to start from: noise alone seldom gets past the first tag.
        if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "--seed-corpus" {
            return try writeCorpus(to: URL(fileURLWithPath: CommandLine.arguments[2], isDirectory: true))
        }
        var argumentCount = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        _ = run(&argumentCount, &arguments, fuzzOneInput)
    }

    private static func writeCorpus(to folder: URL) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var chance = Chance(seed: 1)
        for round in 0..<8 {
            for tag in Message.tags {
                let message = Message.any(from: &chance, tag: tag).encoded()
                try Data(message).write(to: folder.appending(path: "message-\(tag)-\(round)"))
            }
            for tag in 0..<Frame.count {
                let payload = Payload.any(from: &chance).encoded()
                try Data(payload).write(to: folder.appending(path: "payload-\(tag)-\(round)"))
            }
        }
    }
}
