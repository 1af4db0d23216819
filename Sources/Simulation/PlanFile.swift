internal import Bytes
internal import Foundation
internal import TOMLKit

/// Why a plan cannot be read or run.
public struct PlanError: Error, CustomStringConvertible {
    public let description: String
}

extension Plan {
    /// Reads a plan from TOML or JSON. What it leaves out is as in `Plan()`; a key that no plan has is an error.
    /// - Parameter name: What to call it in errors.
    public init(reading text: String, name: String) throws(PlanError) {
        do {
            let isJSON = text.first { !$0.isWhitespace } == "{"
            if !isJSON, let line = KeyParts.lineOfTooMany(in: text) {
                throw PlanError(
                    description: "\(name), line \(line): a key has more than \(KeyParts.countMax) parts")
            }
            let json = isJSON ? text : try TOMLTable(string: text).convert(to: .json)
            let given = try JSONSerialization.jsonObject(with: Data(json.utf8))
            let template = try JSONSerialization.jsonObject(with: JSONEncoder().encode(Self.template))
            guard let given = given as? [String: Any], var known = template as? [String: Any] else {
                throw PlanError(description: "\(name): it is no table")
            }
            guard !given.isEmpty else {
                throw PlanError(description: "\(name): it is empty; a plan says at least how many epochs")
            }
            let rough = known.removeValue(forKey: "roughLinks")!
            var base = known
            for list in ["faults", "byzantine"] { base[list] = [Any]() }
            known["roughLinks"] = rough
            let merged = try Self.merge(given, over: base, known: known, path: name)
            let data = try JSONSerialization.data(withJSONObject: merged)
            self = try JSONDecoder().decode(Plan.self, from: data)
        } catch let error as PlanError {
            throw error
        } catch let error as DecodingError {
            throw PlanError(description: "\(name): \(Self.explain(error))")
        } catch {
            throw PlanError(description: "\(name): \(error)")
        }
        try check(name)
    }

    /// One of everything, so that every key is known.
    private static var template: Plan {
        var plan = Plan()
        plan.roughLinks = Links()
        plan.faults = [Fault(.crash, at: 0, until: 1, hosts: [])]
        plan.byzantine = [Byzantine(host: 0, .equivocator)]
        return plan
    }

    private static func merge(
        _ given: [String: Any], over base: [String: Any], known: [String: Any], path: String
    ) throws -> [String: Any] {
        var merged = base
        for key in given.keys.sorted() {
            guard let sample = known[key] else {
                let keys = known.keys.sorted().joined(separator: ", ")
                throw PlanError(description: "\(path): '\(key)' is no key of a plan; known here: \(keys)")
            }
            if let table = given[key] as? [String: Any], let sample = sample as? [String: Any] {
                let under = base[key] as? [String: Any] ?? sample
                merged[key] = try merge(table, over: under, known: sample, path: "\(path): \(key)")
            } else if let tables = given[key] as? [[String: Any]],
                let sample = (sample as? [[String: Any]])?.first
            {
                merged[key] = try tables.map { table in
                    for key in ["kind", "at", "until", "host", "behaviour"]
                    where sample[key] != nil && table[key] == nil {
                        throw PlanError(description: "\(path): a '\(key)' is missing")
                    }
                    return try merge(table, over: sample, known: sample, path: "\(path): \(key)")
                }
            } else {
                merged[key] = given[key]
            }
        }
        return merged
    }

    private static func explain(_ error: DecodingError) -> String {
        let context: DecodingError.Context? =
            switch error {
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
                .dataCorrupted(let context):
                context
            @unknown default: nil
            }
        let path = context?.codingPath.map(\.stringValue).joined(separator: ".") ?? ""
        let fault = "'\(path)' has a value that it cannot have"
        guard case .typeMismatch(let type, _) = error else { return fault }
        return switch type {
        case is any BinaryInteger.Type, is any BinaryFloatingPoint.Type:
            fault + ": it must be a number, without quotes"
        case is Bool.Type: fault + ": it must be true or false, without quotes"
        case is String.Type: fault + ": it must be a text, in quotes"
        default: fault
        }
    }

