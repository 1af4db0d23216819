// swift-tools-version: 6.3
import PackageDescription

/// What is measured comes from the package above; what it is measured against is C in `Sources/Baseline`.
let package = Package(
    name: "Bench",
    dependencies: [.package(name: "Earshot", path: "../..")],
    targets: [
        .target(
            name: "Baseline",
            cSettings: [.define("_GNU_SOURCE")],
            linkerSettings: [.linkedLibrary("sodium"), .linkedLibrary("lmdb")]),
        .executableTarget(
            name: "Bench",
            dependencies: ["Baseline", .product(name: "EarshotCore", package: "Earshot")],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
                .enableExperimentalFeature("Lifetimes"),
                .strictMemorySafety(),
                .treatAllWarnings(as: .error),
            ]),
    ]
)
