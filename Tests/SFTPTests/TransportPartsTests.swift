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

    // MARK: A limited rate

    /// A clock that a test moves.
    private final class Time {
        var now = ContinuousClock.now
    }

    @Test func limitedWireSendsNoMoreThanTheRateAllows() throws {
        let (sockets, time) = (try SocketPair(), Time())
        let wire = Wire(descriptor: sockets.ours, maximumBytesPerSecond: 200_000, now: { time.now })
        #expect(wire.outgoingTargetBytes == 32 * 1_024)
        let bytes = TransportLoopTests.noise(75_000, seed: 6)
        #expect(bytes.withUnsafeBytes { wire.send($0) } == bytes.count)
        #expect(wire.flush())
        var received = sockets.read()
        #expect(received.count == 20_000, "what a tenth of a second brings, at once")
        #expect(!wire.flush() && sockets.read().isEmpty)
        for _ in 0..<4 {
            time.now += .milliseconds(50)
            #expect(wire.flush())
            let more = sockets.read()
            #expect((9_990...10_000).contains(more.count))
            received += more
        }
        time.now += .seconds(1)
        #expect(wire.flush() && !wire.flush())
        received += sockets.read()
        #expect(received == bytes && wire.outgoingBytes == 0)
    }

    @Test func limitedWireFetchesNoMoreThanTheRateAllows() throws {
        let (sockets, time) = (try SocketPair(), Time())
        let wire = Wire(descriptor: sockets.ours, maximumBytesPerSecond: 200_000, now: { time.now })
        let (bytes, start) = (TransportLoopTests.noise(50_000, seed: 7), time.now)
        sockets.write(bytes)
        var received: [UInt8] = []
        var fetches: [Int] = []
        for _ in 0..<200 {
            if wire.fetch() {
                let (count, taken) = take(from: wire, 100_000)
                fetches.append(count)
                received += taken
            }
            if received.count == bytes.count { break }
            time.now += .milliseconds(1)
        }
        #expect(received == bytes)
        #expect(fetches.first == 20_000)
        // Not byte by byte: what a quarter of the bucket holds is worth a call.
        #expect(fetches.dropFirst().dropLast().allSatisfy { $0 >= 4_900 })
        // Behind the first 20,000 the rest takes 150 ms, and no less however often it is asked for.
        let expected = Duration.milliseconds(149)...Duration.milliseconds(155)
        #expect(expected.contains(time.now - start), "\(time.now - start)")
    }

    /// With bytes there that may not be fetched yet, and even with a connection that broke, poll would return at once.
    @Test(arguments: [false, true]) func limitedWireSleepsUntilMoreMayPass(isClosed: Bool) throws {
        let (sockets, time) = (try SocketPair(), Time())
        let wire = Wire(descriptor: sockets.ours, maximumBytesPerSecond: 65_536, now: { time.now })
        let wakeUp = try #require(WakeUp())
        sockets.write([UInt8](repeating: 1, count: 60_000))
        #expect(wire.fetch())
        #expect(take(from: wire, 60_000).count == 16_384)
        if isClosed { sockets.closeTheirs() }
        let start = ContinuousClock.now
        while ContinuousClock.now < start + .milliseconds(30) {
            let before = ContinuousClock.now
            wire.wait(wakeUp, until: start + .milliseconds(30))
            #expect(ContinuousClock.now - before >= .milliseconds(1), "it did not sleep")
        }
        #expect(!wire.fetch())
        time.now += .milliseconds(100)
        #expect(wire.fetch())
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
