/// What a push works with: everything that the settings and the login decide, and the randomness of its names.
public struct PushPlan: Sendable {
    /// The server and login, host:port:user, as marks have it (rule P8).
    public var origin: String
    /// The directory below which everything goes.
    public var targetDirectory: RemotePath
    /// What is cut out of the keys.
    public var strip: (any KeyStrip)?
    /// What files are called; nil for what is left of their keys.
    public var targetName: TargetName?
    /// Whether a file may be written under its final name when there is no other way (rule U9).
    public var allowsInPlace: Bool
    /// The bytes that may be in flight at once (decision 4).
    public var budgetBytes: Int
    /// How many objects are pushed at once, from 1 on.
    public var maximumObjectsInFlight = PushPlan.mostObjectsInFlight
    /// How long one object may take; nil for as long as the invocation allows.
    public var objectTimeoutSeconds: Double?
    /// SHA-256 in lower-case hexadecimal.
    public var sha256: @Sendable ([UInt8]) -> String
    /// 64 random bits, others at each call.
    public var randomBits: @Sendable () -> UInt64

    /// Makes a plan.
    public init(
        origin: String, targetDirectory: RemotePath, strip: (any KeyStrip)? = nil, allowsInPlace: Bool = false,
        budgetBytes: Int, objectTimeoutSeconds: Double? = nil, sha256: @escaping @Sendable ([UInt8]) -> String,
        randomBits: @escaping @Sendable () -> UInt64 = { UInt64.random(in: 0 ... .max) }
    ) {
        self.origin = origin
        self.targetDirectory = targetDirectory
        self.strip = strip
        self.allowsInPlace = allowsInPlace
        self.budgetBytes = budgetBytes
        self.objectTimeoutSeconds = objectTimeoutSeconds
        self.sha256 = sha256
        self.randomBits = randomBits
    }

    /// `maximumObjectsInFlight`, and never none.
    var objectsAtOnce: Int { max(1, maximumObjectsInFlight) }

    /// How many objects are pushed at once: enough to fill the line with small ones.
    public static let mostObjectsInFlight = 16
    /// What one object holds at the most, between the store and the server.
    static let maximumObjectBytes = 4 * 1024 * 1024

    /// Whether where an object goes depends on when it was stored.
    var targetTellsTime: Bool { targetName?.usesTime == true }

    /// Where the object of that key goes, as it is now.
    /// - Throws: `.refused` when it can never go anywhere (rule U1).
    func target(for key: ObjectKey, _ summary: ObjectSummary) throws(PushFailure) -> PushTarget {
        try target(for: key, storedAt: SyncMark.contentTime(of: summary))
    }

    /// Whether objects of that key can go anywhere, whatever their time.
    /// - Throws: `.refused` when they cannot.
    func check(_ key: ObjectKey) throws(PushFailure) { _ = try target(for: key, storedAt: Self.anyTime) }

    /// Where an object that was stored at that time goes.
    /// - Throws: `.refused` when it can never go anywhere (rule U1).
    func target(for key: ObjectKey, storedAt time: UnixTime) throws(PushFailure) -> PushTarget {
        do throws(TargetPathFailure) {
            let path = try TargetPath(
                of: key, below: targetDirectory, strip: strip, name: targetName, storedAt: time)
            let identity = Destination.identity(origin: origin, path: path.path)
            return PushTarget(
                path: path, destination: Destination(origin: origin, sha256: sha256(identity)), contentTime: time,
                tellsTime: targetTellsTime)
        } catch {
            throw PushFailure(.refused, "\(key): \(error.reason)")
        }
    }

    /// Where the path does not tell the time, and where only its form counts.
    static let anyTime = UnixTime(seconds: 0)

    /// What the request says of files that were begun, the one that has come furthest first, each with where it was to
    /// go; nothing when it means other places than those of this plan.
    func begun(of request: PushRequest) -> [BegunFile] {
        var names: Set<RemoteName> = []
        return request.events.reversed().compactMap(\.partial)
            .sorted { $0.position.offsetBytes > $1.position.offsetBytes }
            .compactMap { file in
                // What can never go anywhere has left nothing.
                guard targetTellsTime == (file.contentTime != nil),
                    let target = try? target(for: request.key, storedAt: file.contentTime ?? Self.anyTime),
                    case .file(let name) = target.path.kind, file.destinationSHA256 == target.destination.sha256,
                    TemporaryName.isOurs(file.name, for: name)
                else { return nil }
                return BegunFile(file: file, target: target)
            }
            .filter { names.insert($0.file.name).inserted }
    }
}

