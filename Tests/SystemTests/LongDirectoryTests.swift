import Foundation
import TestKit
import Testing

/// A directory that holds more than one invocation can take.
@Suite(.serialized, .timeLimit(.minutes(30))) struct LongDirectoryTests {
    private static let filesCount = TestLength.isLong ? 100_000 : 3_000
    /// An invocation gets the time that so much of the directory takes on this machine, as shorter ones have shown.
    private static let shareOfAnInvocation = 1.0 / 6
    private static let leastTimeoutSeconds = 0.5
    private static let samplesCount = 3
    private static let filesOfASample = 200
    private static let mostInvocations = 100
    /// The smallest function has 128 MB.
    private static let mostMemoryMiB = 112

    private struct Summary: Decodable {
        var transferred: Int
        var failed: Int
        var remaining: Int
        var isListingComplete: Bool
    }

    @Test func everyFileOfALongDirectoryArrivesOnceOverSeveralInvocations() async throws {
        let world = try LeanWorld(keepsContent: false)
        let outgoing = world.tree.appendingPathComponent("outgoing")
        try await world.run {
            let pull = try world.start("pull")
            let timeoutSeconds = try await timeout(pull, outgoing)
            for number in 0..<Self.filesCount {
                let data = Data("content of \(number)".utf8)
                try data.write(to: outgoing.appendingPathComponent("file-\(number)"))
            }
            var taken: [Int] = []
            let processID = try await pull.processID()
            while taken.count < Self.mostInvocations {
                let outcome = try await pull.outcome(of: "{}", timeoutSeconds: timeoutSeconds)
                guard outcome.functionError == nil else { throw PushedFunction.Failed(payload: outcome.text) }
                let summary = try JSONDecoder().decode(Summary.self, from: Data(outcome.payload))
                #expect(summary.failed == 0)
                taken.append(summary.transferred)
                // Each goes on where the last one has stopped: what was transferred is not transferred again.
                #expect(try doneCount(outgoing) == taken.reduce(0, +))
                if summary.isListingComplete, summary.remaining == 0 { break }
                #expect(summary.transferred > 0, "an invocation that gets nowhere: \(outcome.text)")
            }
            #expect(taken.reduce(0, +) == Self.filesCount)
            #expect(taken.count > 1, "all in one invocation: nothing was shown")
            let objects = try await world.objects(LeanWorld.inbox).filter { $0.key.hasPrefix("in/file-") }
            #expect(objects.count == Self.filesCount)
            let wrong = (0..<Self.filesCount).filter { number in
                objects["in/file-\(number)"]?.length != "content of \(number)".utf8.count
            }
            #expect(wrong == [])
            #expect(try await pull.processID() == processID, "the process has lived through all of them")
            let figures = try ProcessFigures(of: try await pull.processID())
            #expect(figures.mostMemoryKiB >> 10 <= Self.mostMemoryMiB || Sanitizer.isOn)
            print("long directory: \(taken) files, \(figures.mostMemoryKiB >> 10) MiB at most")
        }
    }

    /// How long an invocation may take: measured with a few files in a directory of their own.
    private func timeout(_ pull: PushedFunction, _ outgoing: URL) async throws -> Double {
        var shortest = Double.infinity
        for sample in 0..<Self.samplesCount {
            let folder = outgoing.appendingPathComponent("sample-\(sample)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for number in 0..<Self.filesOfASample {
                try Data("sample".utf8).write(to: folder.appendingPathComponent("\(number)"))
            }
            let start = ContinuousClock.now
            let outcome = try await pull.outcome(of: "{}")
            shortest = min(shortest, (ContinuousClock.now - start) / .seconds(1))
            #expect(outcome.functionError == nil, "\(outcome.text)")
            try FileManager.default.removeItem(at: folder)
        }
        let allSeconds = shortest / Double(Self.filesOfASample) * Double(Self.filesCount)
        // A sanitizer makes the end of a run, which is no part of the share, some times as long.
        return max(Sanitizer.isOn ? 6 : Self.leastTimeoutSeconds, allSeconds * Self.shareOfAnInvocation)
    }

    private func doneCount(_ folder: URL) throws -> Int {
        let done = folder.appendingPathComponent(".done").path
        guard FileManager.default.fileExists(atPath: done) else { return 0 }
        return try FileManager.default.contentsOfDirectory(atPath: done).count
    }
}
