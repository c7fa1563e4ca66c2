import Glibc
import Synchronization

/// Where the tracing header of the current invocation is left for whoever propagates it.
public protocol TraceVariable: Sendable {
    /// Sets the value, or removes it.
    func set(_ value: String?)
}

/// The environment variable `_X_AMZN_TRACE_ID`, which a custom runtime has to set for each invocation (AWS Lambda
/// Developer Guide, "Building a custom runtime for AWS Lambda", Processing tasks).
///
/// The C library's environment is no place for threads: `getenv` takes no lock and hands out a pointer into it, so a
/// change is safe only while no other thread reads. That is so here: the loop calls `set` after the answer to `next`
/// has been read to its end and before the handler is called, when the handler of the invocation before has returned
/// (`LambdaHandler` demands that nothing of it goes on) and the HTTP client's thread has no request to prepare.
///
/// `setenv` would also keep a copy of every value that it was ever given (glibc never frees them), which is a leak of
/// one tracing header per invocation. So one buffer is lent to the environment with `putenv` and written anew.
public final class EnvironmentTraceVariable: TraceVariable {
    /// The variable of this process. There is one environment, so there is one owner of the entry.
    public static let shared = EnvironmentTraceVariable()

    /// The name of the variable.
    public static let name = "_X_AMZN_TRACE_ID"

    /// The longest header that is passed on. X-Ray's own are under 300 bytes, lineage included.
    static let maximumBytes = 2048

    private struct Entry {
        let buffer: UnsafeMutablePointer<CChar>
        let prefixBytes: Int
    }

    private let entry: Mutex<Entry>

    private init() {
        let prefix = Array("\(Self.name)=".utf8CString.dropLast())
        let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: prefix.count + Self.maximumBytes + 1)
        buffer.initialize(repeating: 0, count: prefix.count + Self.maximumBytes + 1)
        buffer.update(from: prefix, count: prefix.count)
        entry = Mutex(Entry(buffer: buffer, prefixBytes: prefix.count))
    }

    /// Sets the variable, or removes it when there is no value, or one that an environment cannot hold.
    public func set(_ value: String?) {
        entry.withLock { entry in
            guard let value, value.utf8.count <= Self.maximumBytes, !value.utf8.contains(0) else {
                unsetenv(Self.name)
                return
            }
            var end = entry.buffer + entry.prefixBytes
            for byte in value.utf8 {
                end.pointee = CChar(bitPattern: byte)
                end += 1
            }
            end.pointee = 0
            // Fails only without memory for the list of pointers; then the variable is not set, and nothing is traced.
            putenv(entry.buffer)
        }
    }
}