/// A temporary file that an earlier push has left, and where it was to go.
struct BegunFile: Sendable {
    let file: PartialFile
    let target: PushTarget

    /// Where it is.
    var path: RemotePath { target.path(of: file) }
}

/// Where one object goes, and what its mark says of that.
struct PushTarget: Sendable {
    let path: TargetPath
    let destination: Destination
    /// When the object was stored that goes there.
    let contentTime: UnixTime
    /// Whether the path tells of that.
    let tellsTime: Bool

    func decision(for request: PushRequest, _ summary: ObjectSummary) -> PushDecision {
        PushDecision.decide(request, head: summary, destination: destination)
    }

    /// Whether the object that was sent lacks the mark for this destination.
    func needsMark(_ summary: ObjectSummary, _ sent: ETag) -> Bool {
        PushDecision.afterSending(sent, head: summary, destination: destination) == .mark
    }

    func marked(_ summary: ObjectSummary, at now: UnixTime) -> [String: String] {
        SyncMark.marked(summary, as: destination, contentTime: tellsTime ? contentTime : nil, now: now)
    }

    /// A name beside the target that no other attempt has.
    func temporaryPath(of name: RemoteName, randomBits: UInt64) -> RemotePath {
        path.parent.appending(TemporaryName.name(for: name, randomBits: randomBits))
    }

    /// Where a file is that was begun for it.
    func path(of partial: PartialFile) -> RemotePath { path.parent.appending(partial.name) }

    /// - Throws: `.refused` for content under a key that makes a directory.
    func check(_ summary: ObjectSummary) throws(PushFailure) {
        do throws(TargetPathFailure) {
            try path.check(sizeBytes: summary.sizeBytes)
        } catch {
            throw PushFailure(.refused, error.reason)
        }
    }
}

/// What became of one request.
public enum PushOutcome: Sendable {
    /// The object stands on the server and is marked, or was deleted since.
    case delivered(PushReceipt)
    /// The object had been delivered before, and is marked now (rule U8).
    case marked
    /// There was nothing to do.
    case skipped(PushDecision.Reason)
    /// The object stands on the server and cannot be marked (rule U8).
    case unmarked(PushReceipt, PushFailure, Destination)
    /// The object was not pushed.
    case failed(PushFailure)
}

extension StoreFailure {
    /// Whether the object is no longer the one that was looked at: replaced, or deleted.
    var meansSuperseded: Bool { reason == .preconditionFailed || reason == .notFound }
}

extension PushFailure {
    init(_ failure: RemoteFailure) {
        switch failure.reason {
        case .cancelled: self.init(.deadline, failure.message)
        case .connectionLost: self.init(.connection, failure.message)
        case .invalidSettings: self.init(.settings, failure.message)
        case .notFound, .denied, .alreadyExists, .changed, .unsupported, .failed: self.init(.server, failure.message)
        }
    }

    /// The failure, which says what another push can go on with.
    func leaving(_ partial: PartialFile) -> PushFailure {
        var failure = self
        failure.partial = partial
        failure.message +=
            "; \(partial.position.offsetBytes) bytes are on the server, as \(partial.name), and the next try goes on there"
        return failure
    }

    /// Whatever kept the connection from being opened, it is not the object.
    init(connecting failure: RemoteFailure) {
        let failureClass: FailureClass =
            switch failure.reason {
            case .cancelled: .deadline
            case .invalidSettings: .settings
            case .connectionLost, .notFound, .denied, .alreadyExists, .changed, .unsupported, .failed: .connection
            }
        self.init(failureClass, failure.message)
    }

    init(_ failure: StoreFailure) {
        self.init(failure.reason == .cancelled ? .deadline : .store, failure.message)
    }

    init(unmarked failure: StoreFailure) {
        if failure.reason == .cancelled {
            self.init(.deadline, failure.message)
        } else {
            self.init(.unmarked, "it stands on the server and could not be marked: \(failure.message)")
        }
    }
}

extension ObjectSummary {
    /// The time that the file had where it came from, which tools keep in the metadata `mtime` as seconds since 1970,
    /// some with a fraction.
    var originalTime: UnixTime? {
        guard let text = metadata["mtime"], let whole = text.split(separator: ".", maxSplits: 1).first,
            let seconds = Int64(whole), seconds >= 0
        else { return nil }
        return UnixTime(seconds: seconds)
    }
}
