// Checks Sources/CWithoutProc as scripts/package links it, with --wrap=open; scripts/sanitize compiles it with the
// sanitizers for undefined behaviour and addresses. Prints what is wrong, and fails.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int faults;

static void check(int is_right, const char *what) {
    if (is_right) return;
    fprintf(stderr, "CWithoutProc: %s\n", what);
    faults++;
}

int main(void) {
    char text[16], folder[] = "/tmp/without-proc-XXXXXX", file[64];
    struct stat status;

    // A thread that is gone, or a system without /proc: an empty file.
    int descriptor = open("/proc/4194304999/stat", O_RDONLY);
    check(descriptor >= 0 && read(descriptor, text, sizeof text) == 0, "the state of a thread is no empty file");
    close(descriptor);
    // All others as ever, however short or near to it they are.
    const char *missing[] = {"", "/", "/proc", "/proc/", "/proc//stat2", "/proc/stat/", "/nowhere/1/stat", "/proc/4194304999/sta"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        errno = 0;
        descriptor = open(missing[i], O_WRONLY);
        check(descriptor < 0 && errno != 0, missing[i]);
    }
    descriptor = open("/proc/self/stat", O_RDONLY);
    check(descriptor >= 0 && read(descriptor, text, sizeof text) > 0, "the state that there is, is not read");
    close(descriptor);

    // The mode goes along.
    check(mkdtemp(folder) != NULL, "no folder");
    snprintf(file, sizeof file, "%s/file", folder);
    umask(0);
    descriptor = open(file, O_CREAT | O_WRONLY, 0640);
    check(descriptor >= 0 && fstat(descriptor, &status) == 0 && (status.st_mode & 0777) == 0640, "the mode is lost");
    close(descriptor);
    unlink(file);
    rmdir(folder);
    return faults != 0;
}
