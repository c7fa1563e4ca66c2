import Glibc
public import Testing
public import Transfers

/// What the port `RemoteFiles` promises, as checks that every implementation must pass: the one in memory and the one
/// over SFTP, against any server. What servers may do differently, the port says, and the checks allow it.
///
/// Each promise is checked in a directory of its own below `root`, which must be empty at the beginning.
public struct RemoteFilesContract: Sendable {
    /// Every promise has a name, so that a test can take them as arguments.
    public enum Promise: String, CaseIterable, Sendable {
        case listingGivesEveryEntryOnce, listingMayBeClosedEarly, listingOfNothingIsNotFound, namesAreBytes
        case attributesTellWhatIsThere, nothingThereIsNilAndNoError, openingNothingIsNotFound
        case readGivesTheBytesAsked, readsMayRunAtTheSameTime, emptyFileIsVerified
        case shorterFileHasChanged, longerFileHasChanged, versionIsThatOfTheOpenFile, versionCountsFromTheFirstRead
        case unknownVersionIsNotCompared
        case changeBeforeTheEndOfTheReadIsSeen, replacedFileIsNeverMixed
        case moveTakesTheFileAlong, moveReplacesTheTarget, moveSeesWhatReallyArrived, moveOfNothingIsNotFound
        case refusedMoveLeavesTheTargetAlone, failedMoveLeavesTheFile, closeIsHarmlessAfterClose
        case carefulMoveNeverReplaces, timeIsSet, removeLeavesNothing, removeTakesNoDirectory
        case makeDirectoryMayFindIt, manyOperationsAtOnce, cancelledTaskHarmsNobody, lostConnectionFailsEverything
    }

    /// What the partner does and sees on the server itself, past the implementation that is checked.
    public struct Partner: Sendable {
        /// Puts a new file in place by renaming, with this modification time.
        public var put: @Sendable (RemotePath, [UInt8], UnixTime) async throws -> Void
        /// Writes a whole content into the file that is there.
        public var overwrite: @Sendable (RemotePath, [UInt8], UnixTime) async throws -> Void
        /// The content of the file, nil when there is none.
        public var read: @Sendable (RemotePath) async throws -> [UInt8]?
        /// The modification time of what is there, nil when there is nothing.
        public var modified: @Sendable (RemotePath) async throws -> UnixTime?
        /// Removes a file.
        public var remove: @Sendable (RemotePath) async throws -> Void
        /// Makes a directory in one that is there.
        public var makeDirectory: @Sendable (RemotePath) async throws -> Void
        /// Makes a symbolic link at the first path to the second.
        public var makeLink: @Sendable (RemotePath, RemotePath) async throws -> Void

        /// Makes a partner.
        public init(
            put: @escaping @Sendable (RemotePath, [UInt8], UnixTime) async throws -> Void,
            overwrite: @escaping @Sendable (RemotePath, [UInt8], UnixTime) async throws -> Void,
            read: @escaping @Sendable (RemotePath) async throws -> [UInt8]?,
            modified: @escaping @Sendable (RemotePath) async throws -> UnixTime?,
            remove: @escaping @Sendable (RemotePath) async throws -> Void,
            makeDirectory: @escaping @Sendable (RemotePath) async throws -> Void,
            makeLink: @escaping @Sendable (RemotePath, RemotePath) async throws -> Void
        ) {
            self.put = put
            self.overwrite = overwrite
            self.read = read
            self.modified = modified
            self.remove = remove
            self.makeDirectory = makeDirectory
            self.makeLink = makeLink
        }
    }

    let root: RemotePath
    let partner: Partner
    let makeFiles: @Sendable () async throws -> any RemoteFiles
    let lose: @Sendable (any RemoteFiles) async throws -> Void
    let end: @Sendable (any RemoteFiles) async -> Void

