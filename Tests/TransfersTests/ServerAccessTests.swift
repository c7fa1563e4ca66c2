import Synchronization
import TestKit
import Testing

@testable import Transfers

/// The connection that all pushes of an invocation share.
struct ServerAccessTests {
    /// A server whose connections a test opens.
    private final class Server: Sendable {
        let gate = Gate()
        private let state = Mutex((begun: 0, cancelled: 0))
        var begunCount: Int { state.withLock { $0.begun } }
        var cancelledCount: Int { state.withLock { $0.cancelled } }

        func connect() async throws(RemoteFailure) -> any RemoteDestination {
            state.withLock { $0.begun += 1 }
            await withTaskCancellationHandler {
                await gate.pass()
            } onCancel: {
                state.withLock { $0.cancelled += 1 }
            }
            if Task.isCancelled { throw RemoteFailure(.cancelled, "connect: cancelled") }
            return InMemoryDestination(InMemoryTree(clock: ManualClock()))
        }

        func access() -> ServerAccess {
            ServerAccess(connect: { () throws(RemoteFailure) in try await self.connect() })
        }
    }

    private func ask(_ access: ServerAccess) -> Task<Result<Int, RemoteFailure>, Never> {
        Task {
            do throws(RemoteFailure) {
                return .success(try await access.destination().number)
            } catch {
                return .failure(error)
            }
        }
    }

    private func waitUntil(_ count: Int, waitFor access: ServerAccess) async {
        while await access.waitingCount != count { await Task.yield() }
    }

    private func reason(_ result: Result<Int, RemoteFailure>) -> RemoteFailure.Reason? {
        if case .failure(let failure) = result { failure.reason } else { nil }
    }

    @Test func whoIsCutOffLeavesTheAttemptToTheOthers() async throws {
        let server = Server()
        let access = server.access()
        let first = ask(access)
        await waitUntil(1, waitFor: access)
        let second = ask(access)
        await waitUntil(2, waitFor: access)
        first.cancel()
        #expect(reason(await first.value) == .cancelled)
        #expect(server.cancelledCount == 0)
        server.gate.open()
        #expect(try await second.value.get() == 1)
        #expect(server.begunCount == 1)
    }

    @Test func attemptEndsWithTheLastWhoWaitsAndTheNextBeginsAnother() async throws {
        let server = Server()
        let access = server.access()
        let both = [ask(access), ask(access)]
        await waitUntil(2, waitFor: access)
        for task in both { task.cancel() }
        for task in both { #expect(reason(await task.value) == .cancelled) }
        while server.cancelledCount == 0 { await Task.yield() }
        let third = ask(access)
        await waitUntil(1, waitFor: access)
        server.gate.open()
        #expect(try await third.value.get() == 2)
        #expect(server.begunCount == 2)
    }

    @Test func lostConnectionIsOpenedAgainAFewTimesAndThenNoMore() async throws {
        let server = Server()
        server.gate.open()
        let access = server.access()
        for number in 1...ServerAccess.maximumConnections {
            #expect(try await ask(access).value.get() == number)
            #expect(try await ask(access).value.get() == number)
            await access.lost(number)
            // Others learn later that it was lost.
            await access.lost(number)
        }
        #expect(reason(await ask(access).value) == .connectionLost)
        #expect(await access.isGivenUp)
        #expect(server.begunCount == ServerAccess.maximumConnections)
    }

    @Test func failureToConnectIsRemembered() async {
        let begun = Mutex(0)
        let access = ServerAccess(connect: { () throws(RemoteFailure) in
            begun.withLock { $0 += 1 }
            throw RemoteFailure(.connectionLost, "connect: refused")
        })
        for _ in 0..<5 { #expect(reason(await ask(access).value) == .connectionLost) }
        #expect(begun.withLock { $0 } == 1)
    }
}
