/* Firmware for a microcontroller: two channels in its RAM, which the host reaches through a debug probe or, in QEMU,
 * as a file. It is made of mboxio_ring.h and mboxio_firmware.h, and of nothing else.
 *
 * A channel sends requests back as they are. The first byte may ask for more, for tests and to try things out:
 *
 *   !  the request fails                           R  resets the machine, in the middle of a batch
 *   N  the same bytes come as a notification, too  H  hangs, with the request in its slot
 *   Q  asks the host a question first              F  makes a fault
 */
#include BOARD
#include "mboxio_firmware.h"

#ifndef SPIN
#define SPIN 0 /* 1: never sleep */
#endif
enum { CHANNELS = 2, DEPTH = 8, MESSAGE_BYTES = 56 };
enum { SIZE_BYTES = MBOXIO_HEAD_BYTES(CHANNELS) + CHANNELS * MBOXIO_CHANNEL_BYTES(DEPTH, MESSAGE_BYTES) };

/* Debuggers and `elf=` find it by this name. Starting does not zero it: the epoch of the life before is in it. */
_Alignas(MBOXIO_LINE_BYTES) uint32_t mboxio_memory[SIZE_BYTES / 4] __attribute__((section(".mboxio")));

static const struct mboxio_offer offers[CHANNELS] = {
    {.name = "echo0", .depth = DEPTH, .message_bytes = MESSAGE_BYTES},
    {.name = "echo1", .depth = DEPTH, .message_bytes = MESSAGE_BYTES},
};
static struct mboxio_ring from_host[CHANNELS], to_host[CHANNELS];
static struct mboxio_firmware firmware;

static volatile uint32_t ticks;
static uint32_t notified;            /* the notification for the oldest request is out, the reply is not */
static struct mboxio_ring *asker;    /* where the answer of the host goes on; null: nothing was asked */
static uint32_t asked;               /* tag of the request that made us ask, and what we asked */

void on_tick(void) { ticks++; }      /* it wakes us; what a look finds is done by `main` */
void on_bell(void) { board_hear(); } /* and so does this */

static int refuse(struct mboxio_ring *out, uint32_t tag, const char *status_and_text, uint32_t length)
{
    return mboxio_push(out, MBOXIO_ERROR, tag, status_and_text, length);
}
#define REFUSE(out, tag, text) refuse((out), (tag), (text), sizeof(text) - 1)

/* The host has answered: it shall have added one. Now he who made us ask gets his reply. */
static int judge(const struct mboxio_entry *answer)
{
    uint32_t sum = 0;
    int pushed;
    if (!asker || answer->tag != asked) return MBOXIO_DONE; /* nobody waits for it */
    if (answer->kind == MBOXIO_REPLY && answer->length == sizeof sum)
        mboxio_copy_out(&sum, answer);
    if (answer->kind == MBOXIO_REPLY && answer->length == sizeof sum && mboxio_le32(sum) == asked + 1)
        pushed = mboxio_push(asker, MBOXIO_REPLY, asked, "right", 5);
    else
        pushed = REFUSE(asker, asked, "\x4a\0\0\0the host's answer is wrong"); /* EBADMSG */
    if (pushed == MBOXIO_DONE) asker = 0;
    return pushed;
}

/* Ask the host; the request that made us do so is answered by `judge`. */
static int ask(struct mboxio_ring *out, const struct mboxio_entry *entry)
{
    uint32_t question = mboxio_le32(entry->tag);
    int pushed;
    if (asker) return REFUSE(out, entry->tag, "\x10\0\0\0a question is open"); /* EBUSY */
    pushed = mboxio_push(out, MBOXIO_REQUEST, entry->tag, &question, sizeof question);
    if (pushed == MBOXIO_DONE) asker = out, asked = entry->tag;
    return pushed;
}

