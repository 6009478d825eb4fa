// In C, since a hook must not allocate.
#include "allocations.h"

int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t), void (*)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *);

// libFuzzer calls decoders on one thread; a second one, which watches the memory, allocates next to nothing.
static int counting, installed;
static long held, most;

static void allocated(const volatile void *address, size_t size) {
    if (!counting) return;
    held += (long)size;
    if (held > most) most = held;
}

static void freed(const volatile void *address) {
    if (counting && address) held -= (long)__sanitizer_get_allocated_size(address);
}

void allocations_begin(void) {
    if (!installed) installed = __sanitizer_install_malloc_and_free_hooks(allocated, freed);
    held = most = 0;
    counting = 1;
}

long allocations_end(void) {
    counting = 0;
    return most;
}
