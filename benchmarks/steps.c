/* What the steps of a request cost by themselves, in C on one CPU: prints nanoseconds as JSON. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mboxio_ring.h"

enum { TIMES = 2000000, SLOTS = 33, SLOT_BYTES = 40 };
static _Alignas(MBOXIO_LINE_BYTES) uint32_t words[64], slots[SLOTS * SLOT_BYTES / 4];
static struct mboxio_ring out, in;
static unsigned char message[32];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *volatile kept;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void allocate(void) { free(kept), kept = malloc(96); }
static void lock(void) { pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex); }
static void look_at_the_clock(void) { (void)now_ns(); }
static void fence(void) { MBOXIO_FULL_FENCE(); }

static void ring(void)
{
    struct mboxio_entry entry;
    mboxio_push(&out, MBOXIO_REQUEST, 1, message, sizeof message);
    mboxio_peek(&in, &entry);
    mboxio_copy_out(message, &entry);
    mboxio_advance(&in);
    mboxio_release(&in);
}

static void measure(const char *name, void (*step)(void), const char *after)
{
    double began_ns = now_ns(), spent_ns;
    for (long left = TIMES; left; left--)
        step();
    spent_ns = now_ns() - began_ns;
    printf("\"%s\": %.1f%s", name, spent_ns / TIMES, after);
}

int main(void)
{
    mboxio_ring_init(&out, &words[0], &words[32], slots, SLOTS, SLOT_BYTES, 1);
    mboxio_ring_init(&in, &words[32], &words[0], slots, SLOTS, SLOT_BYTES, 1);
    printf("{");
    measure("a full fence", fence, ", ");
    measure("allocate and free 96 bytes", allocate, ", ");
    measure("a look at the clock", look_at_the_clock, ", ");
    measure("lock and unlock a mutex", lock, ", ");
    measure("32 B through the ring and out", ring, "}\n");
    return 0;
}
