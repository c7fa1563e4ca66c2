// Synchronization.Mutex as the thread sanitizer has to see it.
//
// Whoever finds a mutex free takes it by an atomic operation that is compiled into our own code, where the sanitizer
// sees it. Whoever has to wait calls into the Swift runtime, which is not built for the sanitizer: it gets the mutex from
// the kernel, unseen, and every mutex with two threads at it looks like a race. This takes the place of that function, in
// programs that are built for the sanitizer alone: it waits by trying again, and takes the mutex as the others do.
//
// The name is that of the runtime's binary interface, which is not promised to stay on Linux. If it is another one day, this
// file does nothing, and mutexes are reported again: `Swift access race` in a closure given to `withLock`.
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

// Synchronization._MutexHandle._lockSlow(Swift.UInt32) -> ()
__attribute__((swiftcall)) void wait_for_mutex(uint32_t thread,
                                               __attribute__((swift_context)) _Atomic uint32_t *mutex)
    __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");

__attribute__((swiftcall)) void wait_for_mutex(uint32_t thread,
                                               __attribute__((swift_context)) _Atomic uint32_t *mutex) {
    for (;;) {
        uint32_t nobody = 0;
        if (atomic_compare_exchange_strong_explicit(mutex, &nobody, thread, memory_order_acquire, memory_order_relaxed))
            return;
        sched_yield();
    }
}
