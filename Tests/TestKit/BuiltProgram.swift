public import Foundation

/// The programs of this package, built together with the tests.
public enum BuiltProgram {
    /// Where a program is: beside that of the tests. The test target must name it as a dependency.
    public static func url(_ name: String) throws -> URL {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent(name)
    }
}
