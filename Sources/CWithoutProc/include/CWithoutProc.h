#pragma once
// What does without /proc: see arguments.c, and open.c, of which there is nothing to call.

/// How many arguments the process was started with, its own name included.
int process_argument_count(void);

/// One of them, from 0 up to and without their number. Never changes.
const char *process_argument(int index);
