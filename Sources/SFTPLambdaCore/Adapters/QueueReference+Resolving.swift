public import AWS

extension QueueReference {
    /// The queue that is meant. A URL is taken as it is; for a name or an ARN SQS is asked, which needs the permission
    /// sqs:GetQueueUrl. The queue of an ARN is used in the ARN's region, whatever the function's is.
    /// - Throws: `.notFound` when there is none.
    public func queue(
        _ client: SQSClient, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> SQSQueue {
        switch self {
        case .url(let url): SQSQueue(url: url)
        case .name(let name): try await client.queue(named: name, deadlineUptimeSeconds: deadlineUptimeSeconds)
        case .arn(let region, let accountID, let name):
            try await client.queue(
                named: name, accountID: accountID, region: region, deadlineUptimeSeconds: deadlineUptimeSeconds)
        }
    }
}
