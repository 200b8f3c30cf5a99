/* SPDX-License-Identifier: MIT
 * mboxio_firmware.h: beside mboxio_ring.h, for firmware that makes the memory itself, as a microcontroller does.
 *
 * Nobody hands such memory over. It is RAM: what an earlier life left in it looks like a memory that is alive, and
 * what an earlier host asked would be answered to the next one. So both sides meet in three words.
 *
 *   host                                          firmware
 *   host_life = a random number, rings   ->       sees another number: drops all that waits in its rings,
 *                                        <-       host_seen = that number, rings
 *   sees it: somebody is alive there, and
 *   has dropped. Drops what waits for it
 *   host_ready = the number, rings       ->       may speak unasked from now on
 *
 * Starting firmware zeroes these words before it touches a ring, so a host that finds its number gone knows that a new
 * life began. What it wrote until then harms nobody: firmware serves no host that it has not met, and drops when it
 * meets one. A host that leaves writes 0. All this goes on beside the traffic: call mboxio_meet() in every round.
 */
#ifndef MBOXIO_FIRMWARE_H
#define MBOXIO_FIRMWARE_H

#include "mboxio_ring.h"

/* What one channel offers. */
struct mboxio_offer {
    const char *name; /* at most 32 bytes of UTF-8; shorter names end with a zero */
    uint32_t depth;   /* messages that fit each ring */
    uint32_t message_bytes;
    uint32_t flags; /* 0 */
};

/* What firmware knows of its memory, in private memory. */
struct mboxio_firmware {
    struct mboxio_memory *memory;
    struct mboxio_ring *in, *out; /* of each channel: from the host, and to it */
    uint32_t channels;
    uint32_t life;         /* of the host that is served; 0: none */
    uint32_t rung, sleeps; /* for mboxio_doorbell_needed() and mboxio_arm() */
};

#define MBOXIO_LINES(bytes) (((bytes) + MBOXIO_LINE_BYTES - 1) / MBOXIO_LINE_BYTES * MBOXIO_LINE_BYTES)
#define MBOXIO_SLOT_BYTES(message_bytes) (MBOXIO_SLOT_HEADER_BYTES + ((message_bytes) + 7) / 8 * 8)
#define MBOXIO_SLOTS_BYTES(depth, message_bytes) MBOXIO_LINES(((depth) + 1) * MBOXIO_SLOT_BYTES(message_bytes))
/* How much memory takes: this, and the next for each channel. It begins at a multiple of 64. */
#define MBOXIO_HEAD_BYTES(channels)                                                                                    \
    MBOXIO_LINES(sizeof(struct mboxio_memory) + (channels) * sizeof(struct mboxio_channel_layout))
#define MBOXIO_CHANNEL_BYTES(depth, message_bytes)                                                                     \
    (2 * MBOXIO_LINE_BYTES + 2 * MBOXIO_SLOTS_BYTES(depth, message_bytes))

enum mboxio_meeting {
    MBOXIO_NOBODY = 0, /* no host is there: serve nobody */
    MBOXIO_SERVED = 1, /* a host is there: serve it */
    MBOXIO_MET = 2     /* another one has come: ring the doorbell, then serve it */
};

/* Describe one ring and take it over; the layout ends up in memory for the host. */
static inline int mboxio_lay_ring(struct mboxio_firmware *own, struct mboxio_ring *ring, uint32_t size_bytes,
                                  volatile struct mboxio_ring_layout *layout, uint32_t front, uint32_t rear,
                                  uint32_t base, const struct mboxio_offer *offer, int producer)
{
    layout->front = mboxio_le32(front), layout->rear = mboxio_le32(rear), layout->base = mboxio_le32(base);
    layout->slots = mboxio_le32(offer->depth + 1);
    layout->slot_bytes = mboxio_le32(MBOXIO_SLOT_BYTES(offer->message_bytes));
    if (mboxio_ring_at(ring, own->memory, size_bytes, layout, producer) < 0)
        return MBOXIO_BAD_LAYOUT;
    return mboxio_attach(ring, producer);
}

/* Begin a life: lay the memory out anew. Nothing that was in it counts, and no host is served.
 *
 * `in` and `out` have a ring for each channel. The words of both sides and all indices lie in the first lines, so that
 * a host behind a probe finds them in one read. MBOXIO_BAD_LAYOUT: the memory is too small, or not aligned. Call it
 * again after a lie: the host notices, and meets us anew. */
