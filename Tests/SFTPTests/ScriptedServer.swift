import Synchronization
import TestKit
import Testing

@testable import SFTP

/// A channel whose other end is an SFTP server in this process, which does as the test says: holds answers back, gives
/// them in another order, answers short, wrongly or not at all, drops the connection, lets the time pass.
///
/// One task is its I/O thread: nothing else calls the handler.
final class ScriptedServer: ChannelOpener, Channel {
    /// What the test sets, before or while the connection stands.
    struct Script: Sendable {
        /// The answer to INIT, from its type byte on; nil for none.
        var version: [UInt8]? = ScriptedServer.openSSHVersion
        var tree = ScriptedFileTree()
        /// An answer in place of the tree's; nil lets the tree answer.
        var override: @Sendable (ScriptedRequest) -> [UInt8]? = { _ in nil }
        /// Answers wait for `release`.
        var holdsAnswers = false
        /// Answers that are due at once are given in an order drawn with this.
        var shuffle: SeededGenerator?
        /// How many bytes arrive at once.
        var partBytes = 64 << 10
        /// What `fillOutput` is allowed at a time.
        var outputLimitBytes = 256 << 10
    }

    private struct State {
        var script: Script
        var handler: (any ChannelHandler)?
        var received: [UInt8] = []
        var hasVersion = false
        var requests: [ScriptedRequest] = []
        var answers: [[UInt8]] = []
        var releasable = 0
        var raw: [UInt8] = []
        var drop: SFTPError?
        var now = ContinuousClock.now
        var closeCount = 0
        var longestOutputBytes = 0
    }

    private let state: Mutex<State>
    private let events: AsyncStream<CheckedContinuation<Void, Never>?>
    private let post: AsyncStream<CheckedContinuation<Void, Never>?>.Continuation

    /// What OpenSSH 9.2 answers to INIT, the extensions used here.
    static let openSSHVersion: [UInt8] = {
        var packet = [PacketType.version]
        packet.appendUInt32(3)
        for name in ["posix-rename@openssh.com", "fsync@openssh.com", "limits@openssh.com"] {
            packet.appendString(Array(name.utf8))
            packet.appendString([0x31])
        }
        return packet
    }()

    init(_ script: Script = Script()) {
        state = Mutex(State(script: script))
        (events, post) = AsyncStream.makeStream()
    }

    // MARK: As the transport

    func open(handler: any ChannelHandler) async throws(SFTPError) -> any Channel {
        state.withLock { $0.handler = handler }
        Task {
            self.run()
            for await barrier in events {
                self.run()
                barrier?.resume()
            }
        }
        return self
    }

    func wake() { post.yield(nil) }

    func close() async {
        state.withLock {
            $0.closeCount += 1
            $0.drop = SFTPError(.operation, .cancelled, "the channel was closed")
        }
        await settle()
        post.finish()
    }

    /// A client on this server, with the server's clock.
    func connect(
        awaitsVersion: Bool = true, constants: EngineConstants = EngineConstants()
    ) async throws(SFTPError) -> SFTPClient {
        try await SFTPClient.connect(
            opener: self, options: SFTPClientOptions(operationTimeoutSeconds: 30, awaitsVersion: awaitsVersion),
            constants: constants,
            now: { [self] in state.withLock { $0.now } })
    }

    // MARK: For the test

    /// Changes the script.
    func change(_ body: (inout Script) -> Void) {
        state.withLock { body(&$0.script) }
    }

    /// What the script holds now.
    var script: Script { state.withLock { $0.script } }

    /// All requests but INIT and those for limits, in the order in which they came.
    var requests: [ScriptedRequest] {
        state.withLock { $0.requests.filter { $0.name != "limits@openssh.com" } }
    }

    /// Those in words.
    var words: [String] { requests.map(\.words) }

    /// How many answers are held back.
    var heldCount: Int { state.withLock { $0.answers.count } }

    /// How often the client closed the channel.
    var closeCount: Int { state.withLock { $0.closeCount } }

    /// The most that one `fillOutput` left in its buffer.
    var longestOutputBytes: Int { state.withLock { $0.longestOutputBytes } }

    /// Returns when everything that was submitted before has arrived here, and all that can be answered is.
    func settle() async {
        await withCheckedContinuation { continuation in
            // After `close` nothing moves any more.
            if case .terminated = post.yield(continuation) { continuation.resume() }
        }
    }

    /// Waits until so many requests have come.
    func waitForRequests(_ count: Int, sourceLocation: SourceLocation = #_sourceLocation) async {
        let limit = ContinuousClock.now + .seconds(60)
        while requests.count < count {
            guard ContinuousClock.now < limit else {
                Issue.record("only \(words) came, not \(count)", sourceLocation: sourceLocation)
                return
            }
            await settle()
            await Task.yield()
        }
    }

