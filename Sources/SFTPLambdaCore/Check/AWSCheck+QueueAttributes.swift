import AWS

extension AWSCheck {
    /// Finds the retry queue and asks for its attributes. Nothing is sent or received.
    func checkQueueAttributes(_ reference: QueueReference, _ list: inout CheckList) async {
        let wording = CheckList.Wording(
            name: "retry queue", meaning: "nothing can be pushed again",
            advice: "see that SFTP_RETRY_QUEUE_NAME is right, and allow sqs:GetQueueUrl, sqs:GetQueueAttributes, "
                + "sqs:ReceiveMessage, sqs:ChangeMessageVisibility, sqs:DeleteMessage and sqs:SendMessage on it",
            cause: .aws)
        await list.attempt(wording) {
            let client = SQSClient(services.aws)
            let queue = try await reference.queue(client, deadlineUptimeSeconds: deadline)
            let attributes = try await client.attributes(
                of: queue, names: ["ApproximateNumberOfMessages", "RedrivePolicy"], deadlineUptimeSeconds: deadline)
            let count = attributes["ApproximateNumberOfMessages"] ?? "?"
            let redrive = attributes["RedrivePolicy"] == nil ? "no dead-letter queue" : "with a dead-letter queue"
            return ((), "\(queue.name): about \(count) messages, \(redrive) (receiving is not tried)")
        }
    }
}
