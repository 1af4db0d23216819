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
// Nanoseconds of this thread alone.
int64_t baseline_thread_cpu(void);
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

// A datagram socket that does not block, bound to a port that the system chooses; -1 on any error.
int baseline_udp_open(uint32_t ipv4, int receive_buffer);
uint16_t baseline_udp_port(int descriptor);
void baseline_udp_close(int descriptor);
// False if the system did not take it: a lost datagram.
bool baseline_udp_send(int descriptor, const uint8_t *octets, size_t count, uint32_t ipv4, uint16_t port);

struct baseline_batch;

struct baseline_datagram {
    const uint8_t *octets;
    size_t count;
    uint32_t ipv4;
    uint16_t port;
};

struct baseline_batch *baseline_batch_new(void);
void baseline_batch_free(struct baseline_batch *batch);
// Up to 32 datagrams in one call of the system; how many came. They stand until the next call.
int baseline_batch_receive(struct baseline_batch *batch, int descriptor);
struct baseline_datagram baseline_batch_datagram(const struct baseline_batch *batch, int place);

// Waits for sockets, each known by a tag.
int baseline_poll_open(void);
bool baseline_poll_add(int poll, int descriptor, uint32_t tag);
// Writes the tags of those that have something; how many.
int baseline_poll_wait(int poll, uint32_t *tags, int count, int64_t nanoseconds);

// Ends the threads of the call before, and begins so many that do nothing, as fast as they can, on the caller's core.
bool baseline_burn(int count);
