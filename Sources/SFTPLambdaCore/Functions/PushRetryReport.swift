import Transfers

extension FunctionServices {
    /// Adds what pushRetry alone knows: push leaves nothing waiting but on the queue. Without anything that waits the metric
    /// is not sent, and costs nothing.
    func addWaiting(_ summary: PushSummary, to metrics: inout EmbeddedMetrics) {
        if let seconds = summary.oldestWaitingSeconds { metrics.add("OldestFileAgeSeconds", seconds, .seconds) }
    }
}
