import TestKit

/// One fault, where it strikes, and what comes of it: a row of docs/fault-matrix.md, and what the tests play.
struct FaultCase: Sendable {
    /// Whether what comes of it is the same each time.
    enum Result: Sendable {
        /// The page says it, and the test compares.
        case certain
        /// It depends on how far the work has come; this is what people read. Whatever it is, what must hold does.
        case depends(String)
    }

    /// What the partner, or whoever uploads, does at that moment; it decides what is the newest.
    enum Change: Sendable {
        case none, appended, halved, replaced, removed
    }

    /// What is moved: three files of 0 to 300,000 bytes, or one of two parts.
    enum Content: Sendable {
        case small, parts
    }

    var function: String
    /// As people call it; with the function it names the row.
    var fault: String
    var plan: FaultPlan
    var result = Result.certain
    var content = Content.small
    /// What happens to the file `FaultCase.changedName`.
    var change = Change.none
    /// How long the invocation may take.
    var seconds = FaultCase.usualSeconds
    /// What the function learns of it would change what it does in other rows.
    var isLearned = false
    /// It strikes one of the files, whichever comes first: then the log names another one each time.
    var strikesAnyFile = false
    /// Whether what breaks says that it did.
    var strikes = true

    /// Longer than any function needs that is not held up.
    static let usualSeconds = 15.0
    static let changedName = "two/second"

    static let all: [Self] = network + changesOfKeys + sftpRows + s3 + sqs

    /// What tells it from all others.
    var name: String { "\(function): \(fault)" }

    /// The short form plays these.
    static let quick: Set = [
        "pull: RST in the middle of the data", "pull: RENAME is answered with PERMISSION_DENIED",
        "pull: RENAME is done, and answered with FAILURE", "pull: the file grows before RENAME",
        "pull: the file is replaced after RENAME", "pull: PutObject: done, and the answer is lost",
        "pull: PutObject: 403 AccessDenied", "pull: PutObject: RST in the middle of the body, once",
        "push: RST in the middle of the data", "push: WRITE is answered with FAILURE",
        "push: CLOSE is answered with FAILURE", "push: RENAME is answered with PERMISSION_DENIED",
        "push: somebody cuts the temporary file before FSTAT", "pull: the file grows after the first READ",
        "push: the disk is full (64 KiB, a tmpfs)",
        "push: the sixth WRITE of a file is over the quota (FAILURE)",
        "push: RENAME is done, and answered with FAILURE", "push: GetObject: RST in the middle of the body, once",
        "push: CopyObject: 200 with an <Error>, once", "push: CopyObject: 403 AccessDenied",
        "push: SendMessageBatch,SendMessage: 403 AccessDenied, while the server refuses a file",
        "pushRetry: RST in the middle of the data", "pull: RST in the midst of a change of keys",
        "push: RST in the midst of a change of keys", "pushRetry: ReceiveMessage: every message comes twice",
        "pushRetry: DeleteMessageBatch,DeleteMessage: ReceiptHandleIsInvalid",
    ]

    static func with(_ row: Self, _ change: (inout Self) -> Void) -> Self {
        var row = row
        change(&row)
        return row
    }
}
