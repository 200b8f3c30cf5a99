/* SPDX-License-Identifier: MIT
 * mboxio_ring.h: a mailbox ring in shared memory, for the host and for firmware (C11, freestanding).
 *
 *   +-----+-----+-----+-----+-----+-----+-----+-----+    Indices count modulo `slots`. front == rear
 *   |  o  |     |     |     |     |  o  |  o  |  o  |    is empty, so one slot always stays empty.
 *   +-----+--^--+-----+-----+-----+--^--+-----+-----+    Both are words in memory, little-endian u32,
 *          front: next write       rear: next read       each written by one side only.
 *
 * Two layouts share these rules. FRAMED is mboxio's own: a slot starts with a word of length (bits 23:0)
 * and kind (bits 31:24) and a word of tag, the message follows at byte 8. PLAIN is foreign (ACPM for one):
 * the whole slot is the message and a shorter one is padded with zeros.
 *
 * The peer is not trusted. Our own index lives in private memory and is never read back; the peer's index
 * and each header word are read once per operation and must lie in the window that an honest peer could
 * have caused. A lie breaks this ring alone, and it stays broken until it is reset.
 *
 * One thread at a time may use one side. Nothing here waits, allocates or needs a library.
 */
#ifndef MBOXIO_RING_H
#define MBOXIO_RING_H

#include <stddef.h>
#include <stdint.h>

/* ---- Hooks: all memory ordering. The defaults suit threads and processes on coherent memory. ---- */
/* PUBLISH stores a word after every earlier access, OBSERVE loads one before any later access. Define both. */
#ifndef MBOXIO_PUBLISH
#if __GCC_ATOMIC_INT_LOCK_FREE == 2
#define MBOXIO_PUBLISH(word, value) __atomic_store_n((word), (value), __ATOMIC_RELEASE)
#define MBOXIO_OBSERVE(word) __atomic_load_n((word), __ATOMIC_ACQUIRE)
#else /* a core without atomic instructions, Cortex-M0 for one, where these call a library */
#define MBOXIO_PUBLISH(word, value) (__atomic_thread_fence(__ATOMIC_RELEASE), (void)(*(word) = (value)))
#define MBOXIO_OBSERVE(word) mboxio_observe(word)
static inline uint32_t mboxio_observe(const volatile uint32_t *word)
{
    uint32_t value = *word;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return value;
}
#endif
#endif
/* Order an earlier store before a later load: the one thing release and acquire cannot do. */
#ifndef MBOXIO_FULL_FENCE
#define MBOXIO_FULL_FENCE() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
/* Memory before a doorbell register: a `dsb st` on Arm, nothing where the doorbell is a system call. */
#ifndef MBOXIO_BEFORE_DOORBELL
#define MBOXIO_BEFORE_DOORBELL() ((void)0)
#endif
/* Caches that the peer does not see: define both. Each must have taken effect when it returns. */
#ifndef MBOXIO_CACHE_CLEAN
#define MBOXIO_CACHE_CLEAN(address, bytes) ((void)(address), (void)(bytes))
#define MBOXIO_CACHE_INVALIDATE(address, bytes) ((void)(address), (void)(bytes))
#endif
/* How slots are copied. MBOXIO_WORD_COPIES: by aligned words, which device memory takes; no library. */
#ifndef MBOXIO_COPY
#if !__STDC_HOSTED__ && !defined(MBOXIO_WORD_COPIES)
#define MBOXIO_WORD_COPIES
#endif
#define MBOXIO_COPY(to, from, bytes) __builtin_memcpy((to), (from), (bytes))
#define MBOXIO_ZERO(to, bytes) __builtin_memset((to), 0, (bytes))
#endif

/* ---- Memory layout of mboxio's own shared memory ---- */
#define MBOXIO_MAGIC 0x3158424Du /* "MBX1" */
#define MBOXIO_VERSION 1u
#define MBOXIO_LINE_BYTES 64u /* words of different writers never share a line */
#define MBOXIO_NAME_BYTES 32u
#define MBOXIO_SLOT_HEADER_BYTES 8u
#define MBOXIO_SLOTS_MAX 65536u
#define MBOXIO_LENGTH_MAX 0xFFFFFFu

