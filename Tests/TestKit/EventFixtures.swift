/// Events of each shape that AWS documents, written for these tests. All of them name the object `in/red flower+1.jpg`
/// in the bucket `partner-files`, unless they say otherwise.
public enum EventFixtures {
    /// The bucket of all of them.
    public static let bucket = "partner-files"
    /// The key of all of them.
    public static let key = "in/red flower+1.jpg"
    /// The ETag that they name.
    public static let etag = "b1946ac92492d2347c6235b4d2611184"

    /// A record as S3 writes it; `extra` stands beside `s3`, as newer versions and other events have it.
    public static func record(
        version: String = "2.1", name: String = "ObjectCreated:Put", key: String = "in/red+flower%2B1.jpg",
        object: String = #""size":1024,"eTag":"b1946ac92492d2347c6235b4d2611184","sequencer":"0055AED6DCD90281E5""#,
        extra: String = ""
    ) -> String {
        #"{"eventVersion":"\#(version)","eventSource":"aws:s3","awsRegion":"eu-central-1","#
            + #""eventTime":"2026-03-01T10:15:30.123Z","eventName":"\#(name)","#
            + #""userIdentity":{"principalId":"AWS:AIDAEXAMPLE"},"#
            + #""requestParameters":{"sourceIPAddress":"192.0.2.7"},"#
            + #""responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"FMyUVURIY8/example"},"#
            + #""s3":{"s3SchemaVersion":"1.0","configurationId":"push","bucket":{"name":"partner-files","#
            + #""ownerIdentity":{"principalId":"A3NL1KOZZKExample"},"arn":"arn:aws:s3:::partner-files"},"#
            + #""object":{"key":"\#(key)",\#(object)}}\#(extra)}"#
    }

    /// A notification of S3, or of SNS or SQS, with these records.
    public static func records(_ records: String...) -> String {
        #"{"Records":["# + records.joined(separator: ",") + "]}"
    }

    /// The same by way of EventBridge, where the key is not encoded.
    public static func bridge(
        type: String = "Object Created", key: String = "in/red flower+1.jpg", reason: String = #","reason":"PutObject""#
    ) -> String {
        #"{"version":"0","id":"17793124-05d4-b198-2fde-7ededc63b103","detail-type":"\#(type)","source":"aws.s3","#
            + #""account":"111122223333","time":"2026-03-01T10:15:30Z","region":"eu-central-1","#
            + #""resources":["arn:aws:s3:::partner-files"],"detail":{"version":"0","bucket":{"name":"partner-files"},"#
            + #""object":{"key":"\#(key)","size":1024,"etag":"b1946ac92492d2347c6235b4d2611184","#
            + #""version-id":"IYV3p45BT0ac8hjHg1houSdS1a.Mro8e","sequencer":"617f08299329d189"},"#
            + #""request-id":"N4N7GDK58NMKJ12R","requester":"111122223333"\#(reason)}}"#
    }

    /// What SNS gives to Lambda.
    public static func sns(_ messages: String...) -> String {
        records(
            messages.map {
                #"{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"arn:aws:sns:eu-central-1:1:t:s","#
                    + #""Sns":{"Type":"Notification","MessageId":"95df01b4","TopicArn":"arn:aws:sns:eu-central-1:1:t","#
                    + #""Subject":"Amazon S3 Notification","Message":\#(quoted($0)),"Timestamp":"2026-03-01T10:15:31Z","#
                    + #""MessageAttributes":{}}}"#
            }.joined(separator: ","))
    }

    /// What SNS puts into a queue when it is not told to deliver raw.
    public static func snsEnvelope(_ message: String) -> String {
        #"{"Type":"Notification","MessageId":"dc1e94d9","TopicArn":"arn:aws:sns:eu-central-1:1:t","#
            + #""Message":\#(quoted(message)),"Timestamp":"2026-03-01T10:15:31Z","SignatureVersion":"1"}"#
    }

    /// What SQS gives to Lambda: messages `m1`, `m2` and so on.
    public static func sqs(_ bodies: String...) -> String {
        records(
            bodies.enumerated().map { index, body in
                #"{"messageId":"m\#(index + 1)","receiptHandle":"AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a","#
                    + #""body":\#(quoted(body)),"attributes":{"ApproximateReceiveCount":"1"},"messageAttributes":{},"#
                    + #""md5OfBody":"e4e68fb7bd0e697a0ae8f1bb342846b3","eventSource":"aws:sqs","#
                    + #""eventSourceARN":"arn:aws:sqs:eu-central-1:111122223333:q","awsRegion":"eu-central-1"}"#
            }.joined(separator: ","))
    }

    /// What Lambda sends to an on-failure destination.
    public static func onFailure(_ payload: String) -> String {
        #"{"version":"1.0","timestamp":"2026-03-01T10:20:00.000Z","requestContext":{"requestId":"e4b46cbf","#
            + #""functionArn":"arn:aws:lambda:eu-central-1:111122223333:function:push:$LATEST","#
            + #""condition":"RetriesExhausted","approximateInvokeCount":3},"requestPayload":\#(payload),"#
            + #""responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"#
            + #""responsePayload":{"errorMessage":"the server is unreachable","errorType":"ConnectFailed"}}"#
    }

