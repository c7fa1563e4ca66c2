// The C library declares `environ` as any variable; that nobody else touches it is said below.
@preconcurrency import Glibc

/// The variables that the process was started with.
enum ProcessEnvironment {
    /// All variables by their names. Of several with one name the first counts, as with `getenv`; bytes that are not
    /// UTF-8 are replaced.
    ///
    /// The C library takes no lock for them. So they are read once, by the main function before anything else runs, and
    /// handed on: `EnvironmentTraceVariable` is the only one that changes them later.
    static func variables() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let bytes = UnsafeBufferPointer(start: text, count: strlen(text)).lazy.map { UInt8(bitPattern: $0) }
            if let end = bytes.firstIndex(of: UInt8(ascii: "=")) {
                let name = String(decoding: bytes[..<end], as: UTF8.self)
                if variables[name] == nil {
                    variables[name] = String(decoding: bytes[bytes.index(after: end)...], as: UTF8.self)
                }
            }
            entry += 1
        }
        return variables
    }
}
