// What the sanitizers are told, in every program that scripts/sanitize links: the functions too, which the tests start
// without the variables ASAN_OPTIONS and TSAN_OPTIONS. REPORTS is the beginning of the names of the files that findings
// are written to.

// Leaks are not looked for: Swift's runtime and libdispatch keep memory until the process ends, and pointers of Swift
// carry bits of their own, by which the sanitizer does not know them.
const char *__asan_default_options(void) { return "detect_leaks=0:log_path=" REPORTS; }

// A program goes on after a race, with the exit status that it has anyway: scripts/sanitize looks for the files. Of each
// thread more is remembered than by default, for in an event loop much happens between two accesses.
const char *__tsan_default_options(void) {
    return "halt_on_error=0:exitcode=0:history_size=4:log_path=" REPORTS;
}
