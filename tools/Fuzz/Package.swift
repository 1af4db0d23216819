// swift-tools-version: 6.3
import PackageDescription

// A package of its own, since libFuzzer's flags must reach every module it links and would break `swift build`.
let package = Package(
    name: "Fuzz",
    dependencies: [.package(name: "Earshot", path: "../..")],
    targets: [
        .executableTarget(
            name: "FuzzDatagram",
            dependencies: [
                .product(name: "EarshotCore", package: "Earshot"),
                .product(name: "WireSamples", package: "Earshot"),
            ],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
                .enableExperimentalFeature("Lifetimes"),
            ])
    ]
)
