import Foundation

/// What this process holds.
struct ProcessFigures {
    var residentBytes: Int
    var openDescriptors: Int

    static func now() throws -> ProcessFigures {
        // Field 2 is the resident set in pages (proc(5), /proc/pid/statm).
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return ProcessFigures(
            residentBytes: (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)),
            openDescriptors: try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count)
    }
}
