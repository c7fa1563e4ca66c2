/// Where an object goes on the partner's server (rule U1): SFTP_TARGET_DIR, and below it the key without what
/// SFTP_SOURCE_S3_REGEXP_STRIP cuts out, or what SFTP_TARGET_NAME makes of that.
///
/// Two keys never become one path by our doing: what a server would fold together (`a//b` and `a/b`, `./a` and `a`) is
/// refused for good, for else one object would replace the other at the partner, and both would be marked as delivered.
/// Only at the cut two slashes become one, and a slash in front is dropped: users of the JavaScript system cut
/// `my-path` out of `my-path/my-file`.
public struct TargetPath: Hashable, Sendable {
    /// What is at the path.
    public enum Kind: Hashable, Sendable {
        /// A file of this name.
        case file(RemoteName)
        /// A directory: the key ends in a slash, as that of the S3 console's folders.
        case directory
    }

    /// The whole path.
    public let path: RemotePath
    /// What is at the path.
    public let kind: Kind
    /// The directories to be made below SFTP_TARGET_DIR, the outermost first; a directory's own path is the last of
    /// them. SFTP_TARGET_DIR itself is not among them: one that is not there is a mistake in the setting, and to make it
    /// would hide the files from the partner.
    public let directories: [RemotePath]
    /// The directory that holds the file, and its temporary file.
    public let parent: RemotePath

    /// The longest name in bytes; nearly every file system has this limit.
    public static let maximumNameBytes = 255

    /// Works out the path.
    /// - Parameters:
    ///   - name: what files are called; nil for what is left of their keys. Directories keep their path.
    ///   - time: when the version of the object was stored, of which `name` may tell.
    /// - Throws: `TargetPathFailure` when the key can have none, now or ever.
    public init(
        of key: ObjectKey, below targetDirectory: RemotePath, strip: (any KeyStrip)? = nil, name: TargetName? = nil,
        storedAt time: UnixTime = UnixTime(seconds: 0)
    ) throws(TargetPathFailure) {
        let slash = UInt8(ascii: "/")
        var rest = Self.rest(of: key, strip)
        let isDirectory = key.text.utf8.last == slash
        // Nothing is left of a folder that was cut out whole: that is the target directory itself.
        let isTargetDirectory = rest.isEmpty
        if isDirectory {
            if rest.last == slash { rest.removeLast() }
        } else if rest.isEmpty || rest.last == slash {
            throw TargetPathFailure("SFTP_SOURCE_S3_REGEXP_STRIP leaves nothing of the key for a file name")
        } else if let name {
            // Beside other text, a name that leads elsewhere would not be seen any more.
            for segment in rest.split(separator: slash, omittingEmptySubsequences: false) {
                _ = try Self.name(segment)
            }
            rest = try name.path(of: rest, at: time)
        }
        var path = targetDirectory
        var directories: [RemotePath] = []
        var parent = targetDirectory
        var last: RemoteName?
        let segments = isTargetDirectory ? [] : rest.split(separator: slash, omittingEmptySubsequences: false)
        for segment in segments {
            let name = try Self.name(segment)
            parent = path
            path = path.appending(name)
            directories.append(path)
            last = name
        }
        if !isDirectory, let last {
            guard !TemporaryName.isOurs(last) else {
                throw TargetPathFailure("its name is one of those that are kept for temporary files")
            }
            kind = .file(last)
            directories.removeLast()
        } else {
            kind = .directory
        }
        self.path = path
        self.directories = directories
        self.parent = parent
    }

    /// Whether an object of this size can be put there.
    /// - Throws: `TargetPathFailure` for content under a key that makes a directory: it would be lost.
    public func check(sizeBytes: UInt64) throws(TargetPathFailure) {
        guard kind == .directory, sizeBytes > 0 else { return }
        throw TargetPathFailure("its key ends in a slash, which makes a directory, but it has \(sizeBytes) bytes")
    }

    private static func rest(of key: ObjectKey, _ strip: (any KeyStrip)?) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        guard let (before, after) = strip?.parts(of: key.text),
            before.utf8.count + after.utf8.count < key.text.utf8.count
        else { return Array(key.text.utf8) }
        let isAtNameStart = before.isEmpty || before.utf8.last == slash
        let joined = isAtNameStart && after.utf8.first == slash ? after.utf8.dropFirst() : after.utf8[...]
        return Array(before.utf8) + joined
    }

    private static func name(_ segment: ArraySlice<UInt8>) throws(TargetPathFailure) -> RemoteName {
        guard !segment.isEmpty else {
            throw TargetPathFailure(
                "its path has an empty name (a slash in front, or two in a row): servers take it for another path")
        }
        guard segment.count <= maximumNameBytes else {
            throw TargetPathFailure("its path has a name of \(segment.count) bytes, more than \(maximumNameBytes)")
        }
        guard let name = RemoteName(bytes: Array(segment)) else {
            throw TargetPathFailure("its path has the name . or .. or one with NUL: it could lead elsewhere")
        }
        return name
    }
}

/// Why an object can never be pushed as things are: trying again is in vain until its key or the settings change.
public struct TargetPathFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The reason, as the end of a sentence about the object.
    public let reason: String

    init(_ reason: String) { self.reason = reason }

    /// The reason.
    public var description: String { reason }
}

/// What cuts a piece out of object keys: SFTP_SOURCE_S3_REGEXP_STRIP.
public protocol KeyStrip: Sendable {
    /// What stands before and after the piece that is cut out; nil when the key stays whole.
    func parts(of key: String) -> (before: String, after: String)?
}
