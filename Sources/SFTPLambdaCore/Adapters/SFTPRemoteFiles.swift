import SFTP
import Synchronization
import Transfers

/// The partner's server as the transfer rules see it: which SFTP requests make up an operation, and what the servers'
/// peculiarities mean. Works over one connection, which it does not own.
final class SFTPRemoteFiles: RemoteFiles {
    let client: SFTPClient
    /// Watches what is read; nil where nobody does.
    let watch: (any ContentWatch)?
    private let refusesPosixRename = Mutex(false)
    /// rclone writes the answer to LSTAT when it is sent, and by then of the file as it is: a SETSTAT that stands behind
    /// it in the same flight may have been carried out. So there the new time is set when the answer has come.
    let answersLate: Bool
    /// asyncssh opens what is missing, or no directory, and lists it as empty.
    private let listsWhatIsMissing: Bool

    init(client: SFTPClient, watch: (any ContentWatch)? = nil) {
        self.client = client
        self.watch = watch
        let server = client.sessionInfo?.serverIdentification ?? ""
        answersLate = server.hasPrefix("SSH-2.0-rclone/")
        listsWhatIsMissing = server.hasPrefix("SSH-2.0-AsyncSSH_")
    }

    /// Whether to rename by `posix-rename@openssh.com`: the server offers it and has not refused it since.
    var canReplace: Bool { client.supports(.posixRename) && !refusesPosixRename.withLock { $0 } }

    /// Remembers for the connection that the server offers `posix-rename@openssh.com` and does not do it.
    func notePosixRenameRefused() { refusesPosixRename.withLock { $0 = true } }

    /// Its answer to `limits@openssh.com`, which comes with that to the first listing.
    var maximumOpenHandles: Int? {
        let handles = client.knownLimits.openHandles
        return handles == 0 ? nil : Int(clamping: handles)
    }

    func openDirectory(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteListing {
        do {
            // The empty path is the login directory; OpenSSH's OPENDIR knows it only by its other name.
            let bytes = path.bytes.isEmpty ? Array(".".utf8) : path.bytes
            let directory = try await client.openDirectory(bytes)
            return SFTPListing(directory, of: bytes, client: client, isDoubted: listsWhatIsMissing)
        } catch {
            throw RemoteFailure(error)
        }
    }

    func openFile(_ path: RemotePath, expected: FileVersion) async throws(RemoteFailure) -> any RemoteFileReader {
        do {
            let handle = try await client.open(path.bytes, .read)
            return SFTPFileReader(files: self, path: path, handle: handle, expected: expected)
        } catch {
            throw RemoteFailure(error)
        }
    }

    func attributes(of path: RemotePath) async throws(RemoteFailure) -> RemoteAttributes? {
        do {
            return RemoteAttributes(try await client.lstat(path.bytes))
        } catch {
            if error.reason == .status(.noSuchFile) { return nil }
            throw RemoteFailure(error)
        }
    }

    func makeDirectory(_ path: RemotePath) async throws(RemoteFailure) {
        _ = try await makeDirectory(path, trustingWhereBlind: false)
    }

    /// - Parameters:
    ///   - permissions: those of a new one, as far as the server's umask leaves them; nil lets the server decide.
    ///   - trustingWhereBlind: where the server refuses both to make and to show it, it is taken to be there.
    /// - Returns: whether it is new.
    func makeDirectory(
        _ path: RemotePath, permissions: UInt32? = nil, trustingWhereBlind: Bool
    ) async throws(RemoteFailure) -> Bool {
        do {
            try await client.mkdir(path.bytes, SFTPAttributes(permissions: permissions))
            return true
        } catch {
            guard case .status(let status) = error.reason else { throw RemoteFailure(error) }
            // Most servers say no more than "failure" when it exists, and some refuse MKDIR where it does.
            let isDirectory: Bool
            do {
                let kind = try await client.stat(path.bytes).kind
                isDirectory = kind == .directory || kind == nil && trustingWhereBlind
            } catch let statError {
                guard case .status(let statStatus) = statError.reason else { throw RemoteFailure(statError) }
                isDirectory = trustingWhereBlind && status != .noSuchFile && statStatus != .noSuchFile
            }
            if !isDirectory { throw RemoteFailure(error) }
            return false
        }
    }

    func moveWithoutReplacing(_ path: RemotePath, to target: RemotePath) async throws(RemoteFailure) {
        // A few servers replace the target of a plain RENAME without a word; this look leaves them one round trip.
        if try await attributes(of: target) != nil {
            throw RemoteFailure(.alreadyExists, "rename \(path) to \(target): something is there already")
        }
        do {
            try await client.rename(path.bytes, to: target.bytes)
        } catch {
            guard case .status(let status) = error.reason, status != .noSuchFile else { throw RemoteFailure(error) }
            if try await attributes(of: target) != nil {
                throw RemoteFailure(.alreadyExists, "rename \(path) to \(target): something is there by now")
            }
            throw RemoteFailure(error)
        }
    }

    /// What "no such file" means as the answer to a rename of `path`: the file, or the directory it goes to.
    func meaning(ofMissing error: SFTPError, moving path: RemotePath) async throws(RemoteFailure) -> RemoteFailure {
        do {
            _ = try await client.lstat(path.bytes)
        } catch let lookError {
            guard case .status = lookError.reason else { throw RemoteFailure(lookError) }
            // Gone, or the server does not tell.
            return RemoteFailure(error)
        }
        return RemoteFailure(.failed, "\(error.message) (the file is there, so the directory it goes to is missing)")
    }

    func setModificationTime(of path: RemotePath, to time: UnixTime) async throws(RemoteFailure) {
        do {
            try await client.setstat(path.bytes, SFTPAttributes(modified: time))
        } catch {
            throw RemoteFailure(error)
        }
    }

    func removeFile(_ path: RemotePath) async throws(RemoteFailure) {
        do {
            try await client.remove(path.bytes)
        } catch {
            if error.reason != .status(.noSuchFile) { throw RemoteFailure(error) }
        }
    }
}

/// A listing, entry by entry translated.
private final class SFTPListing: RemoteListing {
    private let directory: SFTPDirectory
    private let path: [UInt8]
    private let client: SFTPClient
    /// Whether nothing has come, of a server that would say so of what is missing too.
    private let isDoubtful: Mutex<Bool>

