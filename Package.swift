// swift-tools-version: 6.2
import PackageDescription

/// Every target of ours: Swift 6 language mode, warnings are errors, and imports are explicit.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Optimised in debug builds too: what runs through thousands of interleavings takes a third of the time so.
let fast: [SwiftSetting] = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "sftp-lambda",
    products: [
        .executable(name: "pull", targets: ["pull"]),
        .executable(name: "push", targets: ["push"]),
        .executable(name: "pushRetry", targets: ["pushRetry"]),
        .library(name: "SFTPLambdaCore", targets: ["SFTPLambdaCore"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0")
    ],
    targets: [
        // The three C libraries. pkg-config finds the static ones in .deps, or else the system's.
        .systemLibrary(name: "CLibCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CLibSSH2", pkgConfig: "libssh2", providers: [.apt(["libssh2-1-dev"])]),
        .systemLibrary(name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

        // The settings of the C library's allocator, which Swift's own module of that library leaves out.
        .systemLibrary(name: "CMalloc"),

        // For release programs in a root file system without /proc; linked in by scripts/package.
        .target(name: "CWithoutProc"),

        // Dependencies point one way: executables → CommandLineTool → SFTPLambdaCore
        // → {Transfers, LambdaRuntime, AWS, SFTP} → {HTTP, JSON} → TextForms.
        .target(name: "TextForms", swiftSettings: strict),
        .target(name: "JSON", dependencies: ["TextForms"], swiftSettings: strict),
        .target(name: "HTTP", dependencies: ["TextForms", "CLibCurl"], swiftSettings: strict),
        .target(name: "AWS", dependencies: ["HTTP", "JSON", "TextForms", "CLibCrypto"], swiftSettings: strict),
        .target(name: "LambdaRuntime", dependencies: ["HTTP", "JSON", logging], swiftSettings: strict),
        .target(name: "SFTP", dependencies: ["TextForms", "CLibSSH2", "CLibCrypto", logging], swiftSettings: strict),
        .target(name: "Transfers", dependencies: ["JSON", "TextForms"], swiftSettings: fast),
        .target(
            name: "SFTPLambdaCore",
            dependencies: [
                "Transfers", "LambdaRuntime", "AWS", "HTTP", "JSON", "SFTP", "TextForms", "CMalloc", "CWithoutProc",
                logging,
            ],
            swiftSettings: strict),

        // The programs where Lambda has not started them.
        .target(
            name: "CommandLineTool",
            dependencies: [
                "SFTPLambdaCore", "Transfers", "LambdaRuntime", "AWS", "HTTP", "JSON", "SFTP", logging,
            ],
            swiftSettings: strict),

        .executableTarget(name: "pull", dependencies: ["CommandLineTool", "SFTPLambdaCore"], swiftSettings: strict),
        .executableTarget(name: "push", dependencies: ["CommandLineTool", "SFTPLambdaCore"], swiftSettings: strict),
        .executableTarget(
            name: "pushRetry", dependencies: ["CommandLineTool", "SFTPLambdaCore"], swiftSettings: strict),

        // Fakes, scripted servers and the stand-ins of local/, for the tests alone.
        .target(
            name: "TestKit", dependencies: ["HTTP", "Transfers", logging], path: "Tests/TestKit",
            swiftSettings: fast),
        .testTarget(name: "JSONTests", dependencies: ["JSON", "TestKit"], swiftSettings: strict),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP", "TestKit"], swiftSettings: strict),
        .testTarget(
            name: "AWSTests", dependencies: ["AWS", "HTTP", "JSON", "TextForms", "TestKit"], swiftSettings: strict),
        .executableTarget(
            name: "LambdaTestFunction", dependencies: ["LambdaRuntime", "HTTP", logging],
            path: "Tests/LambdaTestFunction", swiftSettings: strict),
        .testTarget(
            name: "LambdaRuntimeTests",
            dependencies: ["LambdaRuntime", "HTTP", "TestKit", "LambdaTestFunction", logging],
            swiftSettings: strict),
        // With the adapters, whose quirk tests need the scripted server.
        .testTarget(
            name: "SFTPTests",
            dependencies: ["SFTP", "SFTPLambdaCore", "Transfers", "TextForms", "TestKit", logging],
            swiftSettings: strict),
        .testTarget(name: "TransfersTests", dependencies: ["Transfers", "JSON", "TestKit"], swiftSettings: fast),
        .testTarget(
            name: "SFTPLambdaCoreTests",
            dependencies: ["SFTPLambdaCore", "Transfers", "AWS", "HTTP", "JSON", "SFTP", "TestKit", logging],
            swiftSettings: strict),
        .testTarget(
            name: "CommandLineToolTests",
            dependencies: ["CommandLineTool", "SFTPLambdaCore", "Transfers", "AWS", "JSON", "TestKit"],
            swiftSettings: strict),
        // What reads bytes of others, with what must be true of it whatever the bytes are. It shares a file with TestKit.
        .target(
            name: "FuzzTargets",
            dependencies: [
                "SFTP", "AWS", "HTTP", "JSON", "TextForms", "Transfers", "LambdaRuntime", "SFTPLambdaCore", logging,
            ],
            path: "Tests/FuzzTargets", swiftSettings: strict),
        .testTarget(
            name: "FuzzTests", dependencies: ["FuzzTargets", "TestKit"], exclude: ["Found"], swiftSettings: strict),
        .testTarget(
            name: "SystemTests", dependencies: ["AWS", "HTTP", "Transfers", "TestKit", "pull", "push", "pushRetry"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

// The program of `make fuzz`. It is linked with a library that is none of the packages', so scripts/fuzz asks for it.
if Context.environment["SFTP_LAMBDA_FUZZER"] == "1" {
    package.targets += [
        .systemLibrary(name: "CLibFuzzer", path: "Tests/CLibFuzzer"),
        .executableTarget(
            name: "fuzzer", dependencies: ["FuzzTargets", "CLibFuzzer"], path: "Tests/Fuzzer", swiftSettings: strict),
    ]
}
