import Glibc
import Transfers

/// The clocks of the machine. Its uptime is the one that the AWS module and the Lambda runtime count on as well.
struct SystemClock: Transfers.Clock {
    var now: UnixTime { UnixTime(seconds: Int64(Self.read(CLOCK_REALTIME).tv_sec)) }

    var uptimeSeconds: Double {
        let time = Self.read(CLOCK_MONOTONIC)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
    }

    func wait(untilUptimeSeconds time: Double) async {
        // It throws only when the task is cancelled, and then it is time to return.
        try? await Task.sleep(for: .seconds(max(0, time - uptimeSeconds)))
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        clock_gettime(clock, &time)
        return time
    }
}
