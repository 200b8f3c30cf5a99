/* Two threads and one ring: every message arrives once, whole and in order.
 *
 * Compiled with and without MBOXIO_WORD_COPIES, FRAMED and not. Argument: number of messages.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "mboxio_ring.h"

#ifndef FRAMED
#define FRAMED 1
#endif
#define SLOTS 7u
#define SLOT_BYTES 40u

static struct {
    _Alignas(MBOXIO_LINE_BYTES) uint32_t front;
    _Alignas(MBOXIO_LINE_BYTES) uint32_t rear;
    _Alignas(MBOXIO_LINE_BYTES) uint32_t slots[SLOTS * SLOT_BYTES / 4];
} memory;
static uint32_t messages;

static void fill(unsigned char *message, uint32_t number)
{
    for (uint32_t at = 0; at < SLOT_BYTES; at++)
        message[at] = (unsigned char)((number >> (8 * (at % 4))) + at);
}

static uint32_t length_of(uint32_t number) { return FRAMED ? number % 33 : SLOT_BYTES; }

static void *produce(void *unused)
{
    struct mboxio_ring ring;
    unsigned char message[SLOT_BYTES];
    mboxio_ring_init(&ring, &memory.front, &memory.rear, memory.slots, SLOTS, SLOT_BYTES, FRAMED);
    mboxio_attach(&ring, 1);
    for (uint32_t number = 0; number < messages; number++) {
        int result;
        fill(message, number);
        while (!(result = mboxio_push(&ring, MBOXIO_MESSAGE, number, message, length_of(number))))
            sched_yield();
        if (result < 0)
            exit(2);
    }
    return unused;
}

static int wrong(const struct mboxio_entry *entry, uint32_t number)
{
    unsigned char expected[SLOT_BYTES], got[SLOT_BYTES];
    fill(expected, number);
    mboxio_copy_out(got, entry);
    return entry->length != length_of(number) || (FRAMED && entry->tag != number) ||
           __builtin_memcmp(expected, got, entry->length);
}

int main(int argc, char **argv)
{
    pthread_t producer;
    struct mboxio_ring ring;
    messages = argc > 1 ? (uint32_t)atol(argv[1]) : 0;
    mboxio_ring_init(&ring, &memory.rear, &memory.front, memory.slots, SLOTS, SLOT_BYTES, FRAMED);
    mboxio_attach(&ring, 0);
    if (pthread_create(&producer, 0, produce, 0))
        return 1;
    for (uint32_t number = 0; number < messages;) {
        struct mboxio_entry entry;
        int found = mboxio_peek(&ring, &entry);
        if (found == MBOXIO_NOTHING) {
            mboxio_release(&ring);
            sched_yield();
            continue;
        }
        if (found < 0 || wrong(&entry, number)) {
            fprintf(stderr, "message %u is wrong, result %d\n", number, found);
            return 3;
        }
        mboxio_advance(&ring);
        if (++number % 3 == 0)
            mboxio_release(&ring);
    }
    return pthread_join(producer, 0);
}