/* Push at most one message for an entry. MBOXIO_DONE: go on to the next; MBOXIO_NOTHING: no place yet; else: a lie. */
static int answer(struct mboxio_ring *out, const struct mboxio_entry *entry)
{
    unsigned char first = entry->length ? *(const volatile unsigned char *)entry->payload : 0;
    if (entry->kind == MBOXIO_REPLY || entry->kind == MBOXIO_ERROR) return judge(entry);
    if (first == 'R') board_reset();
    if (first == 'F') board_fault();
    while (first == 'H') continue;
    if (entry->kind == MBOXIO_MESSAGE) return MBOXIO_DONE;
    if (first == '!') return REFUSE(out, entry->tag, "\x16\0\0\0it was asked to fail"); /* EINVAL */
    if ((first == 'N' || first == 'Q') && !mboxio_may_speak(&firmware))
        return REFUSE(out, entry->tag, "\x0b\0\0\0the host is not ready"); /* EAGAIN */
    if (first == 'Q') return ask(out, entry);
    if (first == 'N' && !notified) {
        int pushed = mboxio_push(out, MBOXIO_MESSAGE, 0, entry->payload, entry->length);
        if (pushed != MBOXIO_DONE) return pushed;
        notified = 1;
    }
    int pushed = mboxio_push(out, MBOXIO_REPLY, entry->tag, entry->payload, entry->length);
    if (first == 'N' && pushed == MBOXIO_DONE) notified = 0;
    return pushed;
}

/* Answer a batch of a channel. 1: something was done, 0: there is nothing to do now, negative: the host lied. */
static int serve(struct mboxio_ring *in, struct mboxio_ring *out)
{
    struct mboxio_entry entry;
    int found = 0, answered = MBOXIO_DONE, taken = 0;
    while (taken < DEPTH && (found = mboxio_peek(in, &entry)) == MBOXIO_DONE &&
           (answered = answer(out, &entry)) == MBOXIO_DONE)
        mboxio_advance(in), taken++;
    mboxio_release(in); /* before the doorbell */
    return found < 0 || answered < 0 ? -1 : taken > 0;
}

/* One look at everything; the result is as of `serve`. */
static int look(void)
{
    int met = mboxio_meet(&firmware), worked = 0;
    if (met < 0) return -1;
    if (met == MBOXIO_MET) board_ring();
    if (met != MBOXIO_SERVED) notified = 0, asker = 0; /* they were of an earlier host */
    for (uint32_t at = 0; firmware.life && at < CHANNELS && worked >= 0; at++) {
        int served = serve(&from_host[at], &to_host[at]);
        worked = served < 0 ? served : worked | served;
    }
    if (worked > 0 && mboxio_doorbell_needed(&firmware.memory->host_armed, &firmware.rung)) board_ring();
    return worked;
}

/* Sleep until a doorbell or a tick, unless there is something to do: a look after it was announced tells. */
static void rest(void)
{
    int ready;
    board_hold(); /* an interrupt from now on ends the sleep at once, also one that comes before it */
    mboxio_arm(&firmware.memory->remote_armed, &firmware.sleeps);
    ready = mboxio_host_changed(&firmware);
    for (uint32_t at = 0; firmware.life && at < CHANNELS; at++)
        ready |= mboxio_pending(&from_host[at]) && mboxio_free(&to_host[at]);
    if (!ready) board_sleep();
    board_go_on();
    mboxio_disarm(&firmware.memory->remote_armed);
}

int main(void)
{
    int worked = -1;
    board_start();
    for (;;) {
        if (worked < 0 && mboxio_lay_out(&firmware, mboxio_memory, SIZE_BYTES, offers, CHANNELS, from_host, to_host) < 0)
            board_fault(); /* only if the memory that the linker gave us is impossible */
        mboxio_store(&firmware.memory->heartbeat, 2 * ticks + 1); /* here, so that it stops when this loop does */
        worked = look();
        if (worked == 0 && !SPIN) rest();
    }
}
