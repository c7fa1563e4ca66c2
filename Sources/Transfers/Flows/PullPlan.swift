/// What a run of pull is asked to do.
public struct PullPlan: Sendable {
    /// SFTP_SOURCE_DIR: the tree that is pulled.
    public var sourceDirectory: RemotePath
    /// SFTP_TARGET_S3_PREFIX.
    public var keys: KeyMapping
    /// Which files are taken now.
    public var selection: Selection
    /// What becomes of a file on the server once it is stored.
    public var afterPull = AfterPull.done
    /// SFTP_DONE_DIR: the directory, one in each directory of the tree, that holds what was pulled from there.
    public var doneName = RemoteName.done
    /// How long a file stays in the done directory, in days counted from its transfer; 0 keeps it for ever. Counts for
    /// `AfterPull.done` alone.
    public var retentionDays: Int64
    /// A file is taken only when it is the same so many seconds after it was listed; 0 takes it without a second look.
    public var steadySeconds: Int64 = 0
    /// The `synced-from` of every object: host:port:user (rule P8).
    public var origin: String
    /// The bytes that may be in flight at once, see `ByteBudget`.
    public var budgetBytes: Int
    /// When no new file may begin, on `Clock.uptimeSeconds`; nil without a deadline. Whoever runs the flow cancels it
    /// then; what is cut off is counted, and the summary still comes.
    public var deadlineUptimeSeconds: Double?
    /// SHA-256 in lower-case hexadecimal: names the checkpoints of large files.
    public var sha256: @Sendable ([UInt8]) -> String
    /// How many files are in flight at once: opened, read and stored, or on their way to the done directory. Each needs
    /// three round trips: 768 of them move 3,200 files a second at 80 ms.
    public var maximumFilesInFlight = 768
    /// How many of them are read and stored at once: only these hold content, and can be half done at the deadline. What is
    /// open has its bytes reserved already.
    public var maximumFilesBeingStored = 384
    /// How many bytes a second come from the server at the most; nil for whatever the line carries.
    public var maximumBytesPerSecond: Int?
    /// How many directories are listed at once.
    public var maximumDirectoriesInFlight = 16
    /// How many files may wait while no file can be opened before a listing has ended: up to 12 MB of names.
    public var maximumHeldFiles = 32_768
    /// How many bytes the directories may take that wait to be listed.
    public var maximumWaitingDirectoryBytes = 8 * 1024 * 1024
    /// How many bytes the directories may take whose `.done` waits for the purge.
    public var maximumDoneDirectoryBytes = 8 * 1024 * 1024

    /// Makes a plan.
    public init(
        sourceDirectory: RemotePath, keys: KeyMapping, selection: Selection, retentionDays: Int64, origin: String,
        budgetBytes: Int, deadlineUptimeSeconds: Double? = nil, sha256: @escaping @Sendable ([UInt8]) -> String
    ) {
        self.sourceDirectory = sourceDirectory
        self.keys = keys
        self.selection = selection
        self.retentionDays = retentionDays
        self.origin = origin
        self.budgetBytes = budgetBytes
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.sha256 = sha256
    }

    /// The share of the server's handles that listings may have: one in so many.
    private static let listingShare = 4

    /// How many directories are open at once on a server with so many handles; nil while nothing is known of it.
    func maximumOpenDirectories(handles: Int?) -> Int {
        guard let handles else { return maximumDirectoriesInFlight }
        return min(maximumDirectoriesInFlight, max(1, handles / Self.listingShare))
    }

    /// How many listings that make room in `DirectoryStack` are open one inside the other.
    private static let maximumInlineDepth = 4
    /// The share of the server's handles that those listings may have: one in so many, and at least one.
    private static let inlineShare = 16

    /// How many directories are open at once besides, to make room for those that wait.
    func maximumInlineDepth(handles: Int?) -> Int {
        guard let handles else { return Self.maximumInlineDepth }
        // One handle is for the listing that makes room, and one for files.
        guard handles > 2 else { return 0 }
        return min(Self.maximumInlineDepth, max(1, handles / Self.inlineShare))
    }

    /// After how many seconds a file is removed from the done directory; nil when it is not.
    var retentionSeconds: Int64? {
        switch afterPull {
        case .done: retentionDays > 0 ? retentionDays * Self.secondsPerDay : nil
        case .delete: AfterPull.deletionDelaySeconds
        case .keep: nil
        }
    }

    private static let secondsPerDay: Int64 = 86_400

    /// Whether a file of that name is taken sooner or later, whatever its age.
    func takes(_ name: RemoteName, of directory: SourceDirectory) -> Bool {
        guard directory.path.appending(name).bytes.count <= Self.maximumPathBytes else { return false }
        let path = directory.relativePath(of: name)
        // Why it can have no key is of no interest.
        guard (try? keys.key(forRelative: path)) != nil else { return false }
        var atAnyAge = selection
        atAnyAge.minimumAgeSeconds = 0
        let version = FileVersion(sizeBytes: nil, modified: nil)
        return atAnyAge.exception(forRelative: path, version: version, now: UnixTime(seconds: 0)) == nil
    }

    /// How deep below the source directory directories are entered: real trees are not deeper, and a server that
    /// makes up ever deeper ones is not followed for ever.
    public static let maximumDepth = 64
    /// The longest path that is followed, in bytes; Linux has the same limit.
    public static let maximumPathBytes = 4096
    /// How many listed files may wait for a worker: the listing runs ahead by no more, see also `maximumHeldFiles`.
    public static let maximumWaitingFiles = 1024
}
