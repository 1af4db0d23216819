// swift-tools-version: 6.3
import PackageDescription

/// One set of settings for every target, so that no corner of the package is held to a lower bar.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// A room: its folder is `Sources/<name>`, and it may import what stands here and nothing else.
func room(_ name: String, _ dependencies: Target.Dependency..., resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

/// Tests of a room; vectors beside them are read by path.
func tests(_ name: String, exclude: [String] = [], _ dependencies: Target.Dependency...) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["TestKit"], exclude: exclude, swiftSettings: strict)
}

/// The simulator's named plans; in the binary, so that it finds them wherever it is.
let scenarios = [
    "behind-translators", "certificate-split", "clock-jumps", "eclipse-after-wipe",
    "edge-without-uplinks", "evidence-fraud",
    "flood-by-a-peer", "forged-bodies", "hand-over", "hostile-lists", "join-by-snapshot", "late-leaders",
    "leader-only-partition",
    "lying-uplinks", "mangled-words", "nondeterminism",
    "oversized-block",
    "retry-storm", "rolling-upgrade",
    "sessions-for-hours", "slow-disk", "third-gone-and-back",
]

func nio(_ name: String) -> Target.Dependency { .product(name: name, package: "swift-nio") }

let package = Package(
    name: "Earshot",
    products: [
        .executable(name: "earshot", targets: ["EarshotCLI"]),
        .library(
            name: "EarshotCore",
            targets: [
                "Bytes", "Chance", "Identity", "Geo", "Wire", "Store", "Coverage", "Ledger", "Node",
                "Reconciliation", "Records", "Session", "Membership", "Dissemination",
            ]),
        // For tools/Fuzz, which lives in a package of its own.
        .library(name: "WireSamples", targets: ["WireSamples"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        // Floor 0: foreign ground, module maps only.
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CH3", pkgConfig: "h3"),
        // Floor 0: bytes, chance, identity, geography; the names of rules that mutated builds can do without.
        room("Bytes"),
        room("Chance"),
        room("Rules"),
        room("Identity", "Bytes", "CSodium"),
        room("Geo", "Bytes", "CH3"),
        // Floor 1: messages and storage.
        room("Wire", "Bytes", "Geo", "Identity"),
        room("Store", "Bytes", "CLMDB"),
        // Floor 2: protocol machines; none imports another.
        room("Session", "Bytes", "Chance", "Identity", "Rules", "Wire"),
        room("Membership", "Bytes", "Chance", "Geo", "Identity", "Rules", "Wire"),
        room("Dissemination", "Bytes", "Chance", "Identity", "Rules", "Wire"),
        room("Reconciliation", "Bytes", "Chance", "Identity", "Rules", "Wire"),
        room("Consensus", "Bytes", "Chance", "Identity", "Rules", "Wire"),
        room("Coverage", "Bytes", "Chance", "Geo", "Identity", "Rules", "Wire"),
        room("Ledger", "Bytes", "Chance", "Geo", "Identity", "Rules", "Wire"),
        // Floor 3: the composition, still without I/O, and the store's tables.
        room(
            "Node", "Bytes", "Chance", "Consensus", "Coverage", "Dissemination", "Geo", "Identity", "Ledger",
            "Membership", "Reconciliation", "Rules", "Session", "Wire",
            .product(name: "HeapModule", package: "swift-collections")),
        room("Records", "Bytes", "Geo", "Identity", "Store", "Wire"),
        // Floor 4: the real world.
        room("Radio", "Bytes", "Chance", "Geo", nio("NIOCore"), nio("NIOPosix")),
        room(
            "Runtime", "Bytes", "Chance", "Consensus", "Coverage", "Dissemination", "Geo", "Identity",
            "Membership", "Node", "Radio", "Records", "Session",
            "Store", "Wire", nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1"),
            .product(name: "Logging", package: "swift-log"),
            .product(name: "CoreMetrics", package: "swift-metrics"),
            .product(name: "DequeModule", package: "swift-collections"),
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            .product(name: "UnixSignals", package: "swift-service-lifecycle"), "TOMLKit"),
        // Floor 4: the virtual world.
        room(
            "Simulation", "Bytes", "Chance", "Consensus", "Coverage", "Dissemination", "Geo", "Identity",
            "Ledger", "Node",
            "Radio", "Reconciliation", "Rules", "Session", "Wire",
            .product(name: "HeapModule", package: "swift-collections"),
            "TOMLKit",
            resources: scenarios.map { .embedInCode("Scenarios/\($0).toml") }),
        // Floor 5: arguments to calls.
        .executableTarget(
            name: "EarshotCLI",
            dependencies: [
                "Bytes", "Geo", "Identity", "Node", "Radio", "Records", "Rules", "Runtime", "Simulation",
                "Store", "Wire", nio("NIOCore"), nio("NIOPosix"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),

        .target(name: "TestKit", dependencies: ["Chance"], path: "Tests/TestKit", swiftSettings: strict),
        .executableTarget(
            name: "StoreProbe", dependencies: ["Bytes", "Store"], path: "Tests/StoreProbe",
            swiftSettings: strict),
        .executableTarget(
            name: "PayerProbe", dependencies: ["Bytes", "Identity", "Runtime", "Wire"],
            path: "Tests/PayerProbe", swiftSettings: strict),
        .target(
            name: "MembershipWorld",
            dependencies: [
                "Bytes", "Chance", "Geo", "Identity", "Membership", "Wire",
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            path: "Tests/MembershipWorld", swiftSettings: strict),
        // Many seeds of the tests' eclipse, optimised, without the tests.
        .executableTarget(
            name: "EclipseProbe", dependencies: ["MembershipWorld"], path: "Tests/EclipseProbe",
            swiftSettings: strict),
        .target(
            name: "WireSamples", dependencies: ["Bytes", "Chance", "Geo", "Identity", "Wire"],
            path: "Tests/WireSamples", swiftSettings: strict),
        tests("WireTests", "Bytes", "Chance", "Geo", "Identity", "Wire", "WireSamples"),
        tests(
            "RecordsTests", "Bytes", "Chance", "Geo", "Identity", "Records", "Store", "Wire", "WireSamples"),
        tests("GroundTests", "Bytes", "Chance"),
        tests(
            "SimulationTests", exclude: ["Design.rules", "Traces"], "Bytes", "Chance", "Consensus",
            "Coverage", "Geo",
            "Identity", "Node", "Radio", "Reconciliation", "Rules", "Simulation", "Wire"),
        tests("IdentityTests", exclude: ["Vectors"], "Bytes", "Chance", "Identity"),
        tests("ConsensusTests", "Bytes", "Chance", "Consensus", "Identity", "Wire"),
        tests(
            "CoverageTests", exclude: ["Vectors"], "Bytes", "Chance", "Coverage", "Geo", "Identity", "Wire"),
        tests("DisseminationTests", "Bytes", "Chance", "Dissemination", "Identity", "Wire"),
        tests("ReconciliationTests", "Bytes", "Chance", "Identity", "Reconciliation", "Wire"),
        tests("SessionTests", exclude: ["Vectors"], "Bytes", "Chance", "Identity", "Session", "Wire"),
        tests(
            "MembershipTests", "Bytes", "Chance", "Identity", "Membership", "MembershipWorld", "Wire",
            "WireSamples"),
        tests("LedgerTests", "Bytes", "Chance", "Geo", "Identity", "Ledger", "Wire"),
        tests(
            "NodeTests", "Bytes", "Chance", "Consensus", "Coverage", "Geo", "Identity", "Ledger",
            "Membership", "Node", "Session", "Wire"),
        tests(
            "TestnetTests", "Bytes", "Chance", "Consensus", "EarshotCLI", "Geo", "Identity", "PayerProbe",
            "Node",
            "Radio", "Records", "Runtime", "Session", "Store", "Wire", "WireSamples"),
        tests(
            "RuntimeTests", "Bytes", "Chance", "Coverage", "Geo", "Identity", "Node", "Radio", "Records",
            "Runtime", "Session", "Wire", "WireSamples", nio("NIOCore"), nio("NIOPosix"),
            .product(name: "CoreMetrics", package: "swift-metrics"),
            .product(name: "Logging", package: "swift-log")),
        tests("GeoTests", exclude: ["Vectors"], "Bytes", "Chance", "Geo"),
        tests("StoreTests", "Bytes", "CLMDB", "Chance", "Store", "StoreProbe"),
        tests(
            "RadioTests", exclude: ["Vectors"], "Bytes", "Chance", "Geo", "Radio", nio("NIOCore"),
            nio("NIOPosix")),
    ]
)
