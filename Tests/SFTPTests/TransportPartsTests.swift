import Foundation
import Synchronization
import Testing

@testable import SFTP

/// The parts below the connection, each for itself.
@Suite struct TransportPartsTests {
    // MARK: SessionMemory

    @Test func memoryOfASessionIsBoundedAndCounted() throws {
        let memory = SessionMemory()
        let half = try #require(memory.allocate(SessionMemory.limitBytes / 2))
        let grown = try #require(memory.reallocate(half, SessionMemory.limitBytes / 2 - 4_096))
        #expect(memory.allocate(SessionMemory.limitBytes) == nil)
        #expect(memory.reallocate(grown, SessionMemory.limitBytes) == nil)
        #expect(memory.allocate(-1) == nil)
        memory.free(grown)
        memory.free(nil)
        #expect(memory.heldBytes == 0)
    }

    @Test func grownBlockKeepsItsBytes() throws {
        let memory = SessionMemory()
        let block = try #require(memory.reallocate(nil, 100))
        block.copyMemory(from: Array(UInt8(0)..<100), byteCount: 100)
        let grown = try #require(memory.reallocate(block, 100_000))
        #expect(Array(UnsafeRawBufferPointer(start: grown, count: 100)) == Array(0..<100))
        memory.free(grown)
        #expect(memory.heldBytes == 0)
    }

    // MARK: Wire

    @Test func wireRefusesToPileUpAnswersThatNobodyReads() throws {
        let sockets = try SocketPair()
        let wire = Wire(descriptor: sockets.ours)
        let megabyte = [UInt8](repeating: 1, count: 1_048_576)
        let results = (0..<5).map { _ in megabyte.withUnsafeBytes { wire.send($0) } }
        #expect(results.dropLast().allSatisfy { $0 == megabyte.count })
        #expect(results.last == -Int(ENOBUFS))
        #expect(wire.isOverrun)
    }

    @Test func wireTakesEverythingFromLibssh2AndSendsItInOrder() throws {
        let sockets = try SocketPair()
        let wire = Wire(descriptor: sockets.ours)
        let bytes = TransportLoopTests.noise(3 * 1_048_576, seed: 5)
        for start in stride(from: 0, to: bytes.count, by: 100_000) {
            let piece = bytes[start..<min(start + 100_000, bytes.count)]
            #expect(piece.withUnsafeBytes { wire.send($0) } == piece.count)
        }
        var received: [UInt8] = []
        var laps = 0
        while received.count < bytes.count, laps < 10_000 {
            _ = wire.flush()
            received += sockets.read()
            laps += 1
        }
        #expect(received == bytes)
        #expect(wire.outgoingBytes == 0)
    }

    @Test func wireGivesWhatCameThenTheEnd() throws {
        let sockets = try SocketPair()
        let wire = Wire(descriptor: sockets.ours)
        #expect(wire.fetch() == false)
        #expect(take(from: wire, 10) == (-Int(EAGAIN), []))
        sockets.write([1, 2, 3])
        #expect(wire.fetch())
        // What is here is taken before more is fetched.
        #expect(wire.fetch() == false)
        #expect(take(from: wire, 2) == (2, [1, 2]))
        #expect(take(from: wire, 2) == (1, [3]))
        #expect(wire.takenBytes == 3)
        sockets.closeTheirs()
        #expect(wire.fetch() && wire.isEnded)
        #expect(take(from: wire, 2) == (0, []))
    }

    @Test func detachedWireDropsWhatIsSentAndHasEnded() throws {
        let wire = Wire(descriptor: try SocketPair().ours)
        wire.isDetached = true
        #expect([UInt8](repeating: 0, count: 9).withUnsafeBytes { wire.send($0) } == 9)
        #expect(wire.outgoingBytes == 0)
        #expect(take(from: wire, 2).count == 0)
    }

    @Test func farewellIsFitForALog() throws {
        let wire = Wire(descriptor: try SocketPair().ours)
        Array("Too many\r\n{\"level\":\"error\"}\u{1B}[2J".utf8).withUnsafeBytes { wire.disconnected(reason: 2, $0) }
        #expect(wire.farewell == "Too many {\\\"level\\\":\\\"error\\\"}\\x1b[2J")
        [UInt8]().withUnsafeBytes { wire.disconnected(reason: 11, $0) }
        #expect(wire.farewell == "reason 11")
    }

