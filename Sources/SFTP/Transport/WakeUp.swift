import CLibSSH2
import Glibc
import Synchronization

/// What ends the sleep of an I/O thread. Waking is a look at one flag as long as the thread is awake.
final class WakeUp: Sendable {
    private let descriptor: Mutex<Int32>
    private let isSleeping = Atomic<Bool>(false)
    private let isPending = Atomic<Bool>(false)

    /// Makes the descriptor; nil when the process has no descriptor left.
    init?() {
        let made = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard made >= 0 else { return nil }
        descriptor = Mutex(made)
    }

    /// Ends the sleep, or keeps the next one from beginning. Any thread.
    func wake() {
        isPending.store(true, ordering: .sequentiallyConsistent)
        guard isSleeping.exchange(false, ordering: .sequentiallyConsistent) else { return }
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            // The only failure is a counter that is full, and then the thread wakes anyway.
            _ = eventfd_write(descriptor, 1)
        }
    }

    /// Waits until a descriptor is ready, `wake` was called, or the time is over, and notes in `descriptors` which
    /// are ready. Only the I/O thread calls it.
    func sleep(_ descriptors: inout [pollfd], until deadline: ContinuousClock.Instant?) {
        isSleeping.store(true, ordering: .sequentiallyConsistent)
        if !isPending.exchange(false, ordering: .sequentiallyConsistent) {
            descriptors.append(pollfd(fd: descriptor.withLock { $0 }, events: Int16(POLLIN), revents: 0))
            // An interrupted poll is as good as one that found nothing: the caller looks at everything again.
            _ = poll(&descriptors, nfds_t(descriptors.count), Self.milliseconds(until: deadline))
            if descriptors.removeLast().revents != 0 { drain() }
            // Whoever woke us until here is served by what the caller does next.
            isPending.store(false, ordering: .sequentiallyConsistent)
        }
        isSleeping.store(false, ordering: .sequentiallyConsistent)
    }

    /// Closes the descriptor. Waking is harmless from then on; sleeping is over.
    func close() {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            _ = Glibc.close(descriptor)
            descriptor = -1
        }
    }

    private func drain() {
        descriptor.withLock { descriptor in
            var value: eventfd_t = 0
            // Nothing to read means that somebody was faster, and then there is nothing to do.
            _ = eventfd_read(descriptor, &value)
        }
    }

    /// What poll takes: -1 is for ever. A part of a millisecond counts as a whole one, else the last one is a spin.
    static func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
        guard let deadline else { return -1 }
        let left = ContinuousClock.now.duration(to: deadline).components
        guard left.seconds >= 0, left.attoseconds >= 0 else { return 0 }
        guard left.seconds < 3_600 else { return 3_600_000 }
        return Int32(left.seconds) * 1_000 + Int32((left.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }

    deinit { close() }
}