    /// Sets the checks up.
    /// - Parameters:
    ///   - root: the directory below which everything happens, as both sides name it.
    ///   - makeFiles: connects.
    ///   - lose: lets a connection break, as the network does.
    ///   - end: ends a connection in an orderly way.
    public init(
        root: RemotePath, partner: Partner, makeFiles: @escaping @Sendable () async throws -> any RemoteFiles,
        lose: @escaping @Sendable (any RemoteFiles) async throws -> Void,
        end: @escaping @Sendable (any RemoteFiles) async -> Void = { _ in }
    ) {
        self.root = root
        self.partner = partner
        self.makeFiles = makeFiles
        self.lose = lose
        self.end = end
    }

    /// Checks one promise on a connection of its own.
    public func check(_ promise: Promise) async throws {
        let files = try await makeFiles()
        let place = root / promise.rawValue
        try await partner.makeDirectory(place)
        do { try await RemoteFilesCheck(contract: self, files: files, place: place).run(promise) } catch {
            await end(files)
            throw error
        }
        await end(files)
    }
}

/// The checks, with the connection and the directory that one of them uses.
struct RemoteFilesCheck: Sendable {
    let partner: RemoteFilesContract.Partner
    let lose: @Sendable (any RemoteFiles) async throws -> Void
    let files: any RemoteFiles
    let place: RemotePath
    /// The age of what the checks put: far enough back that nothing made now has the same time.
    let time = UnixTime(seconds: 1_600_000_000)
    static let anything = FileVersion(sizeBytes: nil, modified: nil)

    init(contract: RemoteFilesContract, files: any RemoteFiles, place: RemotePath) {
        partner = contract.partner
        lose = contract.lose
        self.files = files
        self.place = place
    }

    func run(_ promise: RemoteFilesContract.Promise) async throws {
        switch promise {
        case .listingGivesEveryEntryOnce: try await listingGivesEveryEntryOnce()
        case .listingMayBeClosedEarly: try await listingMayBeClosedEarly()
        case .listingOfNothingIsNotFound: try await listingOfNothingIsNotFound()
        case .namesAreBytes: try await namesAreBytes()
        case .attributesTellWhatIsThere: try await attributesTellWhatIsThere()
        case .nothingThereIsNilAndNoError: try await nothingThereIsNilAndNoError()
        case .openingNothingIsNotFound: try await openingNothingIsNotFound()
        case .readGivesTheBytesAsked: try await readGivesTheBytesAsked()
        case .readsMayRunAtTheSameTime: try await readsMayRunAtTheSameTime()
        case .emptyFileIsVerified: try await emptyFileIsVerified()
        case .shorterFileHasChanged: try await shorterFileHasChanged()
        case .longerFileHasChanged: try await longerFileHasChanged()
        case .versionIsThatOfTheOpenFile: try await versionIsThatOfTheOpenFile()
        case .versionCountsFromTheFirstRead: try await versionCountsFromTheFirstRead()
        case .unknownVersionIsNotCompared: try await unknownVersionIsNotCompared()
        case .changeBeforeTheEndOfTheReadIsSeen: try await changeBeforeTheEndOfTheReadIsSeen()
        case .replacedFileIsNeverMixed: try await replacedFileIsNeverMixed()
        case .moveTakesTheFileAlong: try await moveTakesTheFileAlong()
        case .moveReplacesTheTarget: try await moveReplacesTheTarget()
        case .moveSeesWhatReallyArrived: try await moveSeesWhatReallyArrived()
        case .moveOfNothingIsNotFound: try await moveOfNothingIsNotFound()
        case .refusedMoveLeavesTheTargetAlone: try await refusedMoveLeavesTheTargetAlone()
        case .failedMoveLeavesTheFile: try await failedMoveLeavesTheFile()
        case .closeIsHarmlessAfterClose: try await closeIsHarmlessAfterClose()
        case .carefulMoveNeverReplaces: try await carefulMoveNeverReplaces()
        case .timeIsSet: try await timeIsSet()
        case .removeLeavesNothing: try await removeLeavesNothing()
        case .removeTakesNoDirectory: try await removeTakesNoDirectory()
        case .makeDirectoryMayFindIt: try await makeDirectoryMayFindIt()
        case .manyOperationsAtOnce: try await manyOperationsAtOnce()
        case .cancelledTaskHarmsNobody: try await cancelledTaskHarmsNobody()
        case .lostConnectionFailsEverything: try await lostConnectionFailsEverything()
        }
    }

