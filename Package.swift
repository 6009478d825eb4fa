// swift-tools-version: 6.2
import PackageDescription

/// The house rules for every target of ours; dependencies keep their own.
/// Warnings are errors in CI (`CI` is set there) and only there, so that an edit in progress still builds.
let house: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)])

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let metrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: ["README.md"], swiftSettings: house)
}

func program(_ name: String, _ dependencies: [Target.Dependency], _ linking: [LinkerSetting] = []) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, exclude: ["README.md"], swiftSettings: house, linkerSettings: linking)
}

/// Relocations take a twentieth of their room where the linker packs them, which gold can't: 1.4 MB of the controller, and of
/// the broker. glibc knows them from 2.36 on (Debian 12).
let packed: [LinkerSetting] = [
    .unsafeFlags(
        ["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"], .when(configuration: .release))
]

func tests(_ subject: String, _ more: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .testTarget(
        name: subject + "Tests", dependencies: [.init(stringLiteral: subject)] + more, resources: resources,
        swiftSettings: house)
}

let package = Package(
    name: "seatrial",
    products: [
        .library(name: "MQClient", targets: ["MQClient"]),
        .library(name: "MQTLS", targets: ["MQTLS"]),
        .executable(name: "mqnamesrv", targets: ["mqnamesrv"]),
        .executable(name: "mqbroker", targets: ["mqbroker"]),
        .executable(name: "mqadmin", targets: ["mqadmin"]),
        .executable(name: "mqbench", targets: ["mqbench"]),
        .executable(name: "seatrial", targets: ["seatrial"]),
        .executable(name: "seatrial-agent", targets: ["seatrial-agent"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // The message system. Nothing here imports anything of the lab.
        .target(name: "CChecksum", exclude: ["README.md"]),
        library("MQWire", ["CChecksum", nioCore]),
        library("MQTransport", ["MQWire", nioCore, nioPosix, nioTLS, logging]),
        library("MQTLS", ["MQTransport", nioCore, nioTLS, nioSSL]),
        .target(name: "CStorage", exclude: ["README.md"]),
        library("MQStore", ["CStorage", "MQWire", nioCore, system, logging]),
        library("MQReplication", ["MQStore", "MQWire", nioCore, logging]),
        library("MQEtcd", ["MQWire", "MQTransport", nioCore, nioPosix, nioHTTP]),
        library("MQNameserver", ["MQWire", "MQTransport", nioCore, nioPosix, logging, system]),
        library("MQMetrics", [metrics, nioCore, nioPosix, nioHTTP]),
        library(
            "MQBroker",
            [
                "MQWire", "MQTransport", "MQStore", "MQReplication", "MQEtcd", "MQMetrics", metrics, nioCore, nioPosix,
                logging,
                system,
            ]),
        library("MQProgram", ["MQTransport", arguments, logging]),
        library("MQClient", ["MQWire", "MQTransport", nioCore, nioPosix, logging, system]),

        // The laboratory. `LabTrials` → `MQClient` is its only way into the message system.
        .systemLibrary(name: "CLibSSH2", pkgConfig: "libssh2", providers: [.apt(["libssh2-1-dev"])]),
        .systemLibrary(name: "CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        library("LabText", ["CLibYAML", system]),
        library("LabInventory", ["LabText", system]),
        library("LabSSH", ["CLibSSH2", system, logging]),
        library("LabAgent", [system]),
        library("LabHosts", [system, subprocess]),
        library("LabCluster", ["LabText", "LabInventory", "LabSSH", "LabAgent", subprocess, system]),
        library("LabChaos", ["LabCluster", "LabAgent", "LabInventory", system]),
        library("LabHistory"),
        library(
            "LabTrials",
            [
                "MQClient", "LabChaos", "LabCluster", "LabAgent", "LabSSH", "LabInventory", "LabHistory", "LabText",
                system,
            ]),
        library("LabReport", ["LabHistory"]),
        library("LabCourse", ["LabTrials", "LabHistory", "LabReport", "LabText", system]),

        // Programs of a screen or two.
        program(
            "mqnamesrv",
            ["MQProgram", "MQNameserver", "MQTransport", "MQTLS", arguments, unixSignals, logging, nioCore, nioPosix]),
        program(
            "mqbroker",
            ["MQProgram", "MQBroker", "MQTransport", "MQTLS", arguments, unixSignals, logging, nioCore, nioPosix],
            packed),
        program(
            "mqadmin",
            ["MQClient", "MQProgram", "MQStore", "MQTLS", "MQTransport", "MQWire", arguments, logging, nioCore, system]),
        program(
            "mqbench",
            [
                "CMallocCounter", "MQClient", "MQProgram", "MQStore", "MQTransport", "MQWire", arguments, histogram,
                logging, nioCore, nioPosix, system,
            ]),
        .target(name: "CMallocCounter", exclude: ["README.md"]),
        program("seatrial-agent", ["LabAgent", system]),
        program(
            "seatrial",
            [
                "LabHosts", "LabInventory", "LabSSH", "LabAgent", "LabCluster", "LabChaos", "LabHistory", "LabTrials",
                "LabCourse", "LabReport", "LabText", arguments, system, logging,
            ], packed),

        tests("MQWire", [nioCore, nioEmbedded], resources: [.copy("Fixtures")]),
        tests("MQTransport", ["MQWire", nioCore, nioPosix, nioEmbedded, logging]),
        tests(
            "MQTLS",
            [
                "MQWire", "MQTransport", "MQNameserver", "MQBroker", "MQClient", logging, nioCore, nioPosix,
                nioEmbedded,
                nioTLS, system,
            ]),
        tests("MQStore", ["MQWire", nioCore, system], resources: [.copy("Fixtures")]),
        tests("MQMetrics", [metrics, nioCore, nioPosix]),
        tests("MQEtcd", ["MQTransport", nioCore, nioPosix]),
        tests("MQNameserver", ["MQWire", "MQTransport", nioCore, nioPosix, logging, system]),
        tests(
            "MQBroker",
            [
                "MQWire", "MQTransport", "MQStore", "MQReplication", "MQEtcd", "MQNameserver", "MQClient", "mqbroker",
                "mqnamesrv", "mqadmin",
                metrics, nioCore,
                nioPosix, logging, system,
            ]),
        tests(
            "MQClient",
            [
                "mqbench", "MQWire", "MQTransport", "MQNameserver", "MQBroker", arguments, histogram, nioCore, nioPosix,
                logging, system,
            ]),
        // A replica set in simulated time; the program plays many lives of it, optimised.
        .target(
            name: "GroupSimulation", dependencies: ["MQReplication"], path: "Tests/GroupSimulation",
            exclude: ["README.md", "mutants", "try-mutants"], swiftSettings: house),
        .executableTarget(
            name: "group-sim", dependencies: ["GroupSimulation", "MQReplication"], path: "Tests/GroupSimulator",
            swiftSettings: house),
        tests(
            "MQReplication", ["GroupSimulation", "MQStore", "MQWire", nioCore, logging, system],
            resources: [.copy("Fixtures")]),
        tests("LabText", [system]),
        tests("LabInventory", ["LabText", system]),
        tests("LabSSH", [system, subprocess]),
        tests("LabAgent", ["seatrial-agent", system, subprocess]),
        .executableTarget(
            name: "lab-hosts-driver", dependencies: ["LabHosts", system], path: "Tests/LabHostsDriver",
            swiftSettings: house),
        tests("LabHosts", ["lab-hosts-driver", system, subprocess]),
        tests("LabCluster", ["LabInventory", "LabAgent", system]),
        tests("LabChaos", ["LabAgent", "LabCluster", "LabInventory", system]),
        tests("LabHistory"),
        tests(
            "LabTrials",
            [
                "LabChaos", "LabHistory", "LabReport", "MQWire", "MQTransport", "MQStore", "MQNameserver", "MQBroker",
                "MQClient",
                nioCore, nioPosix, logging, system,
            ]),
        tests("LabReport", ["LabHistory"]),
        .testTarget(
            name: "SystemTests", dependencies: [subprocess, system], exclude: ["Fixtures"], swiftSettings: house),
        tests("LabCourse", ["LabChaos", "LabText", "LabHistory", "LabReport", "LabTrials", system]),
    ]
)
