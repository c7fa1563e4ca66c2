public import Foundation

/// The programs of this package, built together with the tests.
public enum BuiltProgram {
    /// Where a program is: beside that of the tests. The test target must name it as a dependency.
    public static func url(_ name: String) throws -> URL {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent(name)
    }

    /// Starts a program with exactly this environment.
    /// - Parameter input: what it finds on standard input; nothing when nil.
    public static func start(
        _ name: String, _ arguments: [String] = [], environment: [String: String], input: URL? = nil
    ) throws -> RunningProgram {
        try RunningProgram.start(try url(name).path, arguments, environment: environment, input: input)
    }
}
