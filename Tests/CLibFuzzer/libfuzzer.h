// What libFuzzer without a main function of its own offers (https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library).
// Its library is in the folder of the compiler's own; scripts/fuzz names it to the linker.
#include <stddef.h>
#include <stdint.h>

// Runs the function on input after input, as the arguments say, and returns the exit status.
int LLVMFuzzerRunDriver(int *_Nonnull count, char *_Nullable *_Nonnull *_Nonnull arguments,
                        int (*_Nonnull run)(const uint8_t *_Nullable start, size_t count));
