/// What breaks between a function and S3 or SQS.
extension FaultCase {
    /// One way in which a service answers, or does not.
    private struct Kind {
        var name: String
        var rule: String
        var seconds = FaultCase.usualSeconds
    }

    private static func once(_ name: String, _ rule: String) -> Kind {
        Kind(name: name, rule: #""times": 1, \#(rule)"#)
    }

    private static func always(_ name: String, _ rule: String, seconds: Double = usualSeconds) -> Kind {
        Kind(name: name, rule: #""times": -1, \#(rule)"#, seconds: seconds)
    }

    private static func answer(_ status: Int, _ code: String, _ more: String = "") -> String {
        #""kind": "answer", "status": \#(status), "code": "\#(code)"\#(more)"#
    }

    /// What can happen to every request.
    private static let everywhere = [
        once("500 InternalError, once", answer(500, "InternalError")),
        once("503 SlowDown, once", answer(503, "SlowDown")),
        always("500 InternalError, for ever", answer(500, "InternalError")),
        always("503 SlowDown, for ever", answer(503, "SlowDown"), seconds: 4),
        always("503 ServiceUnavailable, for ever", answer(503, "ServiceUnavailable")),
        once("RST before anything is read, once", #""kind": "resetUp""#),
        always("RST before anything is read, for ever", #""kind": "resetUp""#),
        once("done, and the answer is lost", #""kind": "lost""#),
        always("done each time, and the answer is lost each time", #""kind": "lost""#),
        always("no answer", #""kind": "silent""#, seconds: 4),
        always("403 AccessDenied", answer(403, "AccessDenied")),
        always("400 ExpiredToken, for ever", answer(400, "ExpiredToken")),
        once(
            "403 RequestTimeTooSkewed, once, with a clock an hour ahead",
            answer(403, "RequestTimeTooSkewed", #", "clockSeconds": 3600"#)),
        always("403 RequestTimeTooSkewed, for ever", answer(403, "RequestTimeTooSkewed")),
    ]

    private static let inS3 = [
        once(
            "400 AuthorizationHeaderMalformed, once, which names another region",
            answer(400, "AuthorizationHeaderMalformed", #", "region": "eu-west-1""#)),
        once(
            "301 PermanentRedirect, once, which names another region",
            answer(301, "PermanentRedirect", #", "region": "eu-west-1""#)),
        once(
            "307 TemporaryRedirect, once, which names another region",
            answer(307, "TemporaryRedirect", #", "region": "eu-west-1""#)),
        always("301 PermanentRedirect without a region", answer(301, "PermanentRedirect")),
        always("307 TemporaryRedirect without a region", answer(307, "TemporaryRedirect")),
        always("412 PreconditionFailed", answer(412, "PreconditionFailed")),
    ]

    private static let bodyUp = [
        once("RST in the middle of the body, once", #""kind": "resetUp", "afterBytes": 1000"#),
        always("RST in the middle of the body, for ever", #""kind": "resetUp", "afterBytes": 1000"#),
        once("a bit of the body is another one, once", #""kind": "corruptUp""#),
        always("a bit of the body is another one, for ever", #""kind": "corruptUp""#),
    ]

    private static let bodyDown = [
        once("RST in the middle of the body, once", #""kind": "resetDown", "afterBytes": 1000"#),
        always("RST in the middle of the body, for ever", #""kind": "resetDown", "afterBytes": 0"#),
        once("a bit of the body is another one, once", #""kind": "corruptDown""#),
        once("the body comes slowly", #""kind": "slow", "bytes": 20000"#),
    ]

    private static let okWithError = [
        once("200 with an <Error>, once", #""kind": "errorInOK", "code": "InternalError""#),
        always("200 with an <Error>, for ever", #""kind": "errorInOK", "code": "InternalError""#),
        once(
            "done, and 200 with an <Error>, once", #""kind": "errorInOK", "code": "InternalError", "isDone": true"#),
    ]

    private static func rows(
        _ function: String, _ operation: String, _ kinds: [Kind], _ change: (inout Self) -> Void = { _ in }
    ) -> [Self] {
        kinds.map { kind in
            with(
                Self(
                    function: function, fault: "\(operation): \(kind.name)",
                    plan: FaultPlan(aws: [#"{"operation": "\#(operation)", \#(kind.rule)}"#]))
            ) {
                $0.seconds = kind.seconds
                $0.strikesAnyFile = kind.name.contains(", once") && ["HeadObject", "GetObject"].contains(operation)
                $0.isLearned = kind.name.contains("region") || kind.name.contains("Skewed")
                change(&$0)
            }
        }
    }

    private static func inParts(_ row: inout Self) {
        row.content = .parts
    }

    static let s3 =
        rows("pull", "PutObject", everywhere + inS3 + bodyUp)
        + rows("pull", "ListObjectsV2", everywhere + inS3, inParts)
        + rows("pull", "CreateMultipartUpload", everywhere + inS3, inParts)
        + rows("pull", "UploadPart", everywhere + inS3 + bodyUp, inParts)
        + rows("pull", "CompleteMultipartUpload", everywhere + inS3 + okWithError, inParts)
        + ["push", "pushRetry"].flatMap { function in
            rows(function, "HeadObject", everywhere + inS3)
                + rows(function, "GetObject", everywhere + inS3 + bodyDown)
                + rows(function, "CopyObject", everywhere + inS3 + okWithError)
        }

    // MARK: SQS

    private static let inSQS = [
        always("QueueDoesNotExist", answer(400, "QueueDoesNotExist")),
        always("403 OverLimit, for ever", answer(403, "OverLimit"), seconds: 4),
    ]

    /// push needs the queue only when something fails.
    private static func refusing(_ row: inout Self) {
        row.plan.sftp = [#"{"request": "open", "path": "two/", "times": 99, "status": 3}"#]
        row.fault += ", while the server refuses a file"
    }

    /// What is kept of the time for the last requests is a share of it.
    static let sqs = requestsToSQS.map { row in with(row) { if $0.seconds < usualSeconds { $0.seconds = 10 } } }

    private static let requestsToSQS =
        rows("push", "SendMessageBatch,SendMessage", everywhere + inSQS, refusing)
        + rows("pushRetry", "GetQueueAttributes", everywhere + inSQS)
        + rows(
            "pushRetry", "ReceiveMessage",
            everywhere + inSQS + [once("every message comes twice", #""kind": "twice""#)]
        )
        + rows(
            "pushRetry", "DeleteMessageBatch,DeleteMessage",
            everywhere + inSQS + [
                always("ReceiptHandleIsInvalid", answer(400, "ReceiptHandleIsInvalid"))
            ]
        )
        + rows(
            "pushRetry", "ChangeMessageVisibilityBatch,ChangeMessageVisibility",
            everywhere + inSQS + [always("ReceiptHandleIsInvalid", answer(400, "ReceiptHandleIsInvalid"))], refusing)
}