    private func take(from wire: Wire, _ count: Int) -> (count: Int, bytes: [UInt8]) {
        var buffer = [UInt8](repeating: 0, count: count)
        let taken = buffer.withUnsafeMutableBytes { wire.receive(into: $0) }
        return (taken, Array(buffer.prefix(max(0, taken))))
    }

    // MARK: ByteQueue

    @Test func queueKeepsItsOrderWhileItIsFilledAndEmptied() {
        var queue = ByteQueue()
        var expected: [UInt8] = []
        var taken: [UInt8] = []
        for round in 0..<200 {
            let piece = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: 1 + round * 97 % 9_000)
            queue.storage += piece
            expected += piece
            let count = min(queue.count, round * 131 % 8_000)
            taken += queue.withPending { Array($0.prefix(count)) }
            queue.consume(count)
            // What has left does not pile up.
            #expect(queue.consumedBytes <= max(256 * 1_024, queue.storage.count / 2 + 8_000))
        }
        taken += queue.withPending { Array($0) }
        queue.consume(queue.count)
        #expect(taken == expected)
        #expect(queue.isEmpty && queue.storage.isEmpty)
    }

    // MARK: WakeUp

    @Test func noWakeUpIsLost() throws {
        let wakeUp = try #require(WakeUp())
        let rounds = 20_000
        let seen = Mutex(0)
        let asked = Mutex(0)
        let lost = Mutex(0)
        // The one who sleeps is woken in no time, or sleeps out this limit.
        let limit = Duration.seconds(5)
        let isStarted = DetachedThread.start {
            var none: [pollfd] = []
            while seen.withLock({ $0 }) < rounds, lost.withLock({ $0 }) == 0 {
                let deadline = ContinuousClock.now + limit
                wakeUp.sleep(&none, until: deadline)
                if ContinuousClock.now >= deadline { lost.withLock { $0 += 1 } }
                let now = asked.withLock { $0 }
                seen.withLock { $0 = now }
            }
        }
        #expect(isStarted)
        for round in 1...rounds {
            asked.withLock { $0 = round }
            wakeUp.wake()
            while round % 4 == 0, seen.withLock({ $0 }) < round, lost.withLock({ $0 }) == 0 { sched_yield() }
        }
        while seen.withLock({ $0 }) < rounds, lost.withLock({ $0 }) == 0 { sched_yield() }
        #expect(lost.withLock { $0 } == 0)
        wakeUp.close()
        wakeUp.wake()
    }

    @Test func sleepEndsWithTheDeadlineAndNotBefore() throws {
        let wakeUp = try #require(WakeUp())
        var none: [pollfd] = []
        let deadline = ContinuousClock.now + .milliseconds(30)
        while ContinuousClock.now < deadline { wakeUp.sleep(&none, until: deadline) }
        #expect(WakeUp.milliseconds(until: nil) == -1)
        #expect(WakeUp.milliseconds(until: .now - .seconds(1)) == 0)
        #expect(WakeUp.milliseconds(until: .now + .microseconds(100)) == 1)
        #expect(WakeUp.milliseconds(until: .now + .seconds(1_000_000)) == 3_600_000)
    }
}

/// Two sockets that are connected with each other.
private final class SocketPair {
    let ours: Int32
    private let theirs: Int32
    private var isTheirsOpen = true

    init() throws {
        var pair: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else { throw POSIXError(.EMFILE) }
        (ours, theirs) = (pair[0], pair[1])
    }

    func write(_ bytes: [UInt8]) { _ = send(theirs, bytes, bytes.count, 0) }

    func read() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(theirs, &buffer, buffer.count, 0)
        return Array(buffer.prefix(max(0, count)))
    }

    func closeTheirs() {
        close(theirs)
        isTheirsOpen = false
    }

    deinit {
        close(ours)
        if isTheirsOpen { close(theirs) }
    }
}
