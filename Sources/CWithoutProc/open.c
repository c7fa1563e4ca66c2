// Lets programs run in a root file system without /proc.
//
// libdispatch, on whose threads Swift's tasks run, looks every second into /proc/TID/stat of its worker threads to see
// how many of them run, and ends the process with SIGILL when it cannot open it (src/event/workqueue.c,
// _dispatch_workq_count_runnable_workers). An empty answer it takes: it then counts the thread as waiting, and starts
// at most as many more as there are processors.
//
// The release build is linked with --wrap=open (scripts/package), which leads every call of open() in the statically
// linked objects here. Without that option nothing calls this.

#define _GNU_SOURCE // O_TMPFILE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

// Weak: it exists only when linked with --wrap=open.
extern int __real_open(const char *path, int flags, ...) __attribute__((weak));

static int is_thread_state(const char *path) {
    static const char start[] = "/proc/", end[] = "/stat";
    size_t length = strlen(path);
    return length > sizeof start - 1 + sizeof end - 1 && strncmp(path, start, sizeof start - 1) == 0
        && strcmp(path + length - (sizeof end - 1), end) == 0;
}

int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    int descriptor = __real_open(path, flags, mode);
    if (descriptor < 0 && errno == ENOENT && is_thread_state(path)) {
        return __real_open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    return descriptor;
}
