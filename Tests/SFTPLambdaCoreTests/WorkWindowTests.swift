import AWS
import Foundation
import HTTP
import LambdaRuntime
import Logging
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// How the time of an invocation is divided.
@Suite struct WorkWindowTests {
    /// Also where it is short: what is kept is a share of it.
    @Test(arguments: [0.5, 1, 3, 5, 30, 900])
    func everyEndLiesInsideTheInvocation(seconds: Double) {
        let end = SystemClock().uptimeSeconds + seconds
        let milliseconds = Int64((Date().timeIntervalSince1970 + seconds) * 1000)
        let window = WorkWindow(InvocationDeadline(epochMilliseconds: milliseconds))
        #expect(window.deadlineUptimeSeconds < window.closingUptimeSeconds)
        #expect(window.closingUptimeSeconds < window.lateUptimeSeconds)
        #expect(window.lateUptimeSeconds < window.lastUptimeSeconds)
        // Both clocks are read one after the other.
        #expect(window.lastUptimeSeconds < end + 0.1)
        let keptSeconds = end - window.deadlineUptimeSeconds
        #expect(keptSeconds <= seconds * 0.1 + 0.1 && window.lateUptimeSeconds - end <= 0.1 - keptSeconds * 0.2)
    }

    /// What the work leaves behind is told to the store behind the deadline of the work, and no later than that.
    @Test func storeIsToldUntilTheTimeThatIsGiven() async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.readBody()
            try exchange.sendHead(200, headers: ["ETag": "\"e\"", "Content-Length": "0"])
        }
        defer { server.stop() }
        let http = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let client = S3Client(
            AWSConfiguration(
                http: http, credentials: StaticCredentials(AWSCredentials(accessKeyID: "id", secretAccessKey: "s")),
                region: "eu-central-1", environment: ["AWS_ENDPOINT_URL_S3": server.url]))
        let now = AWSClock.system.uptimeSeconds()
        func store(lateSeconds: Double) -> S3ObjectStore {
            S3ObjectStore(
                client: client, bucket: "bucket", deadlineUptimeSeconds: now - 1,
                lateUptimeSeconds: now + lateSeconds, logger: Logger(label: "test"))
        }
        let key = try #require(ObjectKey("k"))
        let (inTime, tooLate) = (store(lateSeconds: 60), store(lateSeconds: -0.5))
        try await inTime.keepNote(key, content: [1], metadata: [:])
        try await inTime.removeNote(key)
        await #expect(throws: StoreFailure.self) { try await tooLate.keepNote(key, content: [1], metadata: [:]) }
        await #expect(throws: StoreFailure.self) { try await tooLate.removeNote(key) }
        await http.shutdown()
    }
}
