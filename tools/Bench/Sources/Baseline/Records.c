#include "Baseline.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct baseline_store {
    MDB_env *environment;
    MDB_dbi table;
};

static int open_tables(struct baseline_store *store, unsigned tables) {
    MDB_txn *transaction;
    int code = mdb_txn_begin(store->environment, NULL, 0, &transaction);
    if (code) return code;
    for (unsigned index = 0; index < tables; index++) {
        char name[16];
        snprintf(name, sizeof name, "table%u", index);
        code = mdb_dbi_open(transaction, name, MDB_CREATE, &store->table);
        if (code) {
            mdb_txn_abort(transaction);
            return code;
        }
    }
    return mdb_txn_commit(transaction);
}

struct baseline_store *baseline_store_open(const char *directory, size_t map_count, unsigned tables) {
    if (mkdir(directory, 0700)) return NULL;
    struct baseline_store *store = calloc(1, sizeof *store);
    if (!store) return NULL;
    if (mdb_env_create(&store->environment)) {
        free(store);
        return NULL;
    }
    if (mdb_env_set_maxdbs(store->environment, tables + 1) ||
        mdb_env_set_mapsize(store->environment, map_count) ||
        // The flags of `Store`: every commit waits for the disk.
        mdb_env_open(store->environment, directory, MDB_NOTLS, 0600) || open_tables(store, tables)) {
        baseline_store_close(store);
        return NULL;
    }
    return store;
}

void baseline_store_close(struct baseline_store *store) {
    mdb_env_close(store->environment);
    free(store);
}

int baseline_store_put(
    struct baseline_store *store, const struct baseline_records *records, size_t first, size_t count,
    size_t group) {
    for (size_t done = 0; done < count; done += group) {
        MDB_txn *transaction;
        int code = mdb_txn_begin(store->environment, NULL, 0, &transaction);
        if (code) return code;
        for (size_t index = first + done; index < first + done + group; index++) {
            MDB_val key = {records->key_count, (void *)(records->keys + index * records->key_count)};
            MDB_val value = {records->value_count, (void *)(records->values + index * records->value_count)};
            code = mdb_put(transaction, store->table, &key, &value, 0);
            if (code) {
                mdb_txn_abort(transaction);
                return code;
            }
        }
        code = mdb_txn_commit(transaction);
        if (code) return code;
    }
    return 0;
}

int baseline_store_get(
    struct baseline_store *store, const struct baseline_records *records, const uint32_t *places,
    size_t count, size_t group, uint64_t *sum) {
    for (size_t done = 0; done < count; done += group) {
        MDB_txn *transaction;
        int code = mdb_txn_begin(store->environment, NULL, MDB_RDONLY, &transaction);
        if (code) return code;
        for (size_t index = done; index < done + group; index++) {
            MDB_val key = {records->key_count, (void *)(records->keys + places[index] * records->key_count)};
            MDB_val value;
            code = mdb_get(transaction, store->table, &key, &value);
            if (code) {
                mdb_txn_abort(transaction);
                return code;
            }
            *sum += *(const uint8_t *)value.mv_data;
        }
        mdb_txn_abort(transaction);
    }
    return 0;
}
