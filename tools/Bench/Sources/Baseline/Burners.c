// Others that want the same core, so that what is measured gets only a part of it.
#include "Baseline.h"

#include <pthread.h>
#include <stdatomic.h>

enum { BURNERS = 16 };

static atomic_bool burns;
static pthread_t threads[BURNERS];
static int running;

static void *burn(void *unused) {
    while (atomic_load_explicit(&burns, memory_order_relaxed)) {}
    return unused;
}

bool baseline_burn(int count) {
    if (count < 0 || count > BURNERS) return false;
    atomic_store(&burns, false);
    for (int place = 0; place < running; place++) pthread_join(threads[place], NULL);
    atomic_store(&burns, true);
    for (running = 0; running < count; running++)
        if (pthread_create(&threads[running], NULL, burn, NULL) != 0) return false;
    return true;
}
