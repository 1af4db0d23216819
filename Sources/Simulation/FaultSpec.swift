/// Faults in one line, as a person types them.
///
/// Comma-separated: `KIND:HOSTS@FROM-UNTIL=AMOUNT` with hosts joined by `+`, times in milliseconds and an amount where
/// the kind has one; `BEHAVIOUR:HOST` for a dishonest host; `loss=N`, `duplicate=N`, `reorder=N`, `corrupt=N`,
/// `truncate=N` for all links, in a thousand. For example `crash:1+2@3000-9000,flooder:3,loss=200`.
public struct FaultSpecError: Error, CustomStringConvertible {
    public let description: String
}

extension Plan {
    /// Adds what the line says; links stay bad until the last fault ends, or for twenty seconds.
    public mutating func add(spec: String) throws(FaultSpecError) {
        for item in spec.split(separator: ",") { try add(item: String(item)) }
        let ends = faults.map(\.until).max() ?? 0
        healsAt = max(healsAt, ends > 0 ? ends : roughLinks == nil ? 0 : 20_000)
    }

    private mutating func add(item: String) throws(FaultSpecError) {
        let halves = item.split(separator: ":", maxSplits: 1).map(String.init)
        guard halves.count == 2 else { return try add(link: item) }
        if let behaviour = Byzantine.Behaviour(rawValue: halves[0]) {
            guard let host = Int(halves[1]), (0..<hosts).contains(host) else {
                throw FaultSpecError(description: "'\(item)': a host is a number from 0 to \(hosts - 1)")
            }
            return byzantine.append(Byzantine(host: host, behaviour))
        }
        guard let kind = Fault.Kind(rawValue: halves[0]) else {
            let kinds = Fault.Kind.allCases.map(\.rawValue) + Byzantine.Behaviour.allCases.map(\.rawValue)
            throw FaultSpecError(
                description: "'\(halves[0])' is no kind of fault; known: \(kinds.joined(separator: ", "))")
        }
        let parts = halves[1].split { "@-=".contains($0) }
        let listed = (parts.first ?? "").split(separator: "+").map { Int($0) }
        let numbers = parts.dropFirst().map { Int($0) }
        guard !listed.isEmpty, !listed.contains(nil), (2...3).contains(numbers.count), !numbers.contains(nil),
            numbers[0]! < numbers[1]!
        else {
            throw FaultSpecError(
                description: "'\(item)' is not KIND:HOSTS@FROM-UNTIL=AMOUNT, as crash:1+2@3000-9000")
        }
        let chosen = listed.map { $0! }
        guard chosen.allSatisfy({ (0..<hosts).contains($0) }) else {
            throw FaultSpecError(description: "'\(item)': hosts are numbers from 0 to \(hosts - 1)")
        }
        faults.append(
            Fault(
                kind, at: numbers[0]!, until: numbers[1]!, hosts: chosen,
                amount: numbers.count == 3 ? numbers[2]! : 0))
    }

    private mutating func add(link item: String) throws(FaultSpecError) {
        let halves = item.split(separator: "=")
        guard halves.count == 2, let amount = Int(halves[1]), (0...1_000).contains(amount) else {
            throw FaultSpecError(description: "'\(item)' is neither KIND:… nor NAME=0…1000")
        }
        var rough = roughLinks ?? links
        switch halves[0] {
        case "loss": rough.lossPermille = amount
        case "duplicate": rough.duplicatePermille = amount
        case "reorder": rough.reorderPermille = amount
        case "corrupt": rough.corruptPermille = amount
        case "truncate": rough.truncatePermille = amount
        default:
            throw FaultSpecError(
                description: "'\(halves[0])': links know loss, duplicate, reorder, corrupt, truncate")
        }
        roughLinks = rough
    }
}
