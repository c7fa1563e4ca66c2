import Logging
import SFTP
import Synchronization
import Transfers

/// What a server turned out not to do (rule U9). All of it can be done without.
enum SFTPQuirk: CaseIterable {
    case exclusiveOpen, posixRename, replacingRename, removing, renaming
    case settingTimes, settingPermissions, attributesOfOpenFiles, attributesOfPaths, syncing

    /// What it means for the files, for the log.
    var meaning: Logger.Message {
        switch self {
        case .exclusiveOpen:
            "the server cannot create files exclusively; whether a temporary name is free is looked up before"
        case .posixRename:
            "the server refuses posix-rename; files are put in place by RENAME"
        case .replacingRename:
            "the server's RENAME does not replace; an older file is removed just before, so for a moment there is none"
        case .removing:
            "the server neither replaces an older file by RENAME nor lets it be removed"
        case .renaming:
            "the server does not rename; files can only be written under their own names (SFTP_ALLOW_IN_PLACE)"
        case .settingTimes:
            "the server does not set modification times; files have the time at which they were written"
        case .settingPermissions:
            "the server does not set permissions; files and directories have those that it gives them"
        case .attributesOfOpenFiles:
            "the server does not tell the size of an open file for sure; it is looked up by path after the file is closed"
        case .attributesOfPaths:
            "the server does not tell the size of a file; it is not verified beyond the answers to every write"
        case .syncing:
            "the server does not write files through to its disk on demand; that is left to it"
        }
    }
}

/// The quirks of the server at the other end of a connection. Each is named in the log when it is found.
final class SFTPQuirks: Sendable {
    private let found = Mutex<Set<SFTPQuirk>>([])
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// Whether it was found on this connection.
    func contains(_ quirk: SFTPQuirk) -> Bool { found.withLock { $0.contains(quirk) } }

    /// Remembers it.
    /// - Parameter answer: what the server said.
    func note(_ quirk: SFTPQuirk, because answer: String) {
        guard found.withLock({ $0.insert(quirk).inserted }) else { return }
        logger.notice(quirk.meaning, metadata: ["answer": .string(answer)])
    }
}
