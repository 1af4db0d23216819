// What the Swift code is measured against: the same work in plain C, on the same libraries.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Binds this thread to one core; false if the system refuses.
bool baseline_pin(int core);
// Nanoseconds of wall clock, and of this process on any core.
int64_t baseline_wall(void);
int64_t baseline_cpu(void);
// Lets each line go as soon as it is printed, through a pipe too.
void baseline_show_lines(void);
// Largest resident set so far, in bytes.
int64_t baseline_peak_memory(void);

// How often this process has asked for memory so far: malloc, calloc, realloc and their aligned kin.
uint64_t baseline_allocations(void);

struct baseline_signed {
    const uint8_t *key;
    const uint8_t *message;
    size_t message_count;
    const uint8_t *signature;
};

// Verifies all with libsodium; returns how many hold.
size_t baseline_verify(const struct baseline_signed *items, size_t count);

// One record to store; keys and values lie one after the other.
struct baseline_records {
    const uint8_t *keys;
    size_t key_count;
    const uint8_t *values;
    size_t value_count;
};

struct baseline_store;

// Opens an LMDB environment with as many tables as asked; null on any error.
struct baseline_store *baseline_store_open(const char *directory, size_t map_count, unsigned tables);
void baseline_store_close(struct baseline_store *store);
// Puts the records from `first` on, in commits of `group`; 0 or LMDB's error.
int baseline_store_put(
    struct baseline_store *store, const struct baseline_records *records, size_t first, size_t count,
    size_t group);
// Reads the records at `places`, in snapshots of `group`, and adds up their first octets; 0 or an error.
int baseline_store_get(
    struct baseline_store *store, const struct baseline_records *records, const uint32_t *places,
    size_t count, size_t group, uint64_t *sum);
