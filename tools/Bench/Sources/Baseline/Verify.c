#include "Baseline.h"

#include <sodium.h>

size_t baseline_verify(const struct baseline_signed *items, size_t count) {
    if (sodium_init() < 0) return 0;
    size_t holding = 0;
    for (size_t index = 0; index < count; index++) {
        const struct baseline_signed *item = &items[index];
        holding += crypto_sign_verify_detached(item->signature, item->message, item->message_count, item->key)
            == 0;
    }
    return holding;
}
