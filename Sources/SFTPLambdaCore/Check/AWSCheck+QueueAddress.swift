import AWS

// Apart from what pushRetry may do besides: the tests of the deployment read here what each function calls.
extension AWSCheck {
    /// Finds the retry queue. Nothing is sent.
    func checkQueueAddress(_ reference: QueueReference, _ list: inout CheckList) async {
        let wording = CheckList.Wording(
            name: "retry queue", meaning: "what fails is kept by nobody but Lambda",
            advice: "see that SFTP_RETRY_QUEUE_NAME is right, and allow sqs:GetQueueUrl and sqs:SendMessage on it",
            cause: .aws)
        await list.attempt(wording) {
            let queue = try await reference.queue(SQSClient(services.aws), deadlineUptimeSeconds: deadline)
            return ((), "\(queue.name) (sending is not tried)")
        }
    }
}
