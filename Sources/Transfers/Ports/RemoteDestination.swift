/// The partner's server, as a push sees it. All operations may be called at once from many tasks; they share one
/// connection.
///
/// Every operation throws `RemoteFailure`. After one of reason `.connectionLost` all further ones fail the same way.
/// What the server refuses and what that means (rule U9) is found out once and remembered for the connection.
public protocol RemoteDestination: Sendable {
    /// False once the server has refused to rename in every way: `replaceFile` then answers `.refused`.
    var canReplace: Bool { get }

    /// Makes a directory. No error when it is there already, or when the server refuses to make or to show it: then the
    /// file that is put there shows whether it is usable.
    func makeDirectory(_ path: RemotePath) async throws(RemoteFailure)

    /// Makes a new file for writing. `.notFound` means that a directory on the way is missing, `.alreadyExists`, where
    /// the server tells, that something has the name.
    func createFile(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteFileWriter

    /// Opens the file of that name, or a new one, for writing it from its beginning: until `finish`, who reads it finds
    /// a part of it. Only where nothing else works (rule U9).
    func overwriteFile(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteFileWriter

    /// Takes over a file that another attempt has left: gives it a new name, under which nobody else writes it, and opens
    /// it for going on at `offsetBytes`. What stands behind that is written over.
    ///
    /// - Returns: nil when that cannot be: it is gone, somebody else has taken it over, it is shorter than that, or the
    ///   server does not let it be done. What was under `path` is removed then.
    func resumeFile(
        _ path: RemotePath, as newPath: RemotePath, from offsetBytes: UInt64
    ) async throws(RemoteFailure) -> (any RemoteFileWriter)?

    /// Gives a file the place of `target`, whatever stands there: in one step where the server can, else by removing
    /// the older file first. The file at `path` is never removed.
    ///
    /// - Parameter mayRemove: asked once, just before the older file is removed; never where the server replaces it in
    ///   one step.
    /// - Returns: what came of it. Unless it is `.done` the file is still at `path`.
    /// - Throws: `.notFound` when the file is no longer at `path`. Whatever is thrown, the older file has not been
    ///   removed.
    func replaceFile(
        _ target: RemotePath, with path: RemotePath, mayRemove: () async -> Bool
    ) async throws(RemoteFailure) -> Replacement

    /// Opens a directory for listing.
    func openDirectory(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteListing

    /// Removes a file. That it is gone already is no error.
    func removeFile(_ path: RemotePath) async throws(RemoteFailure)
}

/// What came of `RemoteDestination.replaceFile`.
public enum Replacement: Hashable, Sendable {
    /// The file stands at the target.
    case done
    /// The server does not rename; the failure is its answer.
    case refused(RemoteFailure)
    /// The older file was not to be removed, and stays.
    case kept
    /// The older file was removed, or may have been, and then the rename failed so.
    case removed(RemoteFailure)
}

/// A file being written, from its beginning to its end. One caller at a time.
public protocol RemoteFileWriter: Sendable {
    /// Hands over the next bytes and returns when there is room for more: what is under way is bounded, and not all of
    /// it has reached the server. A failure may be that of bytes handed over before.
    func write(_ bytes: [UInt8]) async throws(RemoteFailure)

    /// Waits for all that was written, sets the modification time, writes the file through to the disk where the
    /// server can, makes sure of its size, and closes it. What a server cannot do of this, or refuses, it leaves out,
    /// the writing and closing excepted.
    /// - Throws: `.changed` when the file does not have the size of what was written.
    func finish(modified: UnixTime?) async throws(RemoteFailure)

    /// Up to where, from the beginning of the file on, the server has confirmed what was written; what is behind that may
    /// have a gap.
    var confirmedBytes: UInt64 { get }

    /// Closes the file without waiting for it. Harmless after `finish` or another call.
    func close() async
}
