#pragma once

/// How often memory was asked for while counting, by malloc, calloc, realloc and the aligned kinds, by all threads.
long malloc_counter_count(void);

/// Begins (1) or ends (0) counting; the count goes on from where it was.
void malloc_counter_enable(int is_on);