    // MARK: Tools

    /// Puts a file with a content that tells its positions apart, and says what a listing would say of it.
    func put(_ path: RemotePath, countBytes: Int, salt: UInt8 = 0) async throws -> ([UInt8], FileVersion) {
        let bytes = sampleBytes(countBytes, salt: salt)
        try await partner.put(path, bytes, time)
        return (bytes, FileVersion(sizeBytes: UInt64(countBytes), modified: time))
    }

    /// Lists a directory to its end.
    func list(_ path: RemotePath) async throws -> [RemoteEntry] {
        let listing = try await files.openDirectory(path)
        var entries: [RemoteEntry] = []
        do {
            while let batch = try await listing.next() { entries += batch }
        } catch {
            await listing.close()
            throw error
        }
        await listing.close()
        return entries
    }

    /// Opens a file, hands it over and closes it.
    func withFile<Result>(
        _ path: RemotePath, expected: FileVersion = anything, _ body: (any RemoteFileReader) async throws -> Result
    ) async throws -> Result {
        let reader = try await files.openFile(path, expected: expected)
        do {
            let result = try await body(reader)
            await reader.close()
            return result
        } catch {
            await reader.close()
            throw error
        }
    }

    /// Runs what must fail, and checks why it says it did.
    func expectFailure(
        _ reasons: RemoteFailure.Reason..., sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () async throws -> Void
    ) async {
        await expectRemoteFailure(reasons, sourceLocation: sourceLocation, body)
    }
}

/// Runs what must fail, and checks why it says it did.
public func expectRemoteFailure(
    _ reasons: RemoteFailure.Reason..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async {
    await expectRemoteFailure(reasons, sourceLocation: sourceLocation, body)
}

private func expectRemoteFailure(
    _ reasons: [RemoteFailure.Reason], sourceLocation: SourceLocation, _ body: () async throws -> Void
) async {
    do {
        try await body()
        Issue.record("it did not fail", sourceLocation: sourceLocation)
    } catch let failure as RemoteFailure {
        let isExpected = reasons.isEmpty || reasons.contains(failure.reason)
        #expect(isExpected, "failed with \(failure.reason): \(failure)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("not a RemoteFailure: \(error)", sourceLocation: sourceLocation)
    }
}

/// Bytes that differ from place to place and with the salt, so that no mix-up of ranges or files goes unseen.
public func sampleBytes(_ count: Int, salt: UInt8 = 0) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
        var state = UInt32(salt) &* 2_654_435_761 &+ 12345
        var at = 0
        while at < count {
            state = state &* 1_664_525 &+ 1_013_904_223
            buffer[at] = UInt8(truncatingIfNeeded: state >> 24)
            at += 1
        }
        initializedCount = count
    }
}

/// Whether the bytes are the same. (`==` takes ten nanoseconds a byte in a debug build.)
public func isSame(_ first: [UInt8], _ second: [UInt8]) -> Bool {
    guard first.count == second.count else { return false }
    return first.withUnsafeBytes { first in
        second.withUnsafeBytes { second in
            guard let start = first.baseAddress, let other = second.baseAddress else { return true }
            return memcmp(start, other, first.count) == 0
        }
    }
}

/// The pieces as one. (`Array(pieces.joined())` takes half a microsecond a byte in a debug build.)
public func joinedBytes(_ pieces: [[UInt8]]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(pieces.reduce(0) { $0 + $1.count })
    for piece in pieces { bytes += piece }
    return bytes
}

extension RemotePath {
    /// The path of a name inside this directory.
    public static func / (directory: RemotePath, name: String) -> RemotePath {
        RemotePath(bytes: directory.bytes + [UInt8(ascii: "/")] + Array(name.utf8))
    }
}
