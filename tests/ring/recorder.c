/* What the functions of the header do to memory, in order: each access that crosses to the other side is noted.
 *
 * P: publish a word, O: observe one, F: full fence, A: a fence in all processes, W: write a slot, R: read a slot.
 */
#include <stdint.h>

struct event {
    uint32_t what;
    uint32_t offset; /* in the memory under test */
};

static struct event events[64];
static uint32_t count;
static const unsigned char *memory;

static void note(char what, const volatile void *address)
{
    const volatile unsigned char *place = address;
    if (place && (place < memory || place >= memory + 4096))
        return; /* the other end of a copy, in private memory */
    events[count++ % 64] = (struct event){(uint32_t)what, place ? (uint32_t)(place - memory) : 0};
}

#define MBOXIO_PUBLISH(word, value) (note('P', (word)), __atomic_store_n((word), (value), __ATOMIC_RELEASE))
#define MBOXIO_OBSERVE(word) (note('O', (word)), __atomic_load_n((word), __ATOMIC_ACQUIRE))
#define MBOXIO_FULL_FENCE() note('F', 0)
#define MBOXIO_REGISTER_FENCES() 1
#define MBOXIO_FENCE_ALL() (note('A', 0), 1)
#define MBOXIO_COPY(to, from, bytes) (note('R', (from)), note('W', (to)), __builtin_memcpy((to), (from), (bytes)))
#define MBOXIO_ZERO(to, bytes) (note('W', (to)), __builtin_memset((to), 0, (bytes)))
#include "mboxio_process.h"

uint32_t recorder_take(struct event *to);
int recorder_run(unsigned char *where, const char *operation);

/* Hand over what was noted, and forget it. */
uint32_t recorder_take(struct event *to)
{
    uint32_t taken = count;
    for (uint32_t at = 0; at < taken; at++)
        to[at] = events[at];
    count = 0;
    return taken;
}

/* Do one operation on a ring in this memory: front at 64, rear at 128, an armed word at 192, slots at 256. */
int recorder_run(unsigned char *where, const char *operation)
{
    static struct mboxio_ring out, in;
    static uint32_t sleeps, rung;
    uint32_t *front = (uint32_t *)(void *)(where + 64), *rear = (uint32_t *)(void *)(where + 128);
    uint32_t *armed = (uint32_t *)(void *)(where + 192);
    unsigned char copy[16];
    struct mboxio_entry entry;
    memory = where;
    switch (operation[0]) {
    case 'i': /* init */
        mboxio_ring_init(&out, front, rear, where + 256, 4, 16, 1);
        mboxio_ring_init(&in, rear, front, where + 256, 4, 16, 1);
        return mboxio_attach(&out, 1) + mboxio_attach(&in, 0);
    case 'p': /* push */
        return mboxio_push(&out, MBOXIO_MESSAGE, 0, "12345678", 8);
    case 'n': /* needed: the doorbell */
        return mboxio_doorbell_needed(armed, &rung);
    case 'a': /* arm */
        return mboxio_arm(armed, &sleeps), 1;
    case 'f': /* fencing arm */
        return mboxio_arm_and_fence(armed, &sleeps);
    case 'u': /* unfenced: the doorbell */
        return mboxio_doorbell_needed_unfenced(armed, &rung);
    case 'd': /* disarm */
        return mboxio_disarm(armed), 1;
    case 'l': /* look */
        return mboxio_pending(&in);
    case 't': /* take */
        if (mboxio_peek(&in, &entry) == MBOXIO_DONE)
            mboxio_copy_out(copy, &entry), mboxio_advance(&in);
        return (int)entry.length;
    case 'g': /* give back */
        return mboxio_release(&in), 1;
    case 'r': /* room */
        return mboxio_free(&out);
    default:
        return -1;
    }
}
