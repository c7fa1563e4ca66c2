import Glibc
import Synchronization

/// SIGINT and SIGTERM as a request to end: what is under way then ends in an orderly way. A second signal, or a work
/// that does not end within `graceSeconds`, ends the process at once. A signal that the process was started to ignore, as
/// a script does for what it leaves in the background, stays ignored.
///
/// SIGTSTP, which Ctrl-Z sends, stops the process once what it has on the terminal is away.
final class EndSignal: Sendable {
    /// How long the work may take to end.
    static let graceSeconds: Int32 = 10

    /// What the listener does.
    struct Actions: Sendable {
        /// Asks the work to end; called once.
        var end: @Sendable () -> Void
        /// Called before the process is ended at once; must not wait for anything.
        var beforeExit: @Sendable () -> Void = {}
        /// Calls what it is given, which stops the process and returns when it goes on; nil where nothing has to be done
        /// before that. It must not wait for anything but that: the thread that calls it hears of every other signal.
        var aroundStop: (@Sendable (_ stop: () -> Void) -> Void)?
    }

    private let state = Mutex<Int32?>(nil)

    /// The signal that came; nil when none did.
    var received: Int32? { state.withLock { $0 } }

    /// Begins to listen. To be made once in a process.
    /// - Parameter actions: called on a thread of its own.
    /// - Returns: nil when the system has no pipe or thread left: then signals do what they always do.
    init?(_ actions: Actions) {
        var pipe: [Int32] = [-1, -1]
        // A handler must not wait where nobody reads.
        guard Glibc.pipe(&pipe) == 0, fcntl(pipe[1], F_SETFL, O_NONBLOCK) == 0 else { return nil }
        signalPipe = pipe[1]
        let reading = pipe[0]
        let listener = Unmanaged.passRetained(Listener { [self] in self.listen(reading, actions) })
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Listener>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, listener.toOpaque())
        guard status == 0 else {
            listener.release()
            return nil
        }
        pthread_detach(thread)
        for number in [SIGINT, SIGTERM] + (actions.aroundStop == nil ? [] : [SIGTSTP]) {
            var before = sigaction()
            guard sigaction(number, nil, &before) == 0, !Self.isIgnored(before) else { continue }
            Self.catchSignal(number)
        }
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        // The two are functions to C, and compared as the addresses that they stand for.
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    private static func catchSignal(_ number: Int32) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = tellListener
        action.sa_flags = SA_RESTART
        sigaction(number, &action, nil)
    }

    private func listen(_ reading: Int32, _ actions: Actions) {
        var first: Int32?
        while true {
            let number = Self.next(reading, waitMilliseconds: first == nil ? -1 : Self.graceSeconds * 1000)
            if number == SIGTSTP {
                // The time to end begins anew behind it: nothing could be done meanwhile.
                actions.aroundStop?(Self.stop)
            } else if let first {
                actions.beforeExit()
                _exit(128 + (number ?? first))
            } else {
                guard let number else { return }
                first = number
                state.withLock { $0 = number }
                actions.end()
            }
        }
    }

    /// Stops the process as the signal does where nobody listens for it.
    private static func stop() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = SIG_DFL
        sigaction(SIGTSTP, &action, nil)
        // The thread comes from one of libdispatch's, which take no signals.
        var own = sigset_t()
        sigemptyset(&own)
        sigaddset(&own, SIGTSTP)
        pthread_sigmask(SIG_UNBLOCK, &own, nil)
        raise(SIGTSTP)
        pthread_sigmask(SIG_BLOCK, &own, nil)
        catchSignal(SIGTSTP)
    }

    /// The next signal, or nil when none comes in time.
    private static func next(_ reading: Int32, waitMilliseconds: Int32) -> Int32? {
        var entry = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
        // Signals go to other threads as well, and may interrupt this one too.
        while poll(&entry, 1, waitMilliseconds) < 0 { guard errno == EINTR else { return nil } }
        guard entry.revents & Int16(POLLIN) != 0 else { return nil }
        var number: UInt8 = 0
        guard read(reading, &number, 1) == 1 else { return nil }
        return Int32(number)
    }
}

/// What the new thread runs.
private final class Listener: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// The end of the pipe that the handler writes to. Set once, before the handler is installed; after that only the
/// handler reads it, which may do no more than calls that are safe in it (signal-safety(7)): write is.
nonisolated(unsafe) private var signalPipe: Int32 = -1

private let tellListener: @convention(c) (Int32) -> Void = { number in
    let code = errno
    var byte = UInt8(truncatingIfNeeded: number)
    // A pipe that is full has told it often enough.
    _ = write(signalPipe, &byte, 1)
    errno = code
}
