import Foundation
import FuzzTargets
import TestKit
import Testing

/// Every seed, all that was ever found, and what small changes make of both.
@Suite struct FuzzReplayTests {
    private static let found = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Found")
    /// Changes to each input.
    private static let changes = TestLength.isLong ? 2_000 : 60

    @Test(arguments: FuzzTarget.allCases) func whateverComesIsReadOrRefused(target: FuzzTarget) throws {
        let inputs = try target.seeds + Self.found(target)
        #expect(!inputs.isEmpty)
        var random = SeededGenerator(seed: 42)
        for input in inputs {
            try Self.run(target, input)
            for _ in 0..<Self.changes {
                let other = inputs.randomElement(using: &random) ?? []
                try Self.run(target, Self.changed(input, with: other, &random))
            }
        }
    }

    private static func run(_ target: FuzzTarget, _ input: [UInt8]) throws {
        do {
            try target.run(input)
        } catch {
            Issue.record("\(target): \(error)\nfor \(Data(input).base64EncodedString())")
        }
    }

    /// What has been found, kept for ever. Files in a folder for each target.
    private static func found(_ target: FuzzTarget) throws -> [[UInt8]] {
        let folder = found.appendingPathComponent(target.rawValue)
        // Nothing has been found there.
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .sorted { $0.path < $1.path }.map { Array(try Data(contentsOf: $0)) }
    }

    private static func changed(
        _ input: [UInt8], with other: [UInt8], _ random: inout SeededGenerator
    ) -> [UInt8] {
        var bytes = input
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1...8, using: &random))
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1 where place < bytes.count:
                bytes[place] = [0, 0xFF, 0x80, 0x22, 0x5C, 0x0A].randomElement(using: &random) ?? 0
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
            default:
                bytes = Array(bytes[..<place] + other.suffix(Int.random(in: 0...max(0, other.count), using: &random)))
            }
        }
        return bytes
    }

    /// That a target which is not as it must be is seen.
    @Test func findingsAreSeen() {
        #expect(throws: FuzzFinding.self) { try FuzzTarget.checkOfTheChecks() }
    }
}