    /// Whether it can be run at all.
    public func check(_ name: String) throws(PlanError) {
        func require(_ holds: Bool, _ what: String) throws(PlanError) {
            if !holds { throw PlanError(description: "\(name): \(what)") }
        }
        try require(
            validators > 0 && [hotspots, sensors, observers, edges].allSatisfy { $0 >= 0 } && hosts <= 20_000,
            "takes 1 to 20000 hosts, of which one validator at least")
        try require(
            epochs > 0 && epochMilliseconds >= 500 && deltaMilliseconds > 0,
            "epochs, their length or Δ is too small")
        try require(waitingMax >= 0, "waitingMax is not negative")
        try require(stakes.isEmpty || stakes.count == validators, "as many stakes as validators, or none")
        try require(
            epochsAfterHealing >= 0 && clients.joiners >= 0 && (0..<validators).contains(clients.leavers),
            "epochs after healing, joiners and leavers are not negative, and one validator stays")
        let range = 0..<hosts
        for fault in faults {
            try require(
                fault.at >= 0 && fault.at < fault.until, "\(fault.kind.rawValue) ends before it begins")
            try require(
                (fault.hosts + fault.others).allSatisfy(range.contains),
                "\(fault.kind.rawValue) is at a host that is not there; hosts are 0 to \(hosts - 1)")
            for list in [fault.hosts, fault.others] {
                for (place, host) in list.enumerated() where list[..<place].contains(host) {
                    try require(false, "\(fault.kind.rawValue) names host \(host) twice")
                }
            }
        }
        for (key, named) in [
            ("byzantine", byzantine.map(\.host)), ("radio.silent", radio.silent), ("radio.farm", radio.farm),
            ("expects.halted", expects.halted), ("expects.ignored", expects.ignored),
        ] {
            for host in named where !range.contains(host) {
                try require(
                    false, "\(key) names host \(host), which is not there; hosts are 0 to \(hosts - 1)")
            }
        }
        try require(
            links.latencyMicrosecondsMin >= 0 && links.latencyMicrosecondsMin <= links.latencyMicrosecondsMax,
            "a link's least latency is above its greatest")
        if imitatesCrypto { try checkImitation(require) }
        if let rough = roughLinks {
            try require(
                rough.latencyMicrosecondsMin >= 0
                    && rough.latencyMicrosecondsMin <= rough.latencyMicrosecondsMax,
                "a rough link's least latency is above its greatest")
        }
    }

    /// Without crypto nobody may forge, and nobody may start again: a node that does verifies itself what its disk holds.
    private func checkImitation(_ require: (Bool, String) throws(PlanError) -> Void) throws(PlanError) {
        let why = "without crypto nothing shows who said what"
        try require(!verifiesEveryTime, "either no signature is verified, or each every time")
        try require(!sealed, "sessions are crypto: a sealed world needs it")
        try require(byzantine.isEmpty, "\(why): no dishonest hosts")
        try require(
            links.corruptPermille == 0 && roughLinks?.corruptPermille ?? 0 == 0,
            "\(why): no corruption on links")
        for fault in faults {
            switch fault.kind {
            case .garbage, .spoof, .bitFlip:
                try require(false, "\(why): no \(fault.kind.rawValue)")
            case .crash, .wipe, .staleStore, .tornBatch, .fullDisk, .upgrade:
                try require(
                    false,
                    "without crypto no host starts again, as it would verify what its disk holds: no "
                        + fault.kind.rawValue)
            case .partition, .cut, .clog, .swizzle, .flap, .splitVotes, .loss, .bandwidth, .nat, .fullCone,
                .symmetric, .readdress, .leaderCut, .pause, .slowDisk, .jump, .skew, .oddState:
                break
            }
        }
    }
}
