// What a decoder holds while it works, counted at the sanitizer's allocation hooks.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Starts to count from nothing.
void allocations_begin(void);
/// Ends the counting; the most bytes that were held at once since it began.
long allocations_end(void);

/// libFuzzer's loop, with a program's arguments.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one_input)(const uint8_t *, size_t));
