/// One request each. All throw as `SFTPClient` says; errors name the operation, the path and the server's answer.
extension SFTPClient {
    /// The absolute form of a path; of an empty one, the login directory.
    public func realpath(_ path: [UInt8]) async throws(SFTPError) -> [UInt8] {
        try await start(.realpath(path)).names(0).first?.filename ?? []
    }

    /// What is at the path, links followed.
    public func stat(_ path: [UInt8]) async throws(SFTPError) -> SFTPAttributes {
        try await start(.stat(path)).attributes(0)
    }

    /// What is at the path, a link not followed.
    public func lstat(_ path: [UInt8]) async throws(SFTPError) -> SFTPAttributes {
        try await start(.lstat(path)).attributes(0)
    }

    /// What is open.
    public func fstat(_ handle: SFTPHandle) async throws(SFTPError) -> SFTPAttributes {
        try await start(.fstat(handle)).attributes(0)
    }

    /// Sets the attributes that are not nil; links are followed.
    public func setstat(_ path: [UInt8], _ attributes: SFTPAttributes) async throws(SFTPError) {
        _ = try await start(.setstat(path, attributes)).reply(0)
    }

    /// Sets the attributes that are not nil.
    public func fsetstat(_ handle: SFTPHandle, _ attributes: SFTPAttributes) async throws(SFTPError) {
        _ = try await start(.fsetstat(handle, attributes)).reply(0)
    }

    /// Opens a file. The attributes are those of a file that is created by it. A handle that comes after the task was
    /// cancelled is closed.
    public func open(
        _ path: [UInt8], _ flags: SFTPOpenFlags, _ attributes: SFTPAttributes = SFTPAttributes()
    ) async throws(SFTPError) -> SFTPHandle {
        try await start(.open(path, flags, attributes)).handle(0)
    }

    /// Closes a file or directory. It is sent even when the task is cancelled, and the handle is gone even when the
    /// server answers with an error.
    public func close(_ handle: SFTPHandle) async throws(SFTPError) {
        _ = try await submit([.close(handle)]).reply(0)
    }

    /// Closes a file or directory without waiting for the answer.
    public func closeWithoutWaiting(_ handle: SFTPHandle) { _ = submit([.close(handle)]) }

    /// Opens a directory for single READDIRs; `openDirectory` lists one faster.
    public func opendir(_ path: [UInt8]) async throws(SFTPError) -> SFTPHandle {
        try await start(.opendir(path)).handle(0)
    }

    /// The next entries of a directory; nil at its end.
    public func readdir(_ handle: SFTPHandle) async throws(SFTPError) -> [SFTPName]? {
        do {
            return try await start(.readdir(handle)).names(0)
        } catch  where error.reason == .status(.endOfFile) {
            return nil
        }
    }

    /// Removes a file or a link.
    public func remove(_ path: [UInt8]) async throws(SFTPError) {
        _ = try await start(.remove(path)).reply(0)
    }

    /// Makes a directory. One that exists already is refused, by most servers with `.failure`.
    public func mkdir(
        _ path: [UInt8], _ attributes: SFTPAttributes = SFTPAttributes()
    ) async throws(SFTPError) {
        _ = try await start(.mkdir(path, attributes)).reply(0)
    }

    /// Removes an empty directory.
    public func rmdir(_ path: [UInt8]) async throws(SFTPError) {
        _ = try await start(.rmdir(path)).reply(0)
    }

    /// Renames. Most servers refuse when something is at the target, with `.failure`; a few replace it.
    public func rename(_ path: [UInt8], to target: [UInt8]) async throws(SFTPError) {
        _ = try await start(.rename(path, to: target)).reply(0)
    }

    /// Renames and replaces a file at the target in one step.
    /// - Throws: `.unsupported` when the server does not offer `posix-rename@openssh.com`.
    public func posixRename(_ path: [UInt8], to target: [UInt8]) async throws(SFTPError) {
        try require(.posixRename)
        _ = try await start(.posixRename(path, to: target)).reply(0)
    }

    /// Writes a file through to the server's disk.
    /// - Throws: `.unsupported` when the server does not offer `fsync@openssh.com`.
    public func fsync(_ handle: SFTPHandle) async throws(SFTPError) {
        try require(.fsync)
        _ = try await start(.fsync(handle)).reply(0)
    }

    /// Asks for the server's limits. They are asked for at the start already: see `knownLimits`.
    /// - Throws: `.unsupported` when the server does not offer `limits@openssh.com`.
    public func limits() async throws(SFTPError) -> SFTPLimits {
        try require(.limits)
        guard case .limits(let limits) = try await start(.limits).reply(0) else { return knownLimits }
        return limits
    }

    /// Where a link leads.
    public func readlink(_ path: [UInt8]) async throws(SFTPError) -> [UInt8] {
        try await start(.readlink(path)).names(0).first?.filename ?? []
    }

    /// Makes a link at `path` that leads to `target`.
    public func symlink(_ path: [UInt8], target: [UInt8]) async throws(SFTPError) {
        _ = try await start(.symlink(path, target: target)).reply(0)
    }

    /// Submits a request, unless the task is cancelled: then nothing is sent.
    func start(_ request: SFTPRequest) throws(SFTPError) -> SFTPFlight {
        try Self.checkCancellation(request)
        return submit([request])
    }

    /// - Throws: `.cancelled` when the task is cancelled.
    static func checkCancellation(_ request: @autoclosure () -> SFTPRequest) throws(SFTPError) {
        guard Task.isCancelled else { return }
        throw SFTPError(.operation, .cancelled, "\(request()): cancelled before it was sent")
    }

    private func require(_ name: SFTPExtension) throws(SFTPError) {
        guard !supports(name) else { return }
        throw SFTPError(.operation, .unsupported, "the server does not offer \(name.rawValue)")
    }
}
