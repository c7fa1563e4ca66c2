public import JSON

/// Hears what happens to each file, while it happens: the core library makes log lines and metrics of it. Called from
/// many tasks at once; must return at once.
public protocol TransferObserver: Sendable {
    /// A file has been listed that is to be taken: in the end it is transferred, left or failed, or remains.
    func found(_ path: RemotePath, sizeBytes: UInt64?)
    /// No more files will be found.
    func foundAll()
    /// A file has been stored and moved.
    func transferred(_ receipt: TransferReceipt)
    /// A file stays where it is, and that is no failure.
    func left(_ path: RemotePath, because reason: LeftReason)
    /// A file, or a part of the work, failed.
    func failed(_ failure: TransferFailure)
    /// A file past its retention has been removed from `.done`.
    func purged(_ path: RemotePath)
    /// Something that the operator should know and that stops nothing.
    func warning(_ message: String, path: RemotePath?)
}

/// What is found matters only to who shows how far a run has come.
extension TransferObserver {
    /// Does nothing.
    public func found(_ path: RemotePath, sizeBytes: UInt64?) {}
    /// Does nothing.
    public func foundAll() {}
}

/// What happened to one file that was transferred.
public struct TransferReceipt: Hashable, Sendable {
    /// Where it was on the server.
    public var path: RemotePath
    /// The object it became.
    public var key: ObjectKey
    /// What the store said of it.
    public var object: StoredObject
    /// How many runs have carried it, this one included: more than 1 for a large file that was gone on with. Runs that
    /// came no further with it are not known.
    public var attempt: Int
    /// From opening it to the end of its move, in milliseconds.
    public var durationMilliseconds: Int64

    /// Makes a receipt.
    public init(
        path: RemotePath, key: ObjectKey, object: StoredObject, attempt: Int = 1, durationMilliseconds: Int64
    ) {
        self.path = path
        self.key = key
        self.object = object
        self.attempt = attempt
        self.durationMilliseconds = durationMilliseconds
    }
}

/// Why a file stays for a later run, or for ever.
public enum LeftReason: Hashable, Sendable {
    /// The selection leaves it out, for now or always.
    case skipped(Selection.Exception)
    /// It changed while it was read or moved: the next run takes it.
    case changed
    /// It was gone when it was opened: the partner withdrew it, or another pull took it.
    case gone

    /// One word for logs and counts.
    public var word: String {
        switch self {
        case .skipped(let exception): exception.rawValue
        case .changed: "changed"
        case .gone: "gone"
        }
    }

    /// Whether the file waits on the server for a later run.
    public var isForNow: Bool {
        switch self {
        case .skipped(let exception): exception.isForNow
        case .changed: true
        case .gone: false
        }
    }
}

/// One thing that failed.
public struct TransferFailure: Error, Hashable, Sendable {
    /// The file or directory on the server, as text for people.
    public var path: String
    /// Of what kind it is.
    public var errorClass: FailureClass
    /// What was tried and what the other side answered.
    public var reason: String

    /// Makes a failure.
    public init(path: RemotePath, _ errorClass: FailureClass, reason: String) {
        self.path = path.description
        self.errorClass = errorClass
        self.reason = reason
    }
}

extension TransferFailure: JSONWritable {
    /// Writes an object, its members in the order of their names.
    public func write(to text: inout JSONText) {
        text.object {
            $0.member("errorClass", errorClass.rawValue)
            $0.member("path", path)
            $0.member("reason", reason)
        }
    }
}