    init(_ directory: SFTPDirectory, of path: [UInt8], client: SFTPClient, isDoubted: Bool) {
        self.directory = directory
        self.path = path
        self.client = client
        isDoubtful = Mutex(isDoubted)
    }

    func next() async throws(RemoteFailure) -> [RemoteEntry]? {
        do {
            guard let names = try await directory.next() else {
                if isDoubtful.withLock({ $0 }) { try await checkDirectory() }
                return nil
            }
            isDoubtful.withLock { $0 = false }
            return names.compactMap(Self.entry)
        } catch {
            throw RemoteFailure(error)
        }
    }

    /// Else a wrong SFTP_SOURCE_DIR would look like one where nothing is to be done.
    /// - Throws: `.noSuchFile`, or `.failure` for something that is no directory.
    private func checkDirectory() async throws(SFTPError) {
        let kind: SFTPAttributes.Kind?
        do {
            kind = try await client.stat(path).kind
        } catch {
            // One that can be listed and not be looked at is one.
            guard case .status(let status) = error.reason, status != .noSuchFile else { throw error }
            return
        }
        guard let kind, kind != .directory else { return }
        throw SFTPError(.operation, .status(.failure), "READDIR of \(RemotePath(bytes: path)): it is no directory")
    }

    func close() async { directory.close() }

    private static func entry(_ name: SFTPName) -> RemoteEntry? {
        if name.filename == Array(".".utf8) || name.filename == Array("..".utf8) { return nil }
        guard let filename = RemoteName(bytes: name.filename) else { return .refused(name.filename) }
        var attributes = RemoteAttributes(name.attributes)
        if attributes.kind == .unknown, let kind = name.kind { attributes.kind = .init(kind) }
        return .entry(filename, attributes)
    }
}

extension RemoteAttributes {
    init(_ attributes: SFTPAttributes) {
        self.init(
            kind: attributes.kind.map { .init($0) } ?? .unknown,
            version: FileVersion(
                sizeBytes: attributes.sizeBytes,
                modified: attributes.times.map { UnixTime(seconds: Int64($0.modificationSeconds)) }))
    }
}

extension RemoteAttributes.Kind {
    init(_ kind: SFTPAttributes.Kind) {
        switch kind {
        case .file: self = .file
        case .directory: self = .directory
        case .symbolicLink: self = .symbolicLink
        case .special: self = .special
        }
    }
}

extension SFTPAttributes {
    /// Version 3 sets both times together; its times end in 2106.
    init(modified: UnixTime) {
        let seconds = UInt32(clamping: modified.seconds)
        self.init(times: Times(accessSeconds: seconds, modificationSeconds: seconds))
    }
}

extension RemoteFailure {
    /// What an SFTP error means to the transfer rules.
    init(_ error: SFTPError) {
        let reason: Reason
        switch error.reason {
        case .status(.noSuchFile): reason = .notFound
        case .status(.permissionDenied): reason = .denied
        case .status(.fileAlreadyExists): reason = .alreadyExists
        case .status(.operationUnsupported), .unsupported: reason = .unsupported
        case .status: reason = .failed
        case .invalidConfiguration: reason = .invalidSettings
        case .cancelled: reason = .cancelled
        case .connectionLost, .timeout, .protocolViolation, .unreachable, .hostKeyMismatch, .authenticationRejected:
            reason = .connectionLost
        }
        self.init(reason, error.message)
    }
}
