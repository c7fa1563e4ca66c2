import Foundation
import TestKit
import Testing

/// The loop in a process of its own, as on Lambda: what concerns the whole process can be seen only there. The function
/// is Tests/LambdaTestFunction.
@Suite(.serialized, .timeLimit(.minutes(3))) struct RuntimeProcessTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func emulator(environment: [String: String] = [:]) throws -> RuntimeAPIEmulator {
        try RuntimeAPIEmulator(
            workFolder: folder.url,
            function: .init(
                taskRoot: folder.url.path, program: BuiltProgram.url("LambdaTestFunction").path,
                environment: environment))
    }

    private func event(_ word: String) -> [UInt8] { Array("\"\(word)\"".utf8) }

    private struct Figures: Decodable {
        var residentBytes: Int
        var openDescriptors: Int
    }

    private func figures(_ emulator: RuntimeAPIEmulator) async throws -> Figures {
        try JSONDecoder().decode(Figures.self, from: Data(try await emulator.invoke(event("figures")).payload))
    }

    @Test func traceVariableIsTheEnvironments() async throws {
        let emulator = try emulator(environment: ["_X_AMZN_TRACE_ID": "from before"])
        for trace in ["Root=1", "Root=22;Sampled=1", "Root=3"] {
            #expect(try await emulator.invoke(event("trace"), .init(traceID: trace)).text == "\"\(trace)\"")
        }
        // The poll that is under way when it is armed is not.
        try await waitUntil("the next poll is under way") {
            try await emulator.requests().last.map { $0.path.hasSuffix("/next") && $0.status == nil } == true
        }
        try await emulator.arm(.headers(omitted: ["Lambda-Runtime-Trace-Id"]), on: .next)
        #expect(try await emulator.invoke(event("trace"), .init(traceID: "Root=4")).text == #""Root=4""#)
        #expect(try await emulator.invoke(event("trace"), .init(traceID: "Root=5")).text == #""unset""#)
        #expect(try await emulator.invoke(event("trace"), .init(traceID: "Root=6")).text == #""Root=6""#)
    }

    @Test func failuresOfInvocationsLeaveTheProcessRunning() async throws {
        let emulator = try emulator()
        #expect(try await emulator.invoke(event("fail")).text.contains("EventDemandsIt"))
        #expect(try await emulator.invoke(event("large")).text.contains("Function.ResponseSizeTooLarge"))
        #expect(try await emulator.invoke([0xFF, 0x00]).payload == [0xFF, 0x00])
        #expect(try await emulator.functionState().starts == 1)
    }

    @Test func serverFailureEndsTheProcess() async throws {
        let emulator = try emulator()
        try await emulator.arm(.status(500), on: .response)
        _ = try await emulator.invoke(event("one"))
        #expect(try await emulator.invoke(event("two")).text == #""two""#)
        #expect(try await emulator.functionState().starts == 2)
    }

    @Test func failedInitializationEndsTheProcess() async throws {
        let emulator = try emulator(environment: ["FAIL_INITIALIZATION": "1"])
        let outcome = try await emulator.invoke([])
        #expect(outcome.text.contains(#""errorType":"InitializationDemandsIt""#))
        #expect(outcome.log.contains("initializationFailed"))
        // Reported, not found out by the exit.
        #expect(!outcome.text.contains("Runtime.ExitError"))
    }

    @Test func timeoutKillsTheFunctionAndTheNextOneStartsAnew() async throws {
        let emulator = try emulator()
        let outcome = try await emulator.invoke(event("sleep"), .init(timeoutSeconds: 0.5))
        #expect(outcome.text.contains("Task timed out after 0.50 seconds"))
        #expect(try await emulator.invoke(event("again")).text == #""again""#)
        #expect(try await emulator.functionState().starts == 2)
    }

    @Test func terminationSignalEndsTheProcessBetweenInvocations() async throws {
        let emulator = try emulator()
        _ = try await emulator.invoke(event("one"))
        let process = try #require(try await emulator.functionState().processID)
        #expect(kill(process, SIGTERM) == 0)
        let limit = Date().addingTimeInterval(5)
        while try await emulator.functionState().processID != nil, Date() < limit {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(try await emulator.functionState().processID == nil)
        #expect(try await emulator.invoke(event("two")).text == #""two""#)
        #expect(try await emulator.functionState().starts == 2)
    }

    @Test func thousandsOfInvocationsTakeNoMoreMemoryAndDescriptors() async throws {
        let emulator = try emulator()
        let echo = [UInt8](repeating: UInt8(ascii: "1"), count: 2048)
        // Under a sanitizer a tenth, for the sake of the time.
        let unit = Sanitizer.isOn ? 10 : 100
        // After the warm-up all buffers, threads and connections exist that will ever be needed.
        #expect(try await emulator.invoke(echo, times: 5 * unit) == 5 * unit)
        #expect(try await emulator.invoke(event("fail"), times: 5 * unit) == 0)
        let before = try await figures(emulator)
        // Both ways through the loop.
        #expect(try await emulator.invoke(echo, times: 30 * unit) == 30 * unit)
        #expect(try await emulator.invoke(event("fail"), times: 20 * unit) == 0)
        let after = try await figures(emulator)
        #expect(try await emulator.functionState().starts == 1)
        #expect(after.openDescriptors == before.openDescriptors)
        if Sanitizer.isOn { return Sanitizer.leavesOut("how much memory 5,000 invocations take") }
        // 5,000 invocations: 200 bytes lost in each would show; the allocator's own to and fro is a tenth of it.
        let grownBytes = after.residentBytes - before.residentBytes
        #expect(grownBytes < 1_000_000, "grew by \(grownBytes) bytes from \(before.residentBytes)")
    }
}
