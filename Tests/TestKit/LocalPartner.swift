import Foundation
import Glibc
import Transfers

extension RemoteFilesContract.Partner {
    /// A partner who works in the file system of this machine, for servers that serve it under the same absolute
    /// paths. They are passed on byte by byte.
    public static let localFileSystem = localFileSystem(below: "")

    /// The same for a server to which `folder` is the root of everything. Only the paths of the partner's own calls are
    /// below it: what a symbolic link says is a path of the server.
    public static func localFileSystem(below folder: String) -> Self {
        let prefix = Array(folder.utf8)
        @Sendable func place(_ path: RemotePath) -> [CChar] { terminated(RemotePath(bytes: prefix + path.bytes)) }
        return Self(
            put: { path, bytes, time in
                let temporary = RemotePath(bytes: path.bytes + Array(".partner-part".utf8))
                try write(open(place(temporary), O_WRONLY | O_CREAT | O_TRUNC, 0o644), bytes, time)
                try check(rename(place(temporary), place(path)), "rename")
            },
            overwrite: { path, bytes, time in try write(open(place(path), O_WRONLY | O_TRUNC), bytes, time) },
            read: { path in
                let descriptor = open(place(path), O_RDONLY)
                guard descriptor >= 0 else { return nil }
                return Array(try FileHandle(fileDescriptor: descriptor, closeOnDealloc: true).readToEnd() ?? Data())
            },
            modified: { path in
                var status = stat()
                guard lstat(place(path), &status) == 0 else { return nil }
                return UnixTime(seconds: Int64(status.st_mtim.tv_sec))
            },
            remove: { path in try check(unlink(place(path)), "unlink") },
            makeDirectory: { path in try check(mkdir(place(path), 0o755), "mkdir") },
            makeLink: { path, target in try check(symlink(place(target), place(path)), "symlink") })
    }

    private static func terminated(_ path: RemotePath) -> [CChar] {
        (path.bytes + [0]).map { CChar(bitPattern: $0) }
    }

    /// Fills an open file, gives it its time and closes it.
    private static func write(_ descriptor: Int32, _ bytes: [UInt8], _ time: UnixTime) throws {
        try check(descriptor, "open")
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: Data(bytes))
        let seconds = timespec(tv_sec: Int(time.seconds), tv_nsec: 0)
        try check(futimens(descriptor, [seconds, seconds]), "futimens")
        try file.close()
    }

    private static func check(_ result: Int32, _ operation: String) throws {
        if result < 0 { throw LocalPartnerFailure(operation: operation, code: errno) }
    }
}

/// A call of the operating system that failed in the partner's hands.
struct LocalPartnerFailure: Error {
    let operation: String
    let code: Int32
}
