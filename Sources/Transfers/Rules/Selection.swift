/// Which files of the tree are taken now (rules P3 and P6, SFTP_INCLUDE and SFTP_EXCLUDE).
public struct Selection: Sendable {
    /// When not empty, only files that match one of them are taken.
    public var include: [Glob]
    /// Files that match one of them are left, and directories that match one are not entered.
    public var exclude: [Glob]
    /// A younger file may still be written: it waits.
    public var minimumAgeSeconds: Int64
    /// When not nil, a file is taken only once its marker is there, and markers are not taken.
    public var readyMarker: ReadyMarker?

    /// Makes a selection.
    public init(
        include: [Glob] = [], exclude: [Glob] = [], minimumAgeSeconds: Int64 = 0, readyMarker: ReadyMarker? = nil
    ) {
        self.readyMarker = readyMarker
        self.include = include
        self.exclude = exclude
        self.minimumAgeSeconds = minimumAgeSeconds
    }

    /// Why a file is not taken now.
    public enum Exception: String, Hashable, Sendable, CaseIterable {
        /// SFTP_INCLUDE or SFTP_EXCLUDE leaves it out.
        case excluded
        /// It is younger than the minimum age, or its time lies in the future.
        case young
        /// A minimum age is asked for and the server does not say how old it is.
        case ageUnknown
        /// It is the marker of another file (`ReadyMarker`).
        case marker
        /// A marker is asked for, and there is none, or one that is older than the file.
        case unmarked
        /// It changed between two looks: it is being written.
        case growing
        /// It stays on the server, and was pulled before (`AfterPull.keep`).
        case pulledBefore
        /// A symbolic link.
        case symbolicLink
        /// A device, pipe or socket.
        case special
        /// The server does not say what it is, even when asked.
        case kindUnknown
        /// Its name holds `/` or NUL, is empty, or longer than names can be (`RemoteName`).
        case unsafeName
        /// A file has the name of the done directory, or a directory is named `.sftp-lambda` (`RemoteName.ours`) or,
        /// where SFTP_DONE_DIR gives the done directory another name, `.done`.
        case reservedName
        /// It is being written by push (`TemporaryName`), or was when that died.
        case temporary

        /// Whether a later run takes the file: it becomes old enough, or complete.
        public var isForNow: Bool {
            switch self {
            case .young, .unmarked, .growing: true
            case .excluded, .ageUnknown, .marker, .pulledBefore, .symbolicLink, .special, .kindUnknown, .unsafeName,
                .reservedName, .temporary:
                false
            }
        }
    }

    /// Nil when the file is to be taken.
    public func exception(forRelative path: [UInt8], version: FileVersion, now: UnixTime) -> Exception? {
        let nameStart = (path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
        if TemporaryName.isOurs(path[nameStart...]) { return .temporary }
        if readyMarker?.isMarker(path[nameStart...]) == true { return .marker }
        if exclude.contains(where: { $0.matches(path) }) { return .excluded }
        if !include.isEmpty && !include.contains(where: { $0.matches(path) }) { return .excluded }
        return ageException(of: version, now: now)
    }

    /// Nil when the file is old enough to be taken.
    public func ageException(of version: FileVersion, now: UnixTime) -> Exception? {
        guard minimumAgeSeconds > 0 else { return nil }
        guard let modified = version.modified else { return .ageUnknown }
        return modified + minimumAgeSeconds > now ? .young : nil
    }

    /// Whether a directory is entered.
    public func entersDirectory(relative path: [UInt8]) -> Bool {
        !exclude.contains { $0.matches(path) }
    }
}