/* A ring; front, rear and base are offsets in bytes from the start of the memory. */
struct mboxio_ring_layout {
    uint32_t front, rear, base;
    uint32_t slots, slot_bytes;
};

struct mboxio_channel_layout {
    char name[MBOXIO_NAME_BYTES]; /* UTF-8, padded with zeros */
    uint32_t flags, reserved;
    struct mboxio_ring_layout to_remote, to_host;
};

/* The start of the memory, three lines: who made it, the host, the remote. */
struct mboxio_memory {
    uint32_t magic; /* published last, after epoch and everything else */
    uint32_t version, epoch, size_bytes;
    uint32_t channels, table; /* how many struct mboxio_channel_layout, and the offset of the first */
    uint32_t reserved[10];
    uint32_t host_armed, host_life, host_promise, host_cpu, host_ready, host_reserved[11]; /* see mboxio_process.h */
    uint32_t remote_armed, heartbeat; /* the latter grows while the remote lives; 0: it does not beat */
    uint32_t remote_promise, remote_cpu, host_seen, remote_reserved[11]; /* host_life to host_seen: mboxio_firmware.h */
};

_Static_assert(sizeof(struct mboxio_channel_layout) == 80 && sizeof(struct mboxio_memory) == 192, "padding");

/* ---- One side of a ring, in private memory ---- */
enum mboxio_kind {
    MBOXIO_INVALID = 0, /* what zeroed memory says */
    MBOXIO_MESSAGE = 1, /* one way */
    MBOXIO_REQUEST = 2, MBOXIO_REPLY = 3,
    MBOXIO_ERROR = 4 /* a reply: the handler failed; little-endian i32 status, then UTF-8 text */
};

enum mboxio_result {
    MBOXIO_DONE = 1,
    MBOXIO_NOTHING = 0, /* push: full; peek: empty */
    MBOXIO_FRONT_LIES = -1, MBOXIO_REAR_LIES = -2, MBOXIO_LENGTH_LIES = -3, MBOXIO_KIND_LIES = -4,
    MBOXIO_TOO_LONG = -5, MBOXIO_BAD_KIND = -6, /* the caller's fault; the ring goes on */
    MBOXIO_BAD_LAYOUT = -7
};

struct mboxio_ring {
    volatile uint32_t *own;        /* the index word that we write */
    const volatile uint32_t *peer; /* the index word that the peer writes */
    unsigned char *base;
    uint32_t slots, slot_bytes;
    uint32_t header_bytes;  /* 8: FRAMED, 0: PLAIN */
    uint32_t message_bytes; /* the longest message */
    uint32_t mine;          /* own index, private */
    uint32_t published;     /* own index as the peer may have seen it */
    uint32_t seen;          /* the peer's last honest index */
    uint32_t consumed;      /* producer: slots that came back since the last mboxio_consumed() */
    uint32_t lie_value;     /* what the peer said */
    int lie;                /* enum mboxio_result; 0 while the ring works */
};

struct mboxio_entry {
    const unsigned char *payload; /* in the slot: the peer may still scribble there, so copy it once */
    uint32_t length;              /* checked: payload[0 .. length) lies in the slot */
    uint32_t kind, tag;
};

/* ---- Words and bytes ---- */
static inline uint32_t mboxio_le32(uint32_t value)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap32(value) : value;
}

static inline uint32_t mboxio_load(const volatile uint32_t *word)
{
    MBOXIO_CACHE_INVALIDATE((const volatile void *)word, sizeof *word);
    return mboxio_le32(MBOXIO_OBSERVE(word));
}

static inline void mboxio_store(volatile uint32_t *word, uint32_t value)
{
    MBOXIO_PUBLISH(word, mboxio_le32(value));
    MBOXIO_CACHE_CLEAN((volatile void *)word, sizeof *word);
}

