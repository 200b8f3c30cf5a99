/* Two threads that send messages to and fro, sleep when there is none, and wake each other.
 *
 * For ThreadSanitizer, and as a test that ends. Arguments: number of messages; "promise": both sides promise fences.
 * An alarm ends a wake-up that was lost.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer knows no fences. This is one to the machine, and nothing to it: it must not take the word of
 * a fence for an order that only release and acquire make. */
static _Thread_local int fenced;
#define MBOXIO_FULL_FENCE() ((void)__atomic_fetch_add(&fenced, 1, __ATOMIC_SEQ_CST))
#endif
#include "mboxio_process.h"

#define SLOTS 5u
#define SLOT_BYTES 40u
#define ALARM_S 50u

struct side {
    struct mboxio_ring in, out;
    uint32_t *own_armed, *peer_armed;
    uint32_t sleeps, rung;
    int promised, fenced;
    sem_t *own_bell, *peer_bell;
};

static struct {
    _Alignas(MBOXIO_LINE_BYTES) uint32_t host[5]; /* front, rear, armed word, and the promise two words on */
    _Alignas(MBOXIO_LINE_BYTES) uint32_t remote[5];
    _Alignas(MBOXIO_LINE_BYTES) uint32_t slots[2][SLOTS * SLOT_BYTES / 4];
} memory;
static sem_t bells[2];
static uint32_t messages;
static int promise;

static void fail(const char *what)
{
    fprintf(stderr, "doorbells: %s\n", what);
    exit(3);
}

static void set_up(struct side *side, uint32_t *own, uint32_t *peer, int remote)
{
    mboxio_ring_init(&side->out, &own[0], &peer[1], memory.slots[remote], SLOTS, SLOT_BYTES, 1);
    mboxio_ring_init(&side->in, &own[1], &peer[0], memory.slots[!remote], SLOTS, SLOT_BYTES, 1);
    if (mboxio_attach(&side->out, 1) < 0 || mboxio_attach(&side->in, 0) < 0)
        fail("no ring");
    side->sleeps = side->rung = 0;
    side->own_armed = &own[2];
    side->peer_armed = &peer[2];
    side->own_bell = &bells[remote];
    side->peer_bell = &bells[!remote];
    side->promised = promise && mboxio_promise_fences(side->own_armed);
}

static void ring(struct side *side)
{
    int needed = side->fenced ? mboxio_doorbell_needed_unfenced(side->peer_armed, &side->rung)
                              : mboxio_doorbell_needed(side->peer_armed, &side->rung);
    if (needed)
        sem_post(side->peer_bell);
}

/* Take the message with this number, asleep until it is there. */
static void take(struct side *side, uint32_t number)
{
    unsigned char got[SLOT_BYTES];
    struct mboxio_entry entry;
    int found;
    while ((found = mboxio_peek(&side->in, &entry)) == MBOXIO_NOTHING) {
        int sure = 1;
        if (side->promised) sure = mboxio_arm_and_fence(side->own_armed, &side->sleeps);
        else mboxio_arm(side->own_armed, &side->sleeps);
        if (sure && mboxio_pending(&side->in) == 0)
            sem_wait(side->own_bell);
        mboxio_disarm(side->own_armed);
    }
    if (found < 0 || entry.tag != number || entry.length != number % 33)
        fail("a wrong message");
    mboxio_copy_out(got, &entry);
    for (uint32_t at = 0; at < entry.length; at++)
        if (got[at] != (unsigned char)(number + at))
            fail("a wrong byte");
    mboxio_advance(&side->in);
    mboxio_release(&side->in);
}

static void push(struct side *side, uint32_t number)
{
    unsigned char message[SLOT_BYTES];
    for (uint32_t at = 0; at < SLOT_BYTES; at++)
        message[at] = (unsigned char)(number + at);
    if (mboxio_push(&side->out, MBOXIO_MESSAGE, number, message, number % 33) != MBOXIO_DONE)
        fail("no place");
    ring(side);
}

static struct side sides[2];

static void *answer(void *unused)
{
    struct side side = sides[1];
    for (uint32_t number = 0; number < messages; number++) {
        take(&side, number);
        push(&side, number);
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t remote;
    messages = argc > 1 ? (uint32_t)atol(argv[1]) : 0;
    promise = argc > 2 && !strcmp(argv[2], "promise");
    alarm(ALARM_S);
    sem_init(&bells[0], 0, 0);
    sem_init(&bells[1], 0, 0);
    for (int remote = 0; remote < 2; remote++)
        set_up(&sides[remote], remote ? memory.remote : memory.host, remote ? memory.host : memory.remote, remote);
    for (int remote = 0; remote < 2; remote++) /* each has promised before the other one asks */
        sides[remote].fenced = mboxio_fenced_by_peer(sides[remote].peer_armed);
    struct side side = sides[0];
    if (pthread_create(&remote, 0, answer, 0))
        return 1;
    for (uint32_t sent = 0, taken = 0; taken < messages; taken++) {
        for (uint32_t burst = 1 + taken % (SLOTS - 1); sent < messages && sent < taken + burst; sent++)
            push(&side, sent);
        take(&side, taken);
    }
    return pthread_join(remote, 0);
}
