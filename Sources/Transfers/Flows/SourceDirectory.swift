import Synchronization

/// A directory of the tree while it is pulled: where it is, and its `.done`, which is made when first needed.
final class SourceDirectory: Sendable {
    let path: RemotePath
    let depth: Int
    private let doneName: RemoteName
    /// Where in the path that part begins which lies below the source directory.
    private let relativeStart: Int

    /// What one costs besides the bytes of its path: the object, the array's head, its places in a growing stack.
    private static let overheadBytes = 160

    private enum Making {
        case notBegun
        case underWay([CheckedContinuation<Result<Void, RemoteFailure>, Never>])
        case over(Result<Void, RemoteFailure>)
    }

    private let making = Mutex(Making.notBegun)

    /// The source directory itself.
    /// - Parameter doneName: what holds in each directory what was pulled from there.
    init(source path: RemotePath, doneName: RemoteName) {
        self.path = path
        self.doneName = doneName
        depth = 0
        relativeStart = path.appending(doneName).bytes.count - doneName.bytes.count
    }

    private init(below directory: SourceDirectory, _ name: RemoteName) {
        path = directory.path.appending(name)
        doneName = directory.doneName
        depth = directory.depth + 1
        relativeStart = directory.relativeStart
    }

    /// The path below the source directory: empty for that one itself.
    var relative: ArraySlice<UInt8> { path.bytes.dropFirst(relativeStart) }

    /// Its `.done`. There can be very many directories: this is made when it is needed.
    var done: RemotePath { path.appending(doneName) }

    /// About how many bytes of memory it takes.
    var costBytes: Int { path.bytes.count + Self.overheadBytes }

    func relativePath(of name: RemoteName) -> [UInt8] {
        relative.isEmpty ? name.bytes : relative + [UInt8(ascii: "/")] + name.bytes
    }

    func subdirectory(_ name: RemoteName) -> SourceDirectory {
        SourceDirectory(below: self, name)
    }

    /// The listing has shown that `.done` is there.
    func doneExists() {
        making.withLock { if case .notBegun = $0 { $0 = .over(.success(())) } }
    }

    /// Makes `.done` unless that was done: the first caller sends the request, the others wait for its answer.
    func makeDone(on files: any RemoteFiles) async throws(RemoteFailure) {
        let isFirst = making.withLock { making in
            guard case .notBegun = making else { return false }
            making = .underWay([])
            return true
        }
        try await (isFirst ? sendMake(on: files) : answerToMake()).get()
    }

    private func sendMake(on files: any RemoteFiles) async -> Result<Void, RemoteFailure> {
        let result: Result<Void, RemoteFailure>
        do {
            try await files.makeDirectory(done)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        let waiting = making.withLock { making in
            defer { making = .over(result) }
            if case .underWay(let waiting) = making { return waiting }
            return []
        }
        for continuation in waiting { continuation.resume(returning: result) }
        return result
    }

    private func answerToMake() async -> Result<Void, RemoteFailure> {
        await withCheckedContinuation { continuation in
            let known: Result<Void, RemoteFailure>? = making.withLock { making in
                switch making {
                case .over(let result): return result
                case .underWay(let waiting): making = .underWay(waiting + [continuation])
                case .notBegun: preconditionFailure("whoever is not the first comes after the first")
                }
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }
}