    /// Waits until INIT has come.
    func waitForInitialize(sourceLocation: SourceLocation = #_sourceLocation) async {
        let limit = ContinuousClock.now + .seconds(60)
        while !state.withLock({ $0.hasVersion }) {
            guard ContinuousClock.now < limit else {
                Issue.record("INIT did not come", sourceLocation: sourceLocation)
                return
            }
            await settle()
            await Task.yield()
        }
    }

    /// Gives so many of the answers that are held back.
    func release(_ count: Int = .max) async {
        state.withLock { $0.releasable = min(count, $0.answers.count) }
        await settle()
    }

    /// Puts the answers that are held back in another order.
    func reorder(_ body: (inout [[UInt8]]) -> Void) { state.withLock { body(&$0.answers) } }

    /// Sends a packet that nobody asked for, given from its type byte on.
    func inject(_ packet: [UInt8]) async {
        state.withLock { $0.raw += Self.framed(packet) }
        await settle()
    }

    /// Sends bytes as they are.
    func injectRaw(_ bytes: [UInt8]) async {
        state.withLock { $0.raw += bytes }
        await settle()
    }

    /// The connection is lost.
    func drop(_ error: SFTPError = SFTPError(.operation, .connectionLost, "the peer reset the connection")) async {
        state.withLock { $0.drop = error }
        await settle()
    }

    /// Lets the time pass, and does what the transport does when a deadline is over. Whether one was.
    func advance(_ seconds: Int) async -> Bool {
        let (handler, now) = state.withLock { state in
            state.now += .seconds(seconds)
            return (state.handler, state.now)
        }
        guard let handler, let deadline = handler.deadline, deadline <= now else { return false }
        await drop(handler.deadlinePassed())
        return true
    }

    // MARK: The I/O task

    private func run() {
        // Every turn moves something; the scripts end.
        while let handler = state.withLock({ $0.handler }) {
            if let error = state.withLock({ $0.drop }) { return end(handler, error) }
            var output: [UInt8] = []
            handler.fillOutput(&output, limitBytes: state.withLock { $0.script.outputLimitBytes })
            var incoming: [UInt8] = []
            do {
                try state.withLock { state in
                    state.longestOutputBytes = max(state.longestOutputBytes, output.count)
                    state.received += output
                    try Self.serve(&state)
                    incoming = Self.takeAnswers(&state)
                }
            } catch {
                Issue.record("\(error)")
                return end(handler, .violation("the script failed"))
            }
            if output.isEmpty && incoming.isEmpty { return }
            do {
                try deliver(incoming, to: handler)
            } catch {
                return end(handler, error)
            }
        }
    }

    private func end(_ handler: any ChannelHandler, _ error: SFTPError) {
        state.withLock { $0.handler = nil }
        handler.ended(error)
    }

    private func deliver(_ bytes: [UInt8], to handler: any ChannelHandler) throws(SFTPError) {
        let partBytes = state.withLock { $0.script.partBytes }
        try bytes.withRawBytes { (bytes) throws(SFTPError) in
            for start in stride(from: 0, to: bytes.count, by: partBytes) {
                try handler.receive(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + partBytes, bytes.count)]))
            }
        }
    }

    /// Works off the requests that are whole.
    private static func serve(_ state: inout State) throws {
        var rest = state.received[...]
        while rest.count >= 4 {
            let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            guard rest.count >= 4 + length else { break }
            let packet = Array(rest.dropFirst(4).prefix(length))
            rest = rest.dropFirst(4 + length)
            guard state.hasVersion else {
                guard packet == [PacketType.initialize, 0, 0, 0, 3] else { throw ScriptFailure("INIT is \(packet)") }
                state.hasVersion = true
                if let version = state.script.version { state.raw += framed(version) }
                continue
            }
            let request = try ScriptedRequest(packet)
            state.requests.append(request)
            state.answers.append(state.script.override(request) ?? state.script.tree.answer(request))
        }
        state.received = Array(rest)
    }

    private static func takeAnswers(_ state: inout State) -> [UInt8] {
        var bytes = state.raw
        state.raw = []
        let count = state.script.holdsAnswers ? state.releasable : state.answers.count
        var due = Array(state.answers.prefix(count))
        state.answers.removeFirst(min(count, state.answers.count))
        state.releasable = 0
        if var random = state.script.shuffle {
            due.shuffle(using: &random)
            state.script.shuffle = random
        }
        for packet in due where !packet.isEmpty { bytes += framed(packet) }
        return bytes
    }

    private static func framed(_ packet: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendString(packet)
        return bytes
    }
}
