// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target of Cote is compiled with.
let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// Programs are fully static: they start in a millisecond, share nothing but pages, and the agent runs in any image.
/// Flags that SwiftPM calls unsafe stay on programs, so that other packages can depend on `CoteEngine`.
let staticProgram: [LinkerSetting] = [.unsafeFlags(["-static-executable"])]

/// Their own code links by itself what it imports; what a library imports it does not.
let staticRuntime: [LinkerSetting] = [.linkedLibrary("swiftSynchronization")]

/// What a static program needs besides when it uses FoundationEssentials, which does not say so itself.
let staticFoundation: [LinkerSetting] = [
    .linkedLibrary("_FoundationCShims"),
    .linkedLibrary("_FoundationCollections"),
]

func library(_ name: String, _ dependencies: [Target.Dependency], extra: [SwiftSetting] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: house + extra)
}

func program(_ name: String, _ dependencies: [Target.Dependency], extra: [LinkerSetting] = []) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, swiftSettings: house,
        linkerSettings: staticProgram + staticRuntime + extra)
}

/// A program of `Tests/Programs`.
func weakened(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "Tests/Programs/\(name)", swiftSettings: house,
        linkerSettings: staticProgram + staticRuntime)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], besides: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: besides, swiftSettings: house)
}

/// They start this build's programs, which SwiftPM builds anyway; as dependencies they would be linked into the tests.
let sandboxed: [Target.Dependency] = [
    "CoteTestSupport", "CoteEngine", "CoteJournal", "CoteModel", "CoteSystem",
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "cote",
    products: [
        .library(name: "CoteEngine", targets: ["CoteEngine", "CoteModel"]),
        .executable(name: "cote", targets: ["cote"]),
        .executable(name: "cote-keeper", targets: ["cote-keeper"]),
        .executable(name: "cote-agent", targets: ["cote-agent"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
    ],
    targets: [
        // Shims and values, shared by host and guest.
        .target(name: "CLinux"),
        .target(name: "CBtrfs"),
        library("CoteSystem", ["CLinux"]),
        library("CoteModel", []),
        library("CoteWire", ["CoteModel", "CoteSystem"]),

        // The guest.
        library("CoteGuest", ["CoteWire", "CoteModel", "CoteSystem", "CLinux"]),

        // The host.
        library("CoteJournal", ["CoteModel", "CoteSystem"]),
        library("CoteSandbox", ["CoteModel", "CoteSystem"]),
        library("CoteVolumes", ["CBtrfs", "CoteModel", "CoteSystem"]),
        library("CoteDriverOCI", ["CoteSandbox", "CoteModel", "CoteSystem"]),
        library("CoteKeeper", ["CoteSandbox", "CoteJournal", "CoteWire", "CoteModel", "CoteSystem"]),
        library(
            "CoteEngine", ["CoteDriverOCI", "CoteSandbox", "CoteJournal", "CoteWire", "CoteModel", "CoteSystem"]),
        library("CoteCLI", ["CoteEngine", "CoteJournal", "CoteModel", "CoteSystem", argumentParser]),

        // Programs.
        program("cote", ["CoteCLI"], extra: staticFoundation),
        program("cote-keeper", ["CoteKeeper", "CoteDriverOCI", "CoteModel"]),
        program("cote-agent", ["CoteGuest", "CoteModel"]),

        // The security suite's own: they leave out guards. Never in a product, never installed.
        weakened("weakened-keeper", ["CoteKeeper", "CoteDriverOCI", "CoteSandbox", "CoteModel", "CoteSystem"]),
        weakened("weakened-agent", ["CoteGuest", "CoteModel"]),
        // The fault tests': speaks the agent's part of the protocol wrongly.
        weakened("hostile-agent", ["CoteWire", "CoteModel", "CoteSystem"]),
        // The volume tests': dies where it is told to.
        weakened("volume-worker", ["CoteVolumes", "CoteModel", "CoteSystem"]),

        // Beside other runtimes; `make bench`.
        .executableTarget(
            name: "cote-bench",
            dependencies: ["CoteEngine", "CoteGuest", "CoteJournal", "CoteModel", "CoteSandbox", "CoteSystem"],
            path: "Benchmarks", swiftSettings: house, linkerSettings: staticProgram + staticRuntime + staticFoundation),

        // Tests without a sandbox.
        tests("CoteSystemTests", ["CoteSystem"]),
        tests("CoteModelTests", ["CoteModel"]),
        tests("CoteWireTests", ["CoteTestSupport", "CoteWire", "CoteModel"]),
        tests("CoteGuestTests", ["CoteTestSupport", "CLinux", "CoteGuest", "CoteWire", "CoteModel", "CoteSystem"]),
        tests("CoteJournalTests", ["CoteTestSupport", "CoteJournal", "CoteModel", "CoteSystem"]),
        tests("CoteKeeperTests", ["CoteTestSupport", "CoteKeeper", "CoteModel", "CoteSystem"]),
        tests("CoteVolumesTests", ["CoteTestSupport", "CoteVolumes", "CoteModel", "CoteSystem"]),
        tests("TidyTests", []),

        // Tests with real sandboxes.
        .target(
            name: "CoteTestSupport", dependencies: ["CoteEngine", "CoteSandbox", "CoteModel", "CoteSystem"],
            path: "Tests/Support", swiftSettings: house),
        tests("ConformanceTests", sandboxed),
        tests("SecurityTests", sandboxed),
        tests("CommandLineTests", sandboxed),
        tests("FaultTests", sandboxed + ["CoteSandbox", "CoteWire"]),
        // On a machine of QEMU's.
        tests("OtherKernelTests", ["CoteTestSupport", "CoteSystem"], besides: ["Machine"]),
    ],
    swiftLanguageModes: [.v6]
)
