internal import CLibCurl
import Glibc
import Synchronization

/// The one thread that touches libcurl. It is made when the first request comes, not before: a function that fails in
/// its settings never pays for it.
///
/// Commands go through a queue behind a lock, and `curl_multi_wakeup` ends the thread's sleep. Continuations are
/// resumed on this thread.
final class IOThread: Sendable {
    /// What the rest of the module asks of the thread.
    enum Command: Sendable {
        case start(Exchange)
        case resumeReceiving(Exchange)
        case resumeSending(Exchange)
        case cancel(Exchange)
    }

    private enum Phase {
        /// No request has come yet.
        case idle
        /// The thread runs.
        case running
        /// The client is gone; the thread ends with the last transfer.
        case retiring
        /// `shutdown()`: the thread ends now.
        case closing
        /// There is no thread any more.
        case closed
    }

    /// A multi handle, to be woken.
    ///
    /// Unchecked because a raw pointer is not Sendable. The only thing done with it off the I/O thread is
    /// `curl_multi_wakeup`, which libcurl permits from any thread as long as the handle lives; it is called under the
    /// lock of `state`, and the I/O thread takes the handle out of `state` under the same lock before it destroys it.
    private struct Wakeable: @unchecked Sendable {
        let multi: UnsafeMutableRawPointer
    }

    private struct State {
        var phase = Phase.idle
        var commands: [Command] = []
        var wakeable: Wakeable?
        /// A wakeup is on its way; another would be a system call for nothing.
        var isWoken = false
        var closeWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let configuration: HTTPClientConfiguration
    private let state = Mutex(State())

    init(_ configuration: HTTPClientConfiguration) { self.configuration = configuration }

    /// Seconds on the monotonic clock.
    static func uptimeSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    // MARK: Any thread

    /// Hands a request over.
    /// - Throws: `HTTPError` of kind `.closed` after `shutdown()`, `.other` when the system has no thread for us.
    func start(_ exchange: Exchange) throws(HTTPError) {
        let label = exchange.plan.label
        let result = state.withLock { state -> Result<Void, HTTPError> in
            if state.phase == .idle {
                guard startThread() else {
                    return .failure(HTTPError(.other, "\(label): the system gives no thread for the transfers"))
                }
                state.phase = .running
            }
            guard state.phase == .running || state.phase == .retiring else {
                return .failure(HTTPError(.closed, "\(label): the HTTP client has been shut down"))
            }
            Self.append(.start(exchange), to: &state)
            return .success(())
        }
        try result.get()
    }

    /// Gives the thread something to do for a request that has been handed over. Without a thread there is no such
    /// request any more, and nothing to do.
    func post(_ command: Command) {
        state.withLock { state in
            guard state.phase == .running || state.phase == .retiring else { return }
            Self.append(command, to: &state)
        }
    }

    /// Has the thread end with its last transfer.
    func retire() {
        state.withLock { state in
            if state.phase == .idle { state.phase = .closed }
            guard state.phase == .running else { return }
            state.phase = .retiring
            Self.wake(&state)
        }
    }

    /// Ends all transfers and the thread, and returns when both are gone.
    func close() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isClosed = state.withLock { state in
                if state.phase == .idle { state.phase = .closed }
                guard state.phase != .closed else { return true }
                state.phase = .closing
                state.closeWaiters.append(continuation)
                Self.wake(&state)
                return false
            }
            if isClosed { continuation.resume() }
        }
    }

    private static func append(_ command: Command, to state: inout State) {
        state.commands.append(command)
        wake(&state)
    }

    private static func wake(_ state: inout State) {
        // Before the multi handle is there the thread has not looked at the queue yet.
        guard let wakeable = state.wakeable, !state.isWoken else { return }
        state.isWoken = true
        curl_multi_wakeup(wakeable.multi)
    }

    // MARK: The thread

    /// Starts the thread with no signal let through: those are the main program's, and a broken connection must not
    /// end it by SIGPIPE.
    private func startThread() -> Bool {
        var every = sigset_t()
        var former = sigset_t()
        sigfillset(&every)
        pthread_sigmask(SIG_SETMASK, &every, &former)
        defer { pthread_sigmask(SIG_SETMASK, &former, nil) }

        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))

        // The thread owns one reference to this object, which its entry point takes over.
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { context in
                if let context { Unmanaged<IOThread>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        if code != 0 { context.release() }
        return code == 0
    }

    private func run() {
        do throws(HTTPError) {
            try serve(TransferLoop(configuration))
            finish(because: HTTPError(.closed, "the HTTP client has been shut down"))
        } catch {
            finish(because: error)
        }
    }

    private func serve(_ loop: TransferLoop) {
        state.withLock { $0.wakeable = Wakeable(multi: loop.multi) }
        // The loop frees the handle when this function lets go of it.
        defer { state.withLock { $0.wakeable = nil } }
        while true {
            let (commands, phase) = takeCommands()
            for command in commands { Self.carryOut(command, on: loop) }
            if phase == .closing {
                loop.endAll { HTTPError(.closed, "\($0.label): the HTTP client has been shut down") }
                return
            }
            loop.perform()
            loop.checkLimits(uptimeSeconds: Self.uptimeSeconds())
            if phase == .retiring, loop.isIdle { return }
            loop.sleep(milliseconds: loop.sleepMilliseconds(uptimeSeconds: Self.uptimeSeconds()))
        }
    }

    private static func carryOut(_ command: Command, on loop: TransferLoop) {
        switch command {
        case .start(let exchange): loop.start(exchange)
        case .resumeReceiving(let exchange): loop.resumeReceiving(exchange)
        case .resumeSending(let exchange): loop.resumeSending(exchange)
        case .cancel(let exchange): loop.cancel(exchange)
        }
    }

    private func takeCommands() -> ([Command], Phase) {
        state.withLock { state in
            defer { (state.commands, state.isWoken) = ([], false) }
            return (state.commands, state.phase)
        }
    }

    /// The thread's last act.
    private func finish(because error: HTTPError) {
        let (commands, waiters) = state.withLock { state in
            defer { (state.phase, state.commands, state.closeWaiters) = (.closed, [], []) }
            return (state.commands, state.closeWaiters)
        }
        for case .start(let exchange) in commands { exchange.finish(.failure(error)) }
        for waiter in waiters { waiter.resume() }
    }
}
