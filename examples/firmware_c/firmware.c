/* Firmware in C: serves `shm:NAME` to hosts on this machine, side by side.
 *
 * usage: firmware NAME [spin|sleep|LOOKS [CHANNELS [DEPTH [MESSAGE_BYTES]]]]
 *
 * It spins, or sleeps when there is nothing to do, at once or after so many looks: more may come soon.
 * Each channel ("echo", "echo1", ...) sends back what it gets, an error for what starts with "fail". `serve`
 * is what a microcontroller runs as well; the rest is "The wire of shm" in docs/architecture.md.
 */
#define _GNU_SOURCE
#include <ctype.h>

#include "hosts.h"
#include "listen.h"

enum { BATCH = 16, LOOKS_PER_CHECK = 4096, CHANNELS_MAX = 1024, SIZE_MAX_BYTES = 1 << 30 };

/* Answer a batch. 1: something was done, 0: there is nothing to do now, -1: the host lied. Not inline: the loops around
 * it would take its registers, and each message cost more. */
static __attribute__((noinline)) int serve(struct channel *channel)
{
    static const char failure[] = "\x16\0\0\0it was asked to fail"; /* EINVAL as i32, then text */
    struct mboxio_entry entry;
    int found = 0, pushed = MBOXIO_DONE, taken = 0;
    while (taken < BATCH && (found = mboxio_peek(&channel->in, &entry)) == MBOXIO_DONE) {
        if (entry.kind == MBOXIO_REQUEST && entry.length >= 4 && !memcmp(entry.payload, "fail", 4))
            pushed = mboxio_push(&channel->out, MBOXIO_ERROR, entry.tag, failure, sizeof failure - 1);
        else if (entry.kind == MBOXIO_REQUEST)
            pushed = mboxio_push(&channel->out, MBOXIO_REPLY, entry.tag, entry.payload, entry.length);
        if (pushed != MBOXIO_DONE) break; /* full: the request keeps its slot until the host has taken a reply */
        mboxio_advance(&channel->in);
        taken++;
    }
    mboxio_release(&channel->in);
    return found < 0 || pushed < 0 ? -1 : taken > 0;
}

/* Serve a batch of each channel of a host; the result is as of `serve`. */
static int serve_host(struct host *host)
{
    int worked = 0;
    for (uint32_t i = 0; i < count; i++)
        if ((worked |= serve(&host->channels[i])) < 0) return -1;
    if (!worked) return 0;
    if (mboxio_doorbell_needed(&host->memory->host_armed, &host->rung))
        send(host->socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    host->asked = 1, host->bells = 0, latest = host;
    return 1;
}

/* Announce sleep to all hosts, and look at their rings once more. True: do not sleep. */
static int arm(void)
{
    int ready = 0;
    for (uint32_t i = 0; i < present; i++) mboxio_arm(&hosts[i]->memory->remote_armed, &hosts[i]->sleeps);
    if (promised) ready = !MBOXIO_FENCE_ALL(); /* one for all of them; it needs memory */
    for (uint32_t i = 0; i < present; i++)
        for (struct channel *each = hosts[i]->channels; each < hosts[i]->channels + count; each++)
            ready |= mboxio_pending(&each->in) && mboxio_free(&each->out); /* negative: `serve` meets the lie */
    return ready;
}

static int shares_cpu(struct host *host)
{
    return mboxio_shares_cpu(&host->memory->remote_armed, &host->memory->host_armed, &host->said);
}

/* Serve whoever is here, for ever. */
static void run(void)
{
    int shared = 0;
    for (uint32_t looks = 0, idle = 0;;) {
        int worked = 0;
        for (uint32_t i = 0; i < present; i++) {
            int found = serve_host(hosts[i]);
            if (found < 0) drop(i--); /* it lied */
            worked |= found;
        }
        if ((looks += present * count) >= LOOKS_PER_CHECK) looks = 0, attend(0); /* now and then */
        idle = worked ? 0 : idle + 1;
        if (idle == 1) shared = latest && shares_cpu(latest);
        if (present && (spin || (shared ? !idle || (idle == 1 && !sched_yield()) : idle <= patience))) continue;
        if (!arm()) attend(1);
        for (uint32_t i = 0; i < present; i++) mboxio_disarm(&hosts[i]->memory->remote_armed);
    }
}

int main(int argc, char **argv)
{
    const char *name = argv[1]; uint32_t *numbers[] = {&count, &depth, &message_bytes}, letters = 0; int listening;
    for (int i = 3; i < argc && i < 6; i++) *numbers[i - 3] = (uint32_t)atoi(argv[i]);
    spin = argc > 2 && !strcmp(argv[2], "spin");
    patience = argc > 2 ? (uint32_t)atoi(argv[2]) : 0; /* "sleep" is none */
    while (argc > 1 && name[letters] && (isalnum((unsigned char)name[letters]) || strchr("._-", name[letters])))
        letters++;
    if (argc < 2 || !letters || letters > 64 || name[letters] || !count || count > CHANNELS_MAX || !depth ||
        depth >= MBOXIO_SLOTS_MAX || message_bytes < 32 || message_bytes > MBOXIO_LENGTH_MAX ||
        (uint64_t)count * (depth + 1) * (message_bytes + 16) > SIZE_MAX_BYTES)
        return fputs("usage: firmware NAME [spin|sleep|LOOKS [CHANNELS [DEPTH [MESSAGE_BYTES]]]]\n", stderr), 2;
    if ((listening = listen_as(name, &refused)) < 0) return 1;
    puts("ready"), fflush(stdout);
    ears[DOOR] = (struct pollfd){.fd = listening, .events = POLLIN};
    run();
}