    /// The same, by way of EventBridge.
    public static func onFailureByBridge(_ payload: String) -> String {
        #"{"version":"0","id":"1","detail-type":"Lambda Function Invocation Result - Failure","source":"lambda","#
            + #""account":"111122223333","time":"2026-03-01T10:20:00Z","region":"eu-central-1","resources":[],"#
            + #""detail":\#(onFailure(payload))}"#
    }

    /// What S3 sends when notifications are set up.
    public static let test =
        #"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-03-01T10:00:00.000Z","Bucket":"partner-files","#
        + #""RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR"}"#

    /// A message of the retry queue for an object that lacks only its mark.
    public static let retry =
        #"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"#
        + #""bucket":{"name":"partner-files"},"object":{"key":"in/red+flower%2B1.jpg","eTag":"0123"}},"#
        + #""sftpLambda":{"delivered":"0123","deliveredTo":"\#(String(repeating: "a1", count: 32))"}}]}"#

    /// The object of a record about a multipart upload.
    public static let multipart =
        #""size":5368709121,"eTag":"d41d8cd98f00b204e9800998ecf8427e-640","versionId":"3HL4kqtJvjVBH40"#
        + #"Nrjfkd","sequencer":"0055AED6DCD90281E5""#

    /// Every documented shape, by its name; each asks for one push of the object.
    public static let good: [(name: String, json: String)] = [
        ("2.0", records(record(version: "2.0"))), ("2.1", records(record())),
        (
            "2.2 replication",
            records(
                record(
                    version: "2.2",
                    extra: #","replicationEventData":{"replicationRuleId":"r","destinationBucket":"arn:aws:s3:::b"}"#))
        ),
        (
            "2.3 restored",
            records(
                record(
                    version: "2.3", name: "ObjectRestore:Completed",
                    extra: #","glacierEventData":{"restoreEventData":{"lifecycleRestorationExpiryTime":"#
                        + #""2026-03-05T00:00:00.000Z","lifecycleRestoreStorageClass":"GLACIER"}}"#))
        ),
        ("2.4", records(record(version: "2.4"))), ("2.5", records(record(version: "2.5", object: multipart))),
        ("2.6", records(record(version: "2.6", extra: #","somethingNewEventData":{"of":["2.6"]}"#))),
        ("2.10", records(record(version: "2.10"))), ("copied", records(record(name: "ObjectCreated:Copy"))),
        ("completed", records(record(name: "ObjectCreated:CompleteMultipartUpload", object: multipart))),
        ("with the prefix of configurations", records(record(name: "s3:ObjectCreated:Post"))),
        ("null version", records(record(object: #""size":0,"eTag":"\"0123\"","versionId":null,"sequencer":null"#))),
        (
            "only bucket and key",
            #"{"Records":[{"s3":{"bucket":{"name":"partner-files"},"object":"#
                + #"{"key":"in/red+flower%2B1.jpg"}}}]}"#
        ), ("EventBridge", bridge()),
        ("EventBridge restored", bridge(type: "Object Restore Completed", reason: "")),
        ("SNS", sns(records(record()))), ("SQS", sqs(records(record()))), ("SQS of EventBridge", sqs(bridge())),
        ("SQS of SNS", sqs(snsEnvelope(records(record())))), ("SNS of EventBridge", sns(bridge())),
        ("on failure", onFailure(records(record()))), ("on failure of EventBridge", onFailure(bridge())),
        ("on failure in SQS", sqs(onFailure(sns(records(record()))))),
        ("on failure by EventBridge", onFailureByBridge(records(record()))),
        ("on failure of on failure", onFailure(onFailure(sqs(snsEnvelope(bridge()))))), ("retry", retry),
        ("by hand", #"{"Bucket":"partner-files","Key":"in/red flower+1.jpg"}"#),
        ("by hand, in lower case", #" {"key":"in/red flower+1.jpg", "bucket":"partner-files","versionId":"v1"} "#),
    ]

    /// Nothing to do.
    public static let nothing: [(name: String, json: String, reason: String)] = [
        ("test", test, "testEvent"), ("test in SQS", sqs(test), "testEvent"),
        ("removed", records(record(name: "ObjectRemoved:Delete")), "removed"),
        ("delete marker", records(record(name: "ObjectRemoved:DeleteMarkerCreated")), "removed"),
        ("expired", records(record(version: "2.3", name: "LifecycleExpiration:Delete")), "removed"),
        ("restore begun", records(record(name: "ObjectRestore:Post")), "notCreated"),
        ("restore expired", records(record(name: "ObjectRestore:Delete")), "notCreated"),
        ("tagged", records(record(version: "2.3", name: "ObjectTagging:Put")), "notCreated"),
        ("moved", records(record(version: "2.3", name: "LifecycleTransition")), "notCreated"),
        ("of a later time", records(record(version: "2.9", name: "ObjectPolished:Put")), "notCreated"),
        ("EventBridge deleted", bridge(type: "Object Deleted"), "removed"),
        ("EventBridge restore begun", bridge(type: "Object Restore Initiated"), "notCreated"),
        ("EventBridge tagged", bridge(type: "Object Tags Added"), "notCreated"),
        ("no records", #"{"Records":[]}"#, "noRecords"),
    ]
}

/// Text as a JSON string.
public func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
