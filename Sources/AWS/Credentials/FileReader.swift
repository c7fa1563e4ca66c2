import Glibc

/// Reads small files. Tests give their own.
public struct FileReader: Sendable {
    /// The content of a file; nil when there is none at that path.
    public var read: @Sendable (_ path: String) throws(FileReadError) -> [UInt8]?

    /// Makes a reader.
    public init(_ read: @escaping @Sendable (_ path: String) throws(FileReadError) -> [UInt8]?) { self.read = read }

    /// The largest file that is read.
    public static let maximumBytes = 1 << 20

    /// Reads from the file system.
    public static let system = FileReader { path throws(FileReadError) in
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw FileReadError(path: path, reason: String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while content.count <= maximumBytes {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return content }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileReadError(path: path, reason: String(cString: strerror(errno)))
            }
            content += buffer[..<count]
        }
        throw FileReadError(path: path, reason: "larger than \(maximumBytes) bytes")
    }
}

/// A file that is there but cannot be read.
public struct FileReadError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file.
    public var path: String
    /// What the system said.
    public var reason: String

    /// Makes an error.
    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    /// The path and the reason.
    public var description: String { "cannot read \(path): \(reason)" }
}
