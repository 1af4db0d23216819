import Foundation
import Glibc
import Records
import Runtime
import Store
import Wire

/// Milliseconds since 1970.
func wallTime() -> UInt64 { UInt64(Date().timeIntervalSince1970 * 1000) }

/// What a person calls a node: a data directory, the folder that holds it, a node's name in `.testnet`, its
/// configuration file, or its admin port.
enum NodePlace {
    case store(NodeStore)
    case admin(Endpoint)

    init(_ text: String) throws {
        let address = text.replacing(/^http:\/\//, with: "").replacing(/\/$/, with: "")
        if let endpoint = Endpoint(text: address) {
            self = .admin(endpoint)
            return
        }
        var isFolder = false
        let isThere = Self.exists(text, &isFolder)
        if isThere, !isFolder {
            self = .store(try NodeStore(at: try NodeConfig.read(text).dataDirectory, readOnly: true))
        } else {
            self = .store(try Self.store(in: text))
        }
    }

    static func store(in folder: String) throws -> NodeStore {
        let places = [folder + "/data", ".testnet/\(folder)/data"]
        let path = places.first { FileManager.default.fileExists(atPath: $0 + "/data.mdb") }
        // What this user may not look into may well be there: to open it says which folder refuses.
        let closed = ([folder] + places).first {
            unsafe access($0 + "/data.mdb", F_OK) != 0 && errno == EACCES
        }
        return try NodeStore(at: path ?? closed ?? folder, readOnly: true)
    }

    private static func exists(_ path: String, _ isFolder: inout Bool) -> Bool {
        guard
            let type = (try? FileManager.default.attributesOfItem(atPath: path))?[.type] as? FileAttributeType
        else {
            // A link, perhaps, or nothing.
            return FileManager.default.fileExists(atPath: path)
        }
        isFolder = type == .typeDirectory
        return true
    }
}

/// Whether the node whose last words these are is there.
enum Presence: Equatable {
    case running
    case stopped(milliseconds: UInt64)
    /// Its process is there and says nothing.
    case hanging(milliseconds: UInt64)
    /// Nor is its process; it was killed, or its machine lost power.
    case gone(milliseconds: UInt64)

    /// - Parameter hasWriter: whether a process has its store open; nil where that cannot be told.
    init(hasStopped: Bool, updatedAt: UInt64, processID: UInt32, hasWriter: Bool?, at wallTime: UInt64) {
        let silence = wallTime > updatedAt ? wallTime - updatedAt : 0
        if hasStopped {
            self = .stopped(milliseconds: silence)
        } else if hasWriter == false {
            self = .gone(milliseconds: silence)
        } else if silence <= NodeHealth.silenceMax {
            self = .running
        } else if hasWriter == true || NodeProcess.lives(processID, sinceBefore: updatedAt) {
            self = .hanging(milliseconds: silence)
        } else {
            self = .gone(milliseconds: silence)
        }
    }

    init(of live: LiveStatus, hasWriter: Bool? = nil, at wallTime: UInt64) {
        self.init(
            hasStopped: live.hasStopped, updatedAt: live.updatedAt, processID: live.processID,
            hasWriter: hasWriter, at: wallTime)
    }

    var isGone: Bool { if case .gone = self { true } else { false } }

    var text: String {
        switch self {
        case .running: "now"
        case .stopped(let milliseconds): "\(spoken(milliseconds)) ago, when it was stopped"
        case .hanging(let milliseconds): "\(spoken(milliseconds)) ago; its process is there"
        case .gone(let milliseconds): "\(spoken(milliseconds)) ago; its process is gone"
        }
    }

    /// One word, for programs.
    var name: String {
        switch self {
        case .running: "running"
        case .stopped: "stopped"
        case .hanging: "hanging"
        case .gone: "gone"
        }
    }
}

/// A span of time as people say it: the two units that matter.
func spoken(_ milliseconds: UInt64) -> String {
    let seconds = milliseconds / 1_000
    switch seconds {
    case 0..<10: return "\(milliseconds / 1_000).\(milliseconds / 100 % 10) s"
    case 10..<60: return "\(seconds) s"
    case 60..<3_600: return "\(seconds / 60) min \(seconds % 60) s"
    case 3_600..<86_400: return "\(seconds / 3_600) h \(seconds / 60 % 60) min"
    default: return "\(seconds / 86_400) d \(seconds / 3_600 % 24) h"
    }
}

/// Octets with three digits or so.
func octets(_ count: UInt64) -> String {
    var value = Double(count)
    guard value >= 1_000 else { return "\(count) B" }
    var unit = 0
    let units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 1_000, unit < units.count - 1 {
        value /= 1_000
        unit += 1
    }
    return "\((value * 10).rounded() / 10) \(units[unit])"
}
