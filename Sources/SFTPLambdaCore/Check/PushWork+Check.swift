import AWS
package import Transfers

extension PushWork {
    /// Finds out whether push can work, and what it would work with. What it tries it cleans up.
    /// - Parameter objects: are looked at too.
    package func checkPush(_ run: FunctionRun, objects: [ObjectAddress] = []) async throws -> CheckReport {
        try await checkFlow(.push, run) { aws, list in
            if objects.isEmpty {
                list.skip(
                    "look at an object, and mark it",
                    because: "none is named, as by push --check s3://BUCKET/KEY; a push needs s3:GetObject and "
                        + "s3:PutObject on arn:aws:s3:::BUCKET/* of every bucket that it is asked to push from")
            }
            for object in objects { await aws.checkSource(object, &list) }
            if let queue = settings.retryQueue {
                await aws.checkQueueAddress(queue, &list)
            } else {
                list.skip("retry queue", because: "SFTP_RETRY_QUEUE_NAME is not set")
            }
        }
    }

    /// Tries what push and pushRetry have in common, and between that what is the function's own in AWS.
    func checkFlow(
        _ function: LambdaFunction, _ run: FunctionRun,
        _ own: @Sendable @escaping (AWSCheck, inout CheckList) async -> Void
    ) async throws -> CheckReport {
        try await run.window.run {
            var (list, report) = (CheckList(), CheckReport(function: function))
            let aws = AWSCheck(services: services, run: run)
            var hasLogin = settings.connection.secretID == nil
            if await aws.credentials(&list) {
                if let id = settings.connection.secretID { hasLogin = await aws.secret(connector, id: id, &list) }
                await own(aws, &list)
            } else {
                list.skip("S3 and SQS", because: "there are no credentials")
            }
            report.server = await ServerCheck(
                connector: connector,
                work: DirectoryCheck(
                    function: function, directory: settings.targetDirectory, allowsInPlace: settings.allowInPlace),
                run: run
            ).run(&list, hasLogin: hasLogin)
            report.steps = list.steps
            return report
        }
    }
}
