import Testing
public import Transfers

/// What the port `RemoteDestination` promises, as checks that every implementation must pass: the one in memory and the
/// one over SFTP, against any server. What servers may do differently, the port says, and the checks allow it.
///
/// Each promise is checked in a directory of its own below `root`, which must be empty at the beginning.
public struct RemoteDestinationContract: Sendable {
    /// Every promise has a name, so that a test can take them as arguments.
    public enum Promise: String, CaseIterable, Sendable {
        case newFileHasEveryByte, fileGetsItsTime, takenNameIsAlreadyExists, missingDirectoryIsNotFound, namesAreBytes
        case overwrittenFileHasOnlyTheNewBytes, directoryIsNotOverwritten, truncatedFileHasChanged
        case replacingGivesTheNameAlone, replacingTakesTheOlderFilesPlace, replacingByNothingIsNotFound
        case replacingLeavesDirectoriesAlone, replacingIntoNoDirectoryLeavesTheFile
        case olderFileIsRemovedOnlyIfItMayBe, connectionLostAtTheRemovalIsTold
        case unfinishedFileIsGoneOnWith, unfinishedFileIsTakenOverOnce, shorterFileIsNotGoneOnWith
        case unfinishedFileIsClosedAndRemoved, closedFileTakesNothing, removeLeavesNothing, removeTakesNoDirectory
        case makeDirectoryMayFindIt, manyFilesAtOnce, cancelledTaskHarmsNobody, lostConnectionFailsEverything
    }

    let root: RemotePath
    let partner: RemoteFilesContract.Partner
    let connect: @Sendable () async throws -> any RemoteDestination
    let lose: @Sendable (any RemoteDestination) async throws -> Void
    let end: @Sendable (any RemoteDestination) async -> Void

    /// Sets the checks up.
    /// - Parameters:
    ///   - root: the directory below which everything happens, as both sides name it.
    ///   - connect: connects.
    ///   - lose: lets a connection break, as the network does.
    ///   - end: ends a connection in an orderly way.
    public init(
        root: RemotePath, partner: RemoteFilesContract.Partner,
        connect: @escaping @Sendable () async throws -> any RemoteDestination,
        lose: @escaping @Sendable (any RemoteDestination) async throws -> Void,
        end: @escaping @Sendable (any RemoteDestination) async -> Void = { _ in }
    ) {
        self.root = root
        self.partner = partner
        self.connect = connect
        self.lose = lose
        self.end = end
    }

    /// Checks one promise on a connection of its own.
    public func check(_ promise: Promise) async throws {
        let destination = try await connect()
        let place = root / promise.rawValue
        try await partner.makeDirectory(place)
        let check = RemoteDestinationCheck(partner: partner, lose: lose, destination: destination, place: place)
        do { try await check.run(promise) } catch {
            await end(destination)
            throw error
        }
        await end(destination)
    }
}

/// The checks, with the connection and the directory that one of them uses.
struct RemoteDestinationCheck: Sendable {
    let partner: RemoteFilesContract.Partner
    let lose: @Sendable (any RemoteDestination) async throws -> Void
    let destination: any RemoteDestination
    let place: RemotePath
    /// Far enough back that nothing made now has the same time.
    let time = UnixTime(seconds: 1_600_000_000)

    func run(_ promise: RemoteDestinationContract.Promise) async throws {
        switch promise {
        case .newFileHasEveryByte: try await newFileHasEveryByte()
        case .fileGetsItsTime: try await fileGetsItsTime()
        case .takenNameIsAlreadyExists: try await takenNameIsAlreadyExists()
        case .missingDirectoryIsNotFound: try await missingDirectoryIsNotFound()
        case .namesAreBytes: try await namesAreBytes()
        case .overwrittenFileHasOnlyTheNewBytes: try await overwrittenFileHasOnlyTheNewBytes()
        case .directoryIsNotOverwritten: try await directoryIsNotOverwritten()
        case .truncatedFileHasChanged: try await truncatedFileHasChanged()
        case .replacingGivesTheNameAlone: try await replacingGivesTheNameAlone()
        case .replacingTakesTheOlderFilesPlace: try await replacingTakesTheOlderFilesPlace()
        case .replacingByNothingIsNotFound: try await replacingByNothingIsNotFound()
        case .replacingLeavesDirectoriesAlone: try await replacingLeavesDirectoriesAlone()
        case .replacingIntoNoDirectoryLeavesTheFile: try await replacingIntoNoDirectoryLeavesTheFile()
        case .olderFileIsRemovedOnlyIfItMayBe: try await olderFileIsRemovedOnlyIfItMayBe()
        case .connectionLostAtTheRemovalIsTold: try await connectionLostAtTheRemovalIsTold()
        case .unfinishedFileIsGoneOnWith: try await unfinishedFileIsGoneOnWith()
        case .unfinishedFileIsTakenOverOnce: try await unfinishedFileIsTakenOverOnce()
        case .shorterFileIsNotGoneOnWith: try await shorterFileIsNotGoneOnWith()
        case .unfinishedFileIsClosedAndRemoved: try await unfinishedFileIsClosedAndRemoved()
        case .closedFileTakesNothing: try await closedFileTakesNothing()
        case .removeLeavesNothing: try await removeLeavesNothing()
        case .removeTakesNoDirectory: try await removeTakesNoDirectory()
        case .makeDirectoryMayFindIt: try await makeDirectoryMayFindIt()
        case .manyFilesAtOnce: try await manyFilesAtOnce()
        case .cancelledTaskHarmsNobody: try await cancelledTaskHarmsNobody()
        case .lostConnectionFailsEverything: try await lostConnectionFailsEverything()
        }
    }

    // MARK: Tools

    /// Writes a whole file in pieces of this size.
    func write(_ bytes: [UInt8], to path: RemotePath, pieceBytes: Int = 10_000) async throws {
        let writer = try await destination.createFile(path)
        try await fill(writer, bytes, pieceBytes: pieceBytes)
        try await writer.finish(modified: nil)
    }

    func fill(_ writer: any RemoteFileWriter, _ bytes: [UInt8], pieceBytes: Int) async throws {
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            try await writer.write(Array(bytes[start..<min(start + pieceBytes, bytes.count)]))
        }
    }

    func expectContent(
        _ path: RemotePath, _ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let found = try #require(try await partner.read(path), "\(path) is missing", sourceLocation: sourceLocation)
        #expect(isSame(found, bytes), "\(path): \(found.count) bytes", sourceLocation: sourceLocation)
    }

    func expectNothing(_ path: RemotePath, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(try await partner.modified(path) == nil, "\(path)", sourceLocation: sourceLocation)
    }
}

extension RemoteDestination {
    /// `replaceFile`, with leave to remove the older file.
    public func replaceFile(
        _ target: RemotePath, with path: RemotePath
    ) async throws(RemoteFailure) -> Replacement {
        try await replaceFile(target, with: path) { true }
    }
}
