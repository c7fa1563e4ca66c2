import Logging
package import Transfers

extension FunctionServices {
    /// The last lines of a run of push or pushRetry in the log.
    package func report(_ summary: PushSummary, _ function: LambdaFunction, _ run: FunctionRun) {
        var fields: Logger.Metadata = [
            "delivered": .stringConvertible(summary.delivered), "bytes": .stringConvertible(summary.bytes),
            "marked": .stringConvertible(summary.marked), "skipped": .counts(summary.skipped),
            "failed": .stringConvertible(summary.failed), "failedByClass": .counts(summary.failedByClass),
            "queued": .stringConvertible(summary.queued), "unqueued": .stringConvertible(summary.unqueued),
            "received": .stringConvertible(summary.received), "handedBack": .stringConvertible(summary.handedBack),
            "durationMilliseconds": .stringConvertible(summary.durationMilliseconds),
        ]
        fields["oldestWaitingSeconds"] = summary.oldestWaitingSeconds.map { .stringConvertible($0) }
        run.logger.log(
            level: summary.failed > 0 ? .error : .info, "\(function.rawValue) finished", metadata: fields)
        var metrics = metrics(of: function, run)
        metrics.add("FilesTransferred", summary.delivered)
        metrics.add("BytesTransferred", summary.bytes, .bytes)
        metrics.add("FilesFailed", summary.failed)
        metrics.add("FilesQueued", summary.queued)
        metrics.add("DurationMilliseconds", summary.durationMilliseconds, .milliseconds)
        metrics.addFailures(summary.failedByClass)
        if function == .pushRetry { addWaiting(summary, to: &metrics) }
        log.write(metrics)
    }
}

extension PushSummary {
    /// The first failures, as text.
    var listedFailures: String {
        FunctionFailure.listed(failures.map { "\($0.subject): \($0.reason)" }, of: failed)
    }
}
