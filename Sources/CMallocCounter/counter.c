// Stands before glibc's allocator in the program that it is linked into, and counts. Everything is glibc's own doing: what
// is allocated here may be freed there.
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "CMallocCounter.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_int is_counting;
static atomic_long calls;

static void count(void) {
    if (__builtin_expect(atomic_load_explicit(&is_counting, memory_order_relaxed), 0)) {
        atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    }
}

long malloc_counter_count(void) { return atomic_load_explicit(&calls, memory_order_relaxed); }
void malloc_counter_enable(int is_on) { atomic_store_explicit(&is_counting, is_on, memory_order_relaxed); }

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *pointer, size_t size) {
    count();
    return __libc_realloc(pointer, size);
}

void *memalign(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **pointer, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
    count();
    void *made = __libc_memalign(alignment, size);
    if (made == NULL) return ENOMEM;
    *pointer = made;
    return 0;
}
