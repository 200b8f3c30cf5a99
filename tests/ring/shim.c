/* The inline functions of the header as a shared object, for the rings in `c_ring.py`. */
#include "mboxio_ring.h"

/* A declaration and the definition, as -Wmissing-prototypes would have it. */
#define SHIM(result, name, parameters, body) \
    result shim_##name parameters; \
    result shim_##name parameters { body; }
#define RING struct mboxio_ring *ring

SHIM(uint32_t, ring_bytes, (void), return sizeof(struct mboxio_ring))
SHIM(uint32_t, lie_value, (RING), return ring->lie_value)
SHIM(void, init, (RING, uint32_t *own, uint32_t *peer, void *base, uint32_t slots, uint32_t slot_bytes, int framed),
     mboxio_ring_init(ring, own, peer, base, slots, slot_bytes, framed))
SHIM(int, attach, (RING, int producer), return mboxio_attach(ring, producer))
SHIM(int, push, (RING, uint32_t kind, uint32_t tag, const void *message, uint32_t length),
     return mboxio_push(ring, kind, tag, message, length))
SHIM(int32_t, free, (RING), return mboxio_free(ring))
SHIM(int32_t, consumed, (RING), return mboxio_consumed(ring))
SHIM(int, peek, (RING, struct mboxio_entry *entry), return mboxio_peek(ring, entry))
SHIM(void, copy_out, (void *buffer, const struct mboxio_entry *entry), mboxio_copy_out(buffer, entry))
SHIM(void, advance, (RING), mboxio_advance(ring))
SHIM(void, release, (RING), mboxio_release(ring))
SHIM(int32_t, pending, (RING), return mboxio_pending(ring))
SHIM(int, drop_all, (RING), return mboxio_drop_all(ring))
SHIM(void, arm, (uint32_t *own, uint32_t *sleeps), mboxio_arm(own, sleeps))
SHIM(void, disarm, (uint32_t *own), mboxio_disarm(own))
SHIM(int, doorbell_needed, (const uint32_t *peer, uint32_t *rung), return mboxio_doorbell_needed(peer, rung))