static inline int mboxio_lay_out(struct mboxio_firmware *own, void *memory, uint32_t size_bytes,
                                 const struct mboxio_offer *offers, uint32_t channels, struct mboxio_ring *in,
                                 struct mboxio_ring *out)
{
    struct mboxio_memory *head = (struct mboxio_memory *)memory;
    volatile uint32_t *words = (volatile uint32_t *)memory;
    uint32_t index = sizeof *head, table = index + channels * 2 * MBOXIO_LINE_BYTES, epoch;
    uint32_t base = table + (uint32_t)MBOXIO_LINES(channels * sizeof(struct mboxio_channel_layout));
    if ((uintptr_t)memory % MBOXIO_LINE_BYTES || size_bytes / (2 * MBOXIO_LINE_BYTES) <= channels || size_bytes < base)
        return MBOXIO_BAD_LAYOUT;
    volatile struct mboxio_channel_layout *entry = (volatile struct mboxio_channel_layout *)(void *)(words + table / 4);
    epoch = mboxio_load(&head->epoch) + 1; /* RAM survives a reset; where it does not, host_life tells lives apart */
    mboxio_store(&head->magic, 0);
    MBOXIO_FULL_FENCE();
    mboxio_store(&head->host_life, 0); /* before any ring changes: who still finds its number has seen none change */
    MBOXIO_FULL_FENCE();
    for (uint32_t at = 1; at < size_bytes / 4; at++)
        words[at] = 0;
    own->memory = head, own->in = in, own->out = out, own->channels = channels;
    own->life = own->rung = own->sleeps = 0;
    for (uint32_t at = 0; at < channels; at++, index += 2 * MBOXIO_LINE_BYTES) {
        const struct mboxio_offer *offer = &offers[at];
        uint32_t slots = MBOXIO_SLOTS_BYTES(offer->depth, offer->message_bytes), host = index;
        uint32_t firmware = index + MBOXIO_LINE_BYTES;
        for (uint32_t byte = 0; byte < MBOXIO_NAME_BYTES && offer->name[byte]; byte++)
            entry[at].name[byte] = offer->name[byte];
        entry[at].flags = mboxio_le32(offer->flags);
        if (mboxio_lay_ring(own, &in[at], size_bytes, &entry[at].to_remote, host, firmware, base, offer, 0) < 0 ||
            mboxio_lay_ring(own, &out[at], size_bytes, &entry[at].to_host, firmware + 4, host + 4, base + slots,
                            offer, 1) < 0)
            return MBOXIO_BAD_LAYOUT;
        base += 2 * slots;
    }
    head->version = mboxio_le32(MBOXIO_VERSION), head->epoch = mboxio_le32(epoch ? epoch : 1);
    head->size_bytes = mboxio_le32(size_bytes), head->channels = mboxio_le32(channels);
    head->table = mboxio_le32(table);
    MBOXIO_CACHE_CLEAN(memory, size_bytes);
    mboxio_store(&head->magic, MBOXIO_MAGIC);
    return MBOXIO_DONE;
}

/* Whether there is a host to serve, and another one than before; call it in every round. Returns an mboxio_meeting, or
 * a lie: lay the memory out anew. */
static inline int mboxio_meet(struct mboxio_firmware *own)
{
    uint32_t life = mboxio_load(&own->memory->host_life);
    if (life == own->life) return life ? MBOXIO_SERVED : MBOXIO_NOBODY;
    for (uint32_t at = 0; at < own->channels; at++)
        if (mboxio_drop_all(&own->in[at]) < 0 || mboxio_attach(&own->out[at], 1) < 0)
            return own->in[at].lie ? own->in[at].lie : own->out[at].lie;
    own->life = life, own->rung = 0;
    mboxio_store(&own->memory->host_seen, life);
    return life ? MBOXIO_MET : MBOXIO_NOBODY;
}

/* May firmware send what nobody asked for? Before, the host still drops what it finds. */
static inline int mboxio_may_speak(const struct mboxio_firmware *own)
{
    return own->life && mboxio_load(&own->memory->host_ready) == own->life;
}

/* Has a host come or gone since mboxio_meet()? Ask between mboxio_arm() and sleeping, as the rings are asked. */
static inline int mboxio_host_changed(const struct mboxio_firmware *own)
{
    return mboxio_load(&own->memory->host_life) != own->life;
}

#endif
