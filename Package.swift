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

let package = Package(
    name: "Earshot",
    targets: [
        // Floor 0: foreign ground, module maps only.
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CH3", pkgConfig: "h3"),
        // Floor 0: bytes, chance, identity, geography.
        .target(name: "Bytes", swiftSettings: strict),
        .target(name: "Chance", swiftSettings: strict),
        .target(name: "Identity", dependencies: ["Bytes", "CSodium"], swiftSettings: strict),
        .target(name: "Geo", dependencies: ["Bytes", "CH3"], swiftSettings: strict),
        // Floor 1: messages and storage.
        .target(name: "Wire", dependencies: ["Bytes", "Identity", "Geo"], swiftSettings: strict),
    ]
)
