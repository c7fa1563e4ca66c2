// The arguments of the process, in a root file system without /proc too. Swift's own CommandLine looks in /proc/self/maps
// for the stack that they lie on, and has none where it cannot.
//
// The C library hands the functions of .init_array what it hands to main (glibc, csu/libc-start.c, call_init).

#include "CWithoutProc.h"

static int count;
static char **arguments;

__attribute__((constructor)) static void remember(int argc, char **argv, char **environment) {
    (void)environment;
    count = argc;
    arguments = argv;
}

int process_argument_count(void) { return count; }

const char *process_argument(int index) { return arguments[index]; }