/* Copy a message into a slot and pad it with zeros up to `total` bytes. */
static inline void mboxio_copy_in(unsigned char *slot, const void *message, uint32_t length, uint32_t total)
{
#ifdef MBOXIO_WORD_COPIES
    volatile uint32_t *to = (volatile uint32_t *)(void *)slot;
    const unsigned char *from = (const unsigned char *)message;
    for (uint32_t at = 0; at < length || at < total; at += 4) {
        uint32_t word = 0;
        for (uint32_t byte = 0; byte < 4 && at + byte < length; byte++)
            word |= (uint32_t)from[at + byte] << (8 * byte);
        *to++ = mboxio_le32(word);
    }
#else
    if (length) /* an empty message may come with a null pointer */
        MBOXIO_COPY(slot, message, length);
    if (total > length)
        MBOXIO_ZERO(slot + length, total - length);
#endif
}

/* Copy the payload of an entry out of its slot. */
static inline void mboxio_copy_out(void *buffer, const struct mboxio_entry *entry)
{
#ifdef MBOXIO_WORD_COPIES
    const volatile uint32_t *from = (const volatile uint32_t *)(const void *)entry->payload;
    uint32_t word = 0;
    for (uint32_t at = 0; at < entry->length; at++, word >>= 8) {
        if (at % 4 == 0)
            word = mboxio_le32(*from++);
        ((unsigned char *)buffer)[at] = (unsigned char)word;
    }
#else
    if (entry->length)
        MBOXIO_COPY(buffer, entry->payload, entry->length);
#endif
}

/* ---- Both sides ---- */
static inline uint32_t mboxio_next(const struct mboxio_ring *ring, uint32_t index)
{
    return index + 1 == ring->slots ? 0 : index + 1;
}

static inline uint32_t mboxio_steps(const struct mboxio_ring *ring, uint32_t from, uint32_t to)
{
    return to >= from ? to - from : to + ring->slots - from;
}

static inline int mboxio_broken(struct mboxio_ring *ring, int lie, uint32_t value)
{
    ring->lie_value = value;
    return ring->lie = lie;
}

/* Describe one side. Nothing is read until mboxio_attach(); alignment and bounds are the caller's word. */
static inline void mboxio_ring_init(struct mboxio_ring *ring, volatile uint32_t *own,
                                    const volatile uint32_t *peer, void *base, uint32_t slots,
                                    uint32_t slot_bytes, int framed)
{
    uint32_t header = framed ? MBOXIO_SLOT_HEADER_BYTES : 0, room = slot_bytes - header;
    /* Field by field: for a whole structure some compilers call memset. */
    ring->own = own, ring->peer = peer, ring->base = (unsigned char *)base;
    ring->slots = slots, ring->slot_bytes = slot_bytes, ring->header_bytes = header;
    ring->message_bytes = room < MBOXIO_LENGTH_MAX ? room : MBOXIO_LENGTH_MAX;
    ring->mine = ring->published = ring->seen = ring->consumed = ring->lie_value = 0, ring->lie = 0;
}

/* Describe one side of a FRAMED ring of a memory of `size_bytes`, after checking that it lies inside. */
static inline int mboxio_ring_at(struct mboxio_ring *ring, void *memory, uint32_t size_bytes,
                                 const volatile struct mboxio_ring_layout *layout, int producer)
{
    uint32_t front = mboxio_le32(layout->front), rear = mboxio_le32(layout->rear);
    uint32_t base = mboxio_le32(layout->base), slots = mboxio_le32(layout->slots);
    uint32_t slot_bytes = mboxio_le32(layout->slot_bytes), own = producer ? front : rear;
    unsigned char *start = (unsigned char *)memory;
    if (size_bytes < 4 || front > size_bytes - 4 || rear > size_bytes - 4 || base > size_bytes ||
        (front | rear) % 4 || (base | slot_bytes) % 8 || slots < 2 || slots > MBOXIO_SLOTS_MAX ||
        slot_bytes < MBOXIO_SLOT_HEADER_BYTES || slot_bytes > (size_bytes - base) / slots)
        return MBOXIO_BAD_LAYOUT;
    mboxio_ring_init(ring, (volatile uint32_t *)(void *)(start + own),
                     (volatile uint32_t *)(void *)(start + (front ^ rear ^ own)), start + base, slots,
                     slot_bytes, 1);
    return MBOXIO_DONE;
}

