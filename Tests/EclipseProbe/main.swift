// Runs the eclipse of the membership tests for many seeds: `swift run -c release EclipseProbe 1..1000`; with a second number, for
// lives of so many seconds.
// Prints the attacker's share of the victim's views, and fails if it ever had a whole active view.

import Chance
import Dispatch
import Glibc
import MembershipWorld
import Synchronization

let bounds = (CommandLine.arguments.dropFirst().first ?? "1..1000").split(separator: ".").compactMap {
    UInt64($0)
}
let life = CommandLine.arguments.dropFirst(2).first.map { Int64($0) ?? 0 }
guard CommandLine.arguments.count <= 3, bounds.count == 2, bounds[0] <= bounds[1], life ?? 1 > 0 else {
    print("usage: EclipseProbe [FIRST..LAST [SECONDS]], seeds such as 1..1000")
    exit(2)
}
let seeds = Array(bounds[0]...bounds[1])
let lives = ["first life", "restarted, with its list", "restarted, from memory alone"]

func percent(_ share: Double) -> String {
    let text = "\(Int((share * 100).rounded()))"
    return String(repeating: " ", count: max(0, 5 - text.count)) + text
}

func row(_ head: String, _ shares: [EclipseTrial.Share]) {
    var line = "  " + head + String(repeating: " ", count: max(0, 44 - head.count))
    for values in [shares.map(\.active), shares.map(\.passive)] {
        let sorted = values.sorted()
        line +=
            percent(sorted[sorted.count / 2]) + percent(sorted[sorted.count * 99 / 100])
            + percent(sorted.last!)
        line += "    "
    }
    print(line)
}

var owned: [String] = []
for list in EclipseTrial.List.allCases {
    let results = Mutex([[EclipseTrial.Share]](repeating: [], count: seeds.count))
    DispatchQueue.concurrentPerform(iterations: seeds.count) { place in
        let trial = EclipseTrial(
            chance: Chance(seed: seeds[place]), tactic: .of(seed: seeds[place]), list: list,
            life: life.map { .seconds($0) } ?? EclipseTrial.life)
        results.withLock { $0[place] = trial.shares }
    }
    let trials = results.withLock { $0 }
    print(
        "\(list) list, \(seeds.count) seeds; highest share in %: active median, p99, most; passive likewise")
    for (life, name) in lives.enumerated() {
        row(name, trials.map { $0[life] })
        for tactic in Attacker.Tactic.allCases {
            let chosen = seeds.indices.filter { Attacker.Tactic.of(seed: seeds[$0]) == tactic }
            if !chosen.isEmpty { row("  \(tactic)", chosen.map { trials[$0][life] }) }
        }
        for place in seeds.indices where trials[place][life].active >= 1 {
            owned.append("seed \(seeds[place]), \(list) list, \(name)")
        }
    }
    fflush(nil)
}
guard owned.isEmpty else {
    print("the attacker had a whole active view \(owned.count) times; the first:")
    for line in owned.prefix(10) { print("  " + line) }
    exit(1)
}
print("in no seed had the attacker a whole active view")
