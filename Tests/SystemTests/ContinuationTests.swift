import Foundation
import TestKit
import Testing

/// Files that are larger than what one invocation can carry over a slow line, by the real programs, both ways.
@Suite(.serialized, .timeLimit(.minutes(15))) struct ContinuationTests {
    /// What is moved, how fast, and how long an invocation may take: two of them could not carry it on the fastest machine.
    private struct Form {
        let sizeMiB: Int
        let mebibytesPerSecond: Int
        let timeoutSeconds: Double

        static let short = Form(sizeMiB: 76, mebibytesPerSecond: 12, timeoutSeconds: 3)
        static let long = Form(sizeMiB: 2048, mebibytesPerSecond: 60, timeoutSeconds: 5)
        /// The short form four times slower, as what the sanitizers make of programs.
        static let slow = Form(sizeMiB: 76, mebibytesPerSecond: 3, timeoutSeconds: 12)
        static var small: Form { Sanitizer.isOn ? slow : short }
        static var current: Form { TestLength.isLong ? long : small }
        static let maximumRuns = 60
    }

    @Test func largeFileIsPulledByOneInvocationAfterTheOther() async throws {
        let form = Form.current
        let world = try ContinuationWorld(mebibytesPerSecond: form.mebibytesPerSecond)
        let file = world.tree.appendingPathComponent("outgoing/large.bin")
        let sha256 = try world.makeFile(file, sizeMiB: form.sizeMiB, salt: 1)
        try await world.run {
            let pull = try world.start("pull")
            var runs = 0
            while FileManager.default.fileExists(atPath: file.path), runs < Form.maximumRuns {
                runs += 1
                let outcome = try await world.invoke(pull, timeoutSeconds: form.timeoutSeconds)
                #expect(outcome.functionError == nil, "\(outcome.text)")
                // Lambda may end the process between any two invocations.
                if runs % 2 == 1 { try await world.kill(pull) }
            }
            #expect(runs >= 3)
            let object = try #require(try await world.objects().first { $0.key == "in/large.bin" })
            #expect(object.length == form.sizeMiB << 20)
            #expect(object.parts?.map { $0.sha256 } == (try world.partDigests(of: world.done("large.bin"))))
            #expect(world.logs.contains("\"sha256\":\"\(sha256)\""), "the receipt names the SHA-256 of the whole")
            #expect(try await world.objects().count == 1, "no checkpoint is left")
            #expect(try await world.uploads().isEmpty)
            let (down, connections) = try await world.bytes("down")
            // Three parts at most are in flight, and SSH adds its own.
            let mostTwice = connections * 3 * (8 << 20)
            #expect(down < Int(Double(form.sizeMiB << 20) * 1.02) + mostTwice)
            print(
                "pull: \(form.sizeMiB) MiB in \(runs) invocations of \(form.timeoutSeconds) s; "
                    + "\(down - (form.sizeMiB << 20)) bytes more than the file came over the line")
        }
    }

    @Test func fileThatWasReplacedBetweenTwoInvocationsBeginsAnew() async throws {
        let world = try ContinuationWorld(mebibytesPerSecond: Form.small.mebibytesPerSecond)
        let file = world.tree.appendingPathComponent("outgoing/large.bin")
        _ = try world.makeFile(file, sizeMiB: 40, salt: 1)
        try await world.run {
            let pull = try world.start("pull")
            let first = try await world.invoke(pull, timeoutSeconds: Form.small.timeoutSeconds)
            #expect(first.text.contains("\"remaining\":1"), "\(first.text)")
            #expect(try await world.uploads().count == 1)
            #expect(try await world.objects().map(\.key).allSatisfy { $0.hasPrefix("in/.sftp-lambda/") })
            let sha256 = try world.makeFile(file, sizeMiB: 40, salt: 2, modified: 1_700_000_001)
            try world.setRate(mebibytesPerSecond: 1000)
            let second = try await world.invoke(pull, timeoutSeconds: 60)
            #expect(second.text.contains("\"transferred\":1"), "\(second.text)")
            let object = try #require(try await world.objects().first)
            #expect(object.key == "in/large.bin")
            #expect(object.parts?.map { $0.sha256 } == (try world.partDigests(of: world.done("large.bin"))))
            #expect(world.logs.contains("\"sha256\":\"\(sha256)\""))
            #expect(try await world.objects().count == 1)
            #expect(try await world.uploads().isEmpty)
        }
    }

    @Test func largeObjectIsPushedByOneInvocationAfterTheOther() async throws {
        let form = Form.current
        let content = try TemporaryFolder()
        let file = content.url.appendingPathComponent("large.bin")
        let world = try ContinuationWorld(mebibytesPerSecond: form.mebibytesPerSecond, object: file) {
            try ContinuationWorld.write(file, sizeMiB: form.sizeMiB, salt: 3)
        }
        let sha256 = try ContinuationWorld.sha256(of: file)
        let target = world.tree.appendingPathComponent("incoming/large.bin")
        try await world.run {
            let push = try world.start("push")
            let first = try await world.invoke(
                push, #"{"Bucket": "outbox", "Key": "large.bin"}"#, timeoutSeconds: form.timeoutSeconds)
            #expect(first.functionError == nil && first.text.contains("\"queued\":1"), "\(first.text)")
            let retry = try world.start("pushRetry")
            var runs = 1
            while !FileManager.default.fileExists(atPath: target.path), runs < Form.maximumRuns {
                runs += 1
                let outcome = try await world.invoke(retry, timeoutSeconds: form.timeoutSeconds)
                #expect(outcome.functionError == nil, "\(outcome.text)")
                if runs % 2 == 1 { try await world.kill(retry) }
            }
            #expect(runs >= 3)
            #expect(try ContinuationWorld.sha256(of: target) == sha256)
            #expect(world.logs.contains("\"sha256\":\"\(sha256)\""), "the receipt names the SHA-256 of the whole")
            let names = try FileManager.default.contentsOfDirectory(
                atPath: world.tree.appendingPathComponent("incoming").path)
            #expect(names == ["large.bin"], "no temporary file is left")
            let object = try #require(try await world.objects().first)
            #expect(object.metadata["x-amz-meta-synced"] == "true")
            let (up, connections) = try await world.bytes("up")
            let mostTwice = connections * (6 << 20)
            #expect(up < Int(Double(form.sizeMiB << 20) * 1.02) + mostTwice)
            print(
                "push: \(form.sizeMiB) MiB in \(runs) invocations of \(form.timeoutSeconds) s; "
                    + "\(up - (form.sizeMiB << 20)) bytes more than the file went over the line")
        }
    }
}