/* Take both indices as they stand in memory: at the start, and for a producer again after a lie. */
static inline int mboxio_attach(struct mboxio_ring *ring, int producer)
{
    uint32_t own = mboxio_load(ring->own);
    uint32_t peer = mboxio_load(ring->peer);
    if (own >= ring->slots)
        return mboxio_broken(ring, producer ? MBOXIO_FRONT_LIES : MBOXIO_REAR_LIES, own);
    if (peer >= ring->slots)
        return mboxio_broken(ring, producer ? MBOXIO_REAR_LIES : MBOXIO_FRONT_LIES, peer);
    ring->mine = ring->published = own;
    ring->seen = peer;
    ring->consumed = 0;
    ring->lie = 0;
    return MBOXIO_DONE;
}

/* ---- Producer: owns front ---- */
static inline int mboxio_see_rear(struct mboxio_ring *ring)
{
    uint32_t rear = mboxio_load(ring->peer);
    uint32_t steps = mboxio_steps(ring, ring->seen, rear);
    if (rear >= ring->slots || steps > mboxio_steps(ring, ring->seen, ring->mine))
        return mboxio_broken(ring, MBOXIO_REAR_LIES, rear);
    ring->seen = rear;
    ring->consumed += steps;
    return MBOXIO_DONE;
}

/* Copy a message into the ring and publish it. PLAIN layouts ignore kind and tag. */
static inline int mboxio_push(struct mboxio_ring *ring, uint32_t kind, uint32_t tag, const void *message,
                              uint32_t length)
{
    uint32_t next = mboxio_next(ring, ring->mine), total = ring->header_bytes ? length : ring->slot_bytes;
    unsigned char *slot = ring->base + (size_t)ring->mine * ring->slot_bytes;
    if (ring->lie) return ring->lie;
    if (length > ring->message_bytes) return MBOXIO_TOO_LONG;
    if (ring->header_bytes && (kind < MBOXIO_MESSAGE || kind > MBOXIO_ERROR))
        return MBOXIO_BAD_KIND;
    if (next == ring->seen && mboxio_see_rear(ring) < 0) return ring->lie;
    if (next == ring->seen) return MBOXIO_NOTHING;
    if (ring->header_bytes) {
        volatile uint32_t *header = (volatile uint32_t *)(void *)slot;
        header[0] = mboxio_le32(kind << 24 | length);
        header[1] = mboxio_le32(tag);
    }
    mboxio_copy_in(slot + ring->header_bytes, message, length, total);
    MBOXIO_CACHE_CLEAN((volatile void *)slot, ring->slot_bytes);
    ring->mine = ring->published = next;
    mboxio_store(ring->own, next);
    return MBOXIO_DONE;
}

/* How many messages can be pushed now; negative: a lie. */
static inline int32_t mboxio_free(struct mboxio_ring *ring)
{
    if (ring->lie || mboxio_see_rear(ring) < 0) return ring->lie;
    return (int32_t)(ring->slots - 1 - mboxio_steps(ring, ring->seen, ring->mine));
}

/* How many slots the consumer gave back since the last call: the n oldest are TX done; negative: a lie. */
static inline int32_t mboxio_consumed(struct mboxio_ring *ring)
{
    int32_t consumed = ring->lie || mboxio_see_rear(ring) < 0 ? ring->lie : (int32_t)ring->consumed;
    ring->consumed = 0;
    return consumed;
}

/* ---- Consumer: owns rear ---- */
static inline int mboxio_see_front(struct mboxio_ring *ring)
{
    uint32_t front = mboxio_load(ring->peer);
    /* Counted from the published rear: an index behind it that we already took would look new. */
    if (front >= ring->slots ||
        mboxio_steps(ring, ring->published, front) < mboxio_steps(ring, ring->published, ring->seen))
        return mboxio_broken(ring, MBOXIO_FRONT_LIES, front);
    ring->seen = front;
    return MBOXIO_DONE;
}

