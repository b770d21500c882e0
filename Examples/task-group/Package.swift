// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "task-group",
    dependencies: [.package(name: "cote", path: "../..")],
    targets: [
        .executableTarget(name: "task-group", dependencies: [.product(name: "CoteEngine", package: "cote")])
    ])
