#include "Baseline.h"

#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

bool baseline_pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

static int64_t nanoseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t baseline_wall(void) { return nanoseconds(CLOCK_MONOTONIC); }

int64_t baseline_cpu(void) { return nanoseconds(CLOCK_PROCESS_CPUTIME_ID); }

int64_t baseline_thread_cpu(void) { return nanoseconds(CLOCK_THREAD_CPUTIME_ID); }

int64_t baseline_peak_memory(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss * 1024;
}

void baseline_show_lines(void) { setvbuf(stdout, NULL, _IOLBF, 0); }
