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
func weakened(_ name: String, _ dependencies: [Target.Dependency], extra: [LinkerSetting] = []) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "Tests/Programs/\(name)", swiftSettings: house,
        linkerSettings: staticProgram + staticRuntime + extra)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], besides: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: besides, swiftSettings: house)
}

/// They start this build's programs, which SwiftPM builds anyway; as dependencies they would be linked into the tests.
let sandboxed: [Target.Dependency] = [
    "CoteTestSupport", "CoteEngine", "CoteJournal", "CoteModel", "CoteSystem",
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// What speaks HTTP and TLS; in `cote-registry` alone.
let network: [Target.Dependency] = [
    .product(name: "AsyncHTTPClient", package: "async-http-client"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
]

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")

let package = Package(
    name: "cote",
    products: [
        .library(name: "CoteEngine", targets: ["CoteEngine", "CoteEnvironments", "CoteModel"]),
        .executable(name: "cote", targets: ["cote"]),
        .executable(name: "cote-keeper", targets: ["cote-keeper"]),
        .executable(name: "cote-agent", targets: ["cote-agent"]),
        .executable(name: "cote-unpack", targets: ["cote-unpack"]),
        .executable(name: "cote-registry", targets: ["cote-registry"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
    ],
    targets: [
        // Shims and values, shared by host and guest.
        .target(name: "CLinux"),
        .target(name: "CBtrfs"),
        library("CoteSystem", ["CLinux"]),
        library("CoteModel", []),
        library("CoteWire", ["CoteModel", "CoteSystem"]),

        // What an archive is made of.
        library("CoteArchive", []),

        // The guest.
        library("CoteGuest", ["CoteArchive", "CoteWire", "CoteModel", "CoteSystem", "CLinux"]),

        // What the programs that touch hostile bytes are made of.
        .systemLibrary(name: "CZlib"),
        .systemLibrary(name: "CZstd"),
        library("CoteContent", ["CoteModel", "CoteSystem", crypto]),
        library("CoteWorker", ["CoteModel", "CoteSystem"]),
        library("CoteEnvironments", ["CoteContent", "CoteWorker", "CoteModel", "CoteSystem"]),
        library(
            "CoteUnpack",
            ["CoteArchive", "CoteContent", "CoteWorker", "CoteModel", "CoteSystem", "CZlib", "CZstd"]),
        library("CoteRegistry", ["CoteWorker", "CoteContent", "CoteModel", "CoteSystem"] + network),

        // The host.
        library("CoteJournal", ["CoteModel", "CoteSystem"]),
        library("CoteSandbox", ["CoteVolumes", "CoteModel", "CoteSystem"]),
        library("CoteVolumes", ["CBtrfs", "CoteModel", "CoteSystem"]),
        library("CoteDriverOCI", ["CoteSandbox", "CoteModel", "CoteSystem"]),
        library("CoteKeeper", ["CoteSandbox", "CoteJournal", "CoteWire", "CoteModel", "CoteSystem"]),
        library(
            "CoteEngine",
            [
                "CoteDriverOCI", "CoteEnvironments", "CoteContent", "CoteWorker", "CoteVolumes", "CoteSandbox",
                "CoteJournal", "CoteWire", "CoteModel", "CoteSystem",
            ]),
        library(
            "CoteCLI",
            [
                "CoteEngine", "CoteEnvironments", "CoteContent", "CoteJournal", "CoteModel", "CoteSystem",
                argumentParser,
            ]),

        // Programs.
        program("cote", ["CoteCLI"], extra: staticFoundation),
        program("cote-keeper", ["CoteKeeper", "CoteDriverOCI", "CoteModel"]),
        program("cote-agent", ["CoteGuest", "CoteModel"]),
        program("cote-unpack", ["CoteUnpack"], extra: staticFoundation),
        // Resolving names takes the machine's own C library, so only Swift is static.
        .executableTarget(
            name: "cote-registry", dependencies: ["CoteRegistry"], swiftSettings: house,
            linkerSettings: [.unsafeFlags(["-static-stdlib"])] + staticRuntime + staticFoundation),

        // The security suite's own: they leave out guards. Never in a product, never installed.
        weakened("weakened-keeper", ["CoteKeeper", "CoteDriverOCI", "CoteSandbox", "CoteModel", "CoteSystem"]),
        weakened("weakened-agent", ["CoteGuest", "CoteModel"]),
        // The unpacker's tests': tries what its confinement forbids.
        weakened("probing-unpack", ["CoteUnpack", "CoteSystem"], extra: staticFoundation),
        // The fault tests': speaks the agent's part of the protocol wrongly.
        weakened("hostile-agent", ["CoteWire", "CoteModel", "CoteSystem"]),
        // The volume tests': dies where it is told to.
        weakened("volume-worker", ["CoteVolumes", "CoteModel", "CoteSystem"]),

        // Becomes a program, such as the tests themselves, without the machine's root.
        .executableTarget(
            name: "as-rootless", dependencies: ["CoteEngine", "CoteModel"], path: "Tests/Programs/as-rootless",
            swiftSettings: house, linkerSettings: staticProgram + staticRuntime + staticFoundation),

        // Beside other runtimes; `make bench`.
        .executableTarget(
            name: "cote-bench",
            dependencies: [
                "CoteEngine", "CoteEnvironments", "CoteGuest", "CoteJournal", "CoteModel", "CoteSandbox", "CoteSystem",
                "CoteVolumes",
            ],
            path: "Benchmarks", swiftSettings: house, linkerSettings: staticProgram + staticRuntime + staticFoundation),

        // Tests without a sandbox.
        tests("CoteSystemTests", ["CoteSystem"]),
        tests("CoteModelTests", ["CoteModel"]),
        tests("CoteWireTests", ["CoteTestSupport", "CoteWire", "CoteModel"]),
        tests(
            "CoteGuestTests",
            ["CoteTestSupport", "CLinux", "CoteArchive", "CoteGuest", "CoteWire", "CoteModel", "CoteSystem"]),
        tests("CoteJournalTests", ["CoteTestSupport", "CoteJournal", "CoteModel", "CoteSystem"]),
        tests("CoteKeeperTests", ["CoteTestSupport", "CoteKeeper", "CoteModel", "CoteSystem"]),
        tests("CoteContentTests", ["CoteTestSupport", "CoteContent", "CoteModel", "CoteSystem"]),
        tests(
            "CoteRegistryTests",
            ["CoteTestSupport", "CoteRegistry", "CoteWorker", "CoteContent", "CoteModel", "CoteSystem"]),
        tests("CoteVolumesTests", ["CoteTestSupport", "CoteVolumes", "CoteModel", "CoteSystem"]),
        tests("TidyTests", []),

        // Tests with real sandboxes.
        .target(
            name: "CoteTestSupport",
            dependencies: ["CoteEngine", "CoteVolumes", "CoteSandbox", "CoteModel", "CoteSystem"],
            path: "Tests/Support", swiftSettings: house),
        tests("ConformanceTests", sandboxed),
        tests("SecurityTests", sandboxed),
        tests("CommandLineTests", sandboxed),
        tests("EnvironmentTests", sandboxed),
        tests("FaultTests", sandboxed + ["CoteSandbox", "CoteWire"]),
        tests(
            "CoteUnpackTests",
            [
                "CoteTestSupport", "CoteArchive", "CoteContent", "CoteUnpack", "CoteWorker", "CoteModel", "CoteSystem",
            ]),
        // On a machine of QEMU's.
        tests("OtherKernelTests", ["CoteTestSupport", "CoteSystem"], besides: ["Machine"]),
    ],
    swiftLanguageModes: [.v6]
)
