import AWS
import SFTP
import Transfers

extension PullWork {
    /// Finds out whether `pull` can work, and what it would work with. What it tries it cleans up.
    package func checkPull(_ run: FunctionRun) async throws -> CheckReport {
        try await run.window.run {
            var (list, report) = (CheckList(), CheckReport(function: .pull))
            let aws = AWSCheck(services: services, run: run)
            var hasLogin = settings.connection.secretID == nil
            if await aws.credentials(&list) {
                if let id = settings.connection.secretID { hasLogin = await aws.secret(connector, id: id, &list) }
                await aws.checkTarget(
                    settings.bucket.text, prefix: settings.keyPrefix, needsLooks: settings.afterPull == .keep,
                    &list)
            } else {
                list.skip("S3", because: "there are no credentials")
            }
            report.server = await ServerCheck(
                connector: connector,
                work: DirectoryCheck(
                    function: .pull, directory: settings.sourceDirectory,
                    changesNothing: settings.afterPull == .keep), run: run
            ).run(&list, hasLogin: hasLogin)
            report.steps = list.steps
            return report
        }
    }
}
