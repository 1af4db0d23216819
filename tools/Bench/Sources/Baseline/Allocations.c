// Counts allocations by standing in front of the C library's own allocator: the names below win over the
// library's wherever this object is linked in, the Swift runtime included.
#include "Baseline.h"

#include <errno.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

// The benchmark has one thread at work while it counts, so a plain counter is exact enough.
static uint64_t allocations;

uint64_t baseline_allocations(void) { return allocations; }

void *malloc(size_t count) {
    allocations++;
    return __libc_malloc(count);
}

void *calloc(size_t members, size_t size) {
    allocations++;
    return __libc_calloc(members, size);
}

void *realloc(void *old, size_t count) {
    allocations++;
    return __libc_realloc(old, count);
}

void *aligned_alloc(size_t alignment, size_t count) {
    allocations++;
    return __libc_memalign(alignment, count);
}

int posix_memalign(void **result, size_t alignment, size_t count) {
    allocations++;
    void *memory = __libc_memalign(alignment, count);
    if (!memory) return ENOMEM;
    *result = memory;
    return 0;
}
