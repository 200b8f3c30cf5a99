/* The echo of ../firmware.c as an application of Zephyr. Untried: it needs a board.
 *
 * The host raises BELL_IRQ through the debug probe and polls for what it is sent:
 *
 *   mboxio request "rings:/echo?at=openocd:localhost:6666@RAM+SIZE&elf=build/zephyr/zephyr.elf&bell=nvic:N" hello
 */
#include <zephyr/irq.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/barrier.h>

#define MBOXIO_BEFORE_DOORBELL() barrier_dsync_fence_full()
#include "mboxio_firmware.h"

enum { DEPTH = 8, MESSAGE_BYTES = 56, BEAT_MS = 100 };
enum { SIZE_BYTES = MBOXIO_HEAD_BYTES(1) + MBOXIO_CHANNEL_BYTES(DEPTH, MESSAGE_BYTES) };

/* `elf=` finds it by this name. It is not zeroed at the start: the epoch of the life before is in it. */
uint32_t mboxio_memory[SIZE_BYTES / 4] __noinit __aligned(MBOXIO_LINE_BYTES);

static const struct mboxio_offer offer = {.name = "echo", .depth = DEPTH, .message_bytes = MESSAGE_BYTES};
static struct mboxio_firmware firmware;
static struct mboxio_ring from_host, to_host;
static K_SEM_DEFINE(bell, 0, 1);

static void on_bell(const void *unused)
{
    ARG_UNUSED(unused);
    k_sem_give(&bell);
}

/* 1: something was done, 0: there is nothing to do now, negative: the host lied. */
static int serve(void)
{
    struct mboxio_entry entry;
    int found = 0, pushed = MBOXIO_DONE, taken = 0;
    while (taken < DEPTH && (found = mboxio_peek(&from_host, &entry)) == MBOXIO_DONE) {
        if (entry.kind == MBOXIO_REQUEST)
            pushed = mboxio_push(&to_host, MBOXIO_REPLY, entry.tag, entry.payload, entry.length);
        if (pushed != MBOXIO_DONE) break;
        mboxio_advance(&from_host);
        taken++;
    }
    mboxio_release(&from_host);
    return found < 0 || pushed < 0 ? -1 : taken > 0;
}

/* Whether there is nothing to do, asked when the sleep was announced. */
static bool may_sleep(void)
{
    if (mboxio_host_changed(&firmware)) return false;
    return !firmware.life || !mboxio_pending(&from_host) || !mboxio_free(&to_host);
}

int main(void)
{
    int worked = -1;
    IRQ_CONNECT(BELL_IRQ, 1, on_bell, NULL, 0);
    irq_enable(BELL_IRQ);
    for (uint32_t beat = 1;; beat += 2) {
        if (worked < 0 &&
            mboxio_lay_out(&firmware, mboxio_memory, SIZE_BYTES, &offer, 1, &from_host, &to_host) < 0)
            k_panic();
        mboxio_store(&firmware.memory->heartbeat, beat);
        worked = mboxio_meet(&firmware);
        if (worked >= 0) worked = firmware.life ? serve() : 0;
        if (worked != 0) continue;
        mboxio_arm(&firmware.memory->remote_armed, &firmware.sleeps);
        if (may_sleep()) k_sem_take(&bell, K_MSEC(BEAT_MS)); /* a ring that came before ends it at once */
        mboxio_disarm(&firmware.memory->remote_armed);
    }
}
