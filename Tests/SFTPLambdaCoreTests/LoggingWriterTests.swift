import Foundation
import Glibc
import Logging
import Synchronization
import TestKit
import Testing

@testable import SFTPLambdaCore

/// A pipe whose both ends are closed when it goes.
private final class TestPipe: Sendable {
    let reading: Int32
    let writing: Int32

    init(isNonBlocking: Bool = false) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        (reading, writing) = (ends[0], ends[1])
        if isNonBlocking { _ = fcntl(writing, F_SETFL, fcntl(writing, F_GETFL) | O_NONBLOCK) }
    }

    deinit {
        close(reading)
        close(writing)
    }

    /// Reads until so many line ends came, on a thread of its own: the pool's threads are the writers'.
    func lines(_ count: Int) async -> [String] {
        await withCheckedContinuation { continuation in
            Thread { continuation.resume(returning: self.readLines(count)) }.start()
        }
    }

    private func readLines(_ count: Int) -> [String] {
        var bytes: [UInt8] = []
        var ends = 0
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while ends < count {
            let got = read(reading, &buffer, buffer.count)
            guard got > 0 else { break }
            ends += buffer[..<got].count { $0 == 10 }
            bytes += buffer[..<got]
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .dropLast().map(String.init)
    }

    /// Whether a writer would have to wait.
    var isFull: Bool {
        var entry = pollfd(fd: writing, events: Int16(POLLOUT), revents: 0)
        return poll(&entry, 1, 0) == 0
    }

    /// All that is there, without waiting for more.
    func available() -> String {
        _ = fcntl(reading, F_SETFL, fcntl(reading, F_GETFL) | O_NONBLOCK)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let got = read(reading, &buffer, buffer.count)
            guard got > 0 else { break }
            bytes += buffer[..<got]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

@Suite struct LoggingWriterTests {
    @Test func linesOfManyThreadsNeverMix() async throws {
        // Lines longer than PIPE_BUF and the pipe itself, a reader slower than the writers, a non-blocking pipe: writes
        // are partial all the time.
        let pipe = try TestPipe(isNonBlocking: true)
        let writer = LineWriter(descriptor: pipe.writing)
        let output = LogOutput(options: LogOptions(), writer: writer)
        let threads = 8
        let linesEach = 20
        async let received = pipe.lines(threads * linesEach)
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<threads {
                group.addTask {
                    let logger = output.logger(label: "t\(thread)")
                    for number in 0..<linesEach {
                        let filler = String(repeating: "\(thread % 10)", count: (number % 4) * 25_000)
                        logger.info(
                            "line", metadata: ["number": .stringConvertible(number), "filler": .string(filler)])
                    }
                }
            }
        }
        var numbers: [String: [Int]] = [:]
        for line in await received {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
            let label = try #require(object["logger"] as? String)
            let filler = try #require(object["filler"] as? String)
            #expect(Set(filler).count <= 1)
            numbers[label, default: []].append(try #require(object["number"] as? Int))
        }
        #expect(numbers.count == threads)
        #expect(numbers.values.allSatisfy { $0 == Array(0..<linesEach) })
        #expect(writer.droppedLines == 0)
    }

    @Test func aSignalDoesNotTearALine() async throws {
        let pipe = try TestPipe()
        let writer = LineWriter(descriptor: pipe.writing)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        var former = sigaction()
        sigaction(SIGUSR2, &action, &former)
        defer { sigaction(SIGUSR2, &former, nil) }
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: 1_000_000)
        let thread: pthread_t = await withCheckedContinuation { continuation in
            Thread {
                continuation.resume(returning: pthread_self())
                writer.write(line)
            }.start()
        }
        // The pipe fills up and the thread waits within write(2), where the signals interrupt it.
        while !pipe.isFull { await Task.yield() }
        for _ in 0..<20 { pthread_kill(thread, SIGUSR2) }
        let lines = await pipe.lines(1)
        #expect(lines.map(\.utf8.count) == [1_000_000])
        #expect(writer.droppedLines == 0)
    }

    @Test func aReaderThatStandsStillCostsLinesAndNotTheWork() throws {
        let pipe = try TestPipe(isNonBlocking: true)
        let writer = LineWriter(descriptor: pipe.writing)
        let clock = ContinuousClock()
        let time = clock.measure { writer.write([UInt8](repeating: UInt8(ascii: "x"), count: 100_000)) }
        #expect(writer.droppedLines == 1)
        #expect(time < .milliseconds(LineWriter.maximumWaitMilliseconds * 3))
        let torn = pipe.available()
        #expect(!torn.hasSuffix("\n") && torn.utf8.count >= 4096)
        writer.write(Array("next".utf8))
        #expect(pipe.available() == "\nnext\n")
        writer.write(Array("and next".utf8))
        #expect(pipe.available() == "and next\n")
        #expect(writer.droppedLines == 1)
    }

    @Test func aFooterStaysBelowTheLines() throws {
        let pipe = try TestPipe()
        let writer = LineWriter(descriptor: pipe.writing)
        let footer = { (name: String) in LineWriter.Footer(text: Array("[\(name)]".utf8)) { Array("<\(name)>".utf8) } }
        writer.show(footer("a"))
        writer.write(Array("line".utf8))
        writer.show(footer("b"))
        #expect(pipe.available() == "[a]<a>line\n[a]<a>[b]")
        writer.removeFooter()
        writer.removeFooter()
        writer.write(Array("line".utf8))
        #expect(pipe.available() == "<b>line\n")
        writer.show(footer("c"))
        writer.forgetFooter()
        writer.write(Array("line".utf8))
        writer.show(footer("d"))
        writer.removeFooterAtOnce()
        #expect(pipe.available() == "[c]line\n[d]<d>")
        #expect(writer.droppedLines == 0)
    }

    /// A terminal that somebody has stopped (Ctrl-S) must not hold up the work for a display.
    @Test func aFooterIsNotWaitedFor() throws {
        let pipe = try TestPipe()
        let writer = LineWriter(descriptor: pipe.writing)
        while !pipe.isFull { writer.write([UInt8](repeating: UInt8(ascii: "x"), count: 1023)) }
        writer.show(LineWriter.Footer(text: Array("footer".utf8)) { [] })
        writer.removeFooterAtOnce()
        #expect(!pipe.available().contains("footer"))
    }

    /// Who stops the process hears of the other signals too: held up, it could not even end it.
    @Test(arguments: [false, true])
    func theWayToAStopIsNotHeldUpByATerminalThatTakesNothing(isBeingWritten: Bool) async throws {
        let pipe = try TestPipe()
        let writer = LineWriter(descriptor: pipe.writing)
        let threads = Mutex((started: 0, ended: 0))
        func inAThread(_ work: @escaping @Sendable () -> Void) {
            threads.withLock { $0.started += 1 }
            Thread {
                work()
                threads.withLock { $0.ended += 1 }
            }.start()
        }
        writer.show(LineWriter.Footer(text: Array("footer".utf8)) { Array("erasure".utf8) })
        if isBeingWritten {
            // More than fits: the writer waits in the middle of it, and nobody else may write.
            inAThread { writer.write([UInt8](repeating: UInt8(ascii: "x"), count: 200_000)) }
            try await waitUntil("the writer waits") { pipe.isFull }
        } else {
            // Whole pages: in the rest of one there would be room for a few bytes more.
            let other = LineWriter(descriptor: pipe.writing)
            while !pipe.isFull { other.write([UInt8](repeating: UInt8(ascii: "x"), count: 4095)) }
        }
        let isStopped = Mutex(false)
        inAThread { writer.withoutFooter { isStopped.withLock { $0 = true } } }
        do {
            try await waitUntil("the stop") { isStopped.withLock { $0 } }
        } catch {
            Issue.record("\(error)")
        }
        try await waitUntil("all have written") {
            _ = pipe.available()
            return threads.withLock { $0.started == $0.ended }
        }
    }

    @Test func aClosedDescriptorCostsLinesOnly() {
        let writer = LineWriter(descriptor: -1)
        writer.write(Array("a".utf8))
        writer.write(Array("b".utf8))
        #expect(writer.droppedLines == 2)
    }
}

@Suite struct LoggingHandlerTests {
    private func logged(_ options: LogOptions = LogOptions(), _ body: (LogOutput) -> Void) throws -> [String] {
        let pipe = try TestPipe()
        body(LogOutput(options: options, writer: LineWriter(descriptor: pipe.writing)) { 1_767_323_045_678 })
        return pipe.available().split(separator: "\n").map(String.init)
    }

    /// Lambda drops what is less urgent than its own setting, which AWS_LAMBDA_LOG_LEVEL repeats; metrics are to pass.
    @Test(arguments: [
        (Logger.Level.trace, "INFO"), (.info, "INFO"), (.warning, "WARN"), (.error, "ERROR"), (.critical, "FATAL"),
    ])
    func metricsAreAsUrgentAsALineMustBeToPass(level: Logger.Level, name: String) throws {
        let lines = try logged(LogOptions(level: level)) { output in
            var metrics = EmbeddedMetrics(namespace: "N")
            metrics.add("FilesTransferred", 1)
            output.write(metrics)
        }
        #expect(lines.count == 1)
        #expect(lines.first?.contains(#""level":"\#(name)""#) == true)
    }

    @Test func metadataOfHandlerProviderAndEventAreMergedInThatOrder() throws {
        let lines = try logged { output in
            let provider = Logger.MetadataProvider { ["b": "provider", "c": "provider"] }
            var logger = output.logger(label: "pull", metadataProvider: provider)
            logger[metadataKey: "a"] = "handler"
            logger[metadataKey: "b"] = "handler"
            logger[metadataKey: "c"] = "handler"
            logger.info("x", metadata: ["c": "event"])
            #expect(logger[metadataKey: "a"] == "handler")
        }
        #expect(lines.count == 1)
        #expect(lines.first?.hasSuffix(#""logger":"pull","a":"handler","b":"provider","c":"event"}"#) == true)
    }

    @Test func levelsBelowTheOptionAreNotLogged() throws {
        let lines = try logged(LogOptions(level: .warning)) { output in
            let logger = output.logger(label: "x")
            logger.info("no")
            logger.warning("yes")
            logger.critical("yes")
        }
        #expect(lines.count == 2)
    }

    @Test func levelAndMetadataAreValues() throws {
        let lines = try logged { output in
            var first = output.logger(label: "first")
            first.logLevel = .debug
            first[metadataKey: "only-on"] = "first"
            var second = first
            second.logLevel = .error
            second[metadataKey: "only-on"] = "second"
            #expect(first.logLevel == .debug)
            #expect(second.logLevel == .error)
            #expect(first[metadataKey: "only-on"] == "first")
            first.debug("one")
            second.debug("two")
        }
        #expect(lines.count == 1)
    }

    @Test func anErrorIsLoggedInItsOwnWords() throws {
        let lines = try logged { output in
            let error = SettingsError([SettingFault(name: "A", problem: "is \"b\"", expected: "c", example: "d")])
            output.logger(label: "x").error("failed", error: error)
        }
        #expect(
            lines.first?.contains(#""error":"1 setting cannot be used:\n- A is \"b\". Expected: c. Example: d""#)
                == true)
    }

    @Test(arguments: [
        ([:], LogOptions.Format.text, Logger.Level.info, false, 0),
        (["AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"], .json, .info, true, 0),
        (["AWS_LAMBDA_RUNTIME_API": "x", "AWS_LAMBDA_LOG_FORMAT": "Text"], .text, .info, true, 0),
        (["AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"], .json, .debug, true, 0),
        (["AWS_LAMBDA_LOG_LEVEL": "fatal"], .text, .critical, false, 0),
        (["AWS_LAMBDA_LOG_LEVEL": "", "AWS_LAMBDA_LOG_FORMAT": ""], .text, .info, false, 0),
        (["AWS_LAMBDA_LOG_LEVEL": "LOUD", "AWS_LAMBDA_LOG_FORMAT": "XML"], .text, .info, false, 2),
    ])
    func optionsAreReadFromLambdasVariables(
        environment: [String: String], format: LogOptions.Format, level: Logger.Level, writesMetrics: Bool,
        warnings: Int
    ) {
        let options = LogOptions(environment: environment)
        #expect(options.format == format)
        #expect(options.level == level)
        #expect(options.writesMetrics == writesMetrics)
        #expect(options.warnings.count == warnings)
    }

    @Test func metricsAreWrittenAsLinesOfTheirOwn() throws {
        var metrics = EmbeddedMetrics(namespace: "SFTPLambda")
        metrics.add("Files", 3)
        let text = LogOptions(format: .text, writesMetrics: true)
        #expect(try logged(text) { $0.write(metrics) }.first?.hasPrefix(#"{"_aws":"#) == true)
        #expect(try logged(LogOptions(writesMetrics: false)) { $0.write(metrics) } == [])
    }
}
