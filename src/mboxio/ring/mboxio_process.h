/* SPDX-License-Identifier: MIT
 * mboxio_process.h: beside mboxio_ring.h, where both sides are processes of one Linux machine.
 *
 * Whoever rings needs a full fence after each message only because the other side may be about to sleep, and this
 * fence waits until the index has come over from the other CPU. Linux can have one made in all processes that
 * registered, wherever they run. So a side that rarely arms promises to do that whenever it arms, in the third word of
 * its line; from then on registered processes that ring need no fence. A promise that is not kept harms nobody but who
 * made it: it is not woken.
 *
 * Where both run on one CPU, who looks on keeps the other from answering. So each says in the fourth word of its line
 * where it runs, and who finds the other there gives way once (sched_yield), looks again, and sleeps. That is a hint:
 * either may have moved since, or lie, which costs a wake-up or a look in vain.
 */
#ifndef MBOXIO_PROCESS_H
#define MBOXIO_PROCESS_H

#include "mboxio_ring.h"

enum { MBOXIO_PROMISE_WORD = 2, MBOXIO_CPU_WORD = 3 }; /* counted from the armed word, in the same line */

/* Hooks. Both return whether it was done; the second only fails where the first did, or without memory. */
#ifndef MBOXIO_FENCE_ALL
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#define MBOXIO_REGISTER_FENCES() (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0)
#define MBOXIO_FENCE_ALL() (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0)
#endif

/* Hook: the CPU that runs this, plus one; 0: unknown, as it is without _GNU_SOURCE. */
#ifndef MBOXIO_CPU
#include <sched.h>
#ifdef _GNU_SOURCE
#define MBOXIO_CPU() ((uint32_t)(sched_getcpu() + 1))
#else
#define MBOXIO_CPU() 0u
#endif
#endif

/* Promise the fences, before the first mboxio_arm_and_fence() and for good; 0: it cannot be done here. */
static inline int mboxio_promise_fences(volatile uint32_t *own_armed)
{
    int able = MBOXIO_REGISTER_FENCES() && MBOXIO_FENCE_ALL();
    mboxio_store(own_armed + MBOXIO_PROMISE_WORD, able ? 1 : 0);
    return able;
}

/* As mboxio_arm(), for who has promised; 0: there was no memory, so look and arm once more in place of sleeping. */
static inline int mboxio_arm_and_fence(volatile uint32_t *own_armed, uint32_t *sleeps)
{
    mboxio_arm(own_armed, sleeps);
    return MBOXIO_FENCE_ALL();
}

/* Whether the peer has promised, and reaches this process; ask once, when the memory has been taken over. */
static inline int mboxio_fenced_by_peer(const volatile uint32_t *peer_armed)
{
    return mboxio_load(peer_armed + MBOXIO_PROMISE_WORD) == 1 && MBOXIO_REGISTER_FENCES();
}

/* As mboxio_doorbell_needed(), where mboxio_fenced_by_peer(). */
static inline int mboxio_doorbell_needed_unfenced(const volatile uint32_t *peer_armed, uint32_t *rung)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the compiler keeps the order, and the peer makes the CPU keep it */
    return mboxio_sleep_needs_doorbell(mboxio_load(peer_armed), rung);
}

/* Say on which CPU we run, if that is new; `said` starts as 0 and keeps it. Returns it. */
static inline uint32_t mboxio_say_cpu(volatile uint32_t *own_armed, uint32_t *said)
{
    uint32_t here = MBOXIO_CPU();
    if (here != *said)
        mboxio_store(own_armed + MBOXIO_CPU_WORD, *said = here);
    return here;
}

/* Say on which CPU we run; does the peer say the same? Ask once there is nothing to do, before looking on. */
static inline int mboxio_shares_cpu(volatile uint32_t *own_armed, const volatile uint32_t *peer_armed, uint32_t *said)
{
    uint32_t here = mboxio_say_cpu(own_armed, said);
    return here && mboxio_load(peer_armed + MBOXIO_CPU_WORD) == here;
}

#endif