/* Look at the oldest message without taking it; the entry is only good if the result is MBOXIO_DONE. */
static inline int mboxio_peek(struct mboxio_ring *ring, struct mboxio_entry *entry)
{
    const unsigned char *slot = ring->base + (size_t)ring->mine * ring->slot_bytes;
    entry->payload = 0, entry->kind = MBOXIO_INVALID, entry->length = entry->tag = 0;
    if (ring->lie || (ring->mine == ring->seen && mboxio_see_front(ring) < 0)) return ring->lie;
    if (ring->mine == ring->seen) return MBOXIO_NOTHING;
    MBOXIO_CACHE_INVALIDATE((const volatile void *)slot, ring->slot_bytes);
    entry->payload = slot + ring->header_bytes, entry->length = ring->slot_bytes;
    entry->kind = MBOXIO_MESSAGE, entry->tag = 0;
    if (ring->header_bytes) {
        const volatile uint32_t *header = (const volatile uint32_t *)(const void *)slot;
        uint32_t word = mboxio_le32(header[0]);
        entry->kind = word >> 24;
        entry->length = word & MBOXIO_LENGTH_MAX;
        entry->tag = mboxio_le32(header[1]);
        if (entry->kind < MBOXIO_MESSAGE || entry->kind > MBOXIO_ERROR)
            return mboxio_broken(ring, MBOXIO_KIND_LIES, entry->kind);
        if (entry->length > ring->message_bytes)
            return mboxio_broken(ring, MBOXIO_LENGTH_LIES, entry->length);
    }
    return MBOXIO_DONE;
}

/* Go on to the next message after a successful mboxio_peek(); the slot is not given back yet. */
static inline void mboxio_advance(struct mboxio_ring *ring) { ring->mine = mboxio_next(ring, ring->mine); }

/* Give back all slots that were passed: their payloads must have been copied. */
static inline void mboxio_release(struct mboxio_ring *ring)
{
    if (ring->published != ring->mine)
        mboxio_store(ring->own, ring->published = ring->mine);
}

/* How many messages wait; negative: a lie. */
static inline int32_t mboxio_pending(struct mboxio_ring *ring)
{
    if (ring->lie || mboxio_see_front(ring) < 0) return ring->lie;
    return (int32_t)mboxio_steps(ring, ring->mine, ring->seen);
}

/* Mend a broken consumer: everything that waits is dropped. */
static inline int mboxio_drop_all(struct mboxio_ring *ring)
{
    uint32_t front = mboxio_load(ring->peer);
    if (front >= ring->slots)
        return mboxio_broken(ring, MBOXIO_FRONT_LIES, front);
    ring->mine = ring->published = ring->seen = front;
    ring->lie = 0;
    mboxio_store(ring->own, front);
    return MBOXIO_DONE;
}

/* ---- Doorbells: only mboxio's own memory has armed words, each written by its sleeper alone ---- */
/* Announce sleep. Then look at the rings once more, and sleep only if they are still empty. `sleeps` counts them from 0:
 * each has a number of its own, from 2 on, so that one doorbell is enough; null: not numbered, one for each message. */
static inline void mboxio_arm(volatile uint32_t *own_armed, uint32_t *sleeps)
{
    if (sleeps && ++*sleeps < 2) *sleeps = 2;
    mboxio_store(own_armed, sleeps ? *sleeps : 1);
    MBOXIO_FULL_FENCE();
}

static inline void mboxio_disarm(volatile uint32_t *own_armed) { mboxio_store(own_armed, 0); }

/* Must this sleep, as the peer's armed word says it, be rung for? */
static inline int mboxio_sleep_needs_doorbell(uint32_t sleep, uint32_t *rung)
{
    if (sleep == 0 || (sleep != 1 && rung && sleep == *rung)) return 0;
    if (rung) *rung = sleep;
    MBOXIO_BEFORE_DOORBELL();
    return 1;
}

/* After publishing: must the doorbell be rung? `rung` starts as 0 and keeps the sleep that was rung for, null: always
 * ring a sleeper. Foreign memory has no armed word (null) and always needs it. */
static inline int mboxio_doorbell_needed(const volatile uint32_t *peer_armed, uint32_t *rung)
{
    MBOXIO_FULL_FENCE();
    return mboxio_sleep_needs_doorbell(peer_armed ? mboxio_load(peer_armed) : 1, rung);
}

#endif
