import Glibc

/// Core files, which would hold keys and passwords: the process makes none.
enum CoreFiles {
    /// Linux writes no core file of fewer bytes than a page, and pipes none to a program either when the limit is
    /// exactly 1; with a limit of 0 it would still pipe one (core(5), "Piping core dumps to a program").
    ///
    /// PR_SET_DUMPABLE would do more: it also gives /proc/self to root, where libdispatch reads the state of its threads.
    private static let limitBytes: rlim_t = 1

    /// Keeps the system from writing the memory of this process to a file, however the process ends.
    static func forbid() {
        var limit = rlimit()
        // Neither call fails for a limit that is only lowered.
        guard getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 else { return }
        let most = min(limit.rlim_max, limitBytes)
        limit = rlimit(rlim_cur: most, rlim_max: most)
        _ = setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    }
}
