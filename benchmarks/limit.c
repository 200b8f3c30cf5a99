/* The physical limit: two processes, spinning on two CPUs, over the rings of mboxio_ring.h, and nothing else.
 *
 * usage: limit HOST_CPU REMOTE_CPU SIZE_BYTES IN_FLIGHT ROUNDS ROUND_S
 *
 * The host sends bursts of IN_FLIGHT requests and takes all replies of one before the next. No doorbell, no
 * clock, no deadline; each reply's tag is compared. Prints the time of a request in each round, in µs, as JSON.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "mboxio_ring.h"

enum { SLOTS = 33, SIZE_MAX_BYTES = 65536 };
static struct {
    _Alignas(MBOXIO_LINE_BYTES) uint32_t host[2];
    _Alignas(MBOXIO_LINE_BYTES) uint32_t remote[2];
    _Alignas(MBOXIO_LINE_BYTES) unsigned char to_remote[SLOTS * (SIZE_MAX_BYTES + MBOXIO_SLOT_HEADER_BYTES)];
    _Alignas(MBOXIO_LINE_BYTES) unsigned char to_host[SLOTS * (SIZE_MAX_BYTES + MBOXIO_SLOT_HEADER_BYTES)];
} *memory;

static void fail(const char *what)
{
    fprintf(stderr, "limit: %s\n", what);
    exit(1);
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) fail("no such CPU");
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Send everything back, for ever; the slots of what came together are given back together. */
static void serve(struct mboxio_ring *in, struct mboxio_ring *out)
{
    struct mboxio_entry entry;
    for (;;) {
        while (mboxio_peek(in, &entry) == MBOXIO_DONE) {
            if (mboxio_push(out, MBOXIO_REPLY, entry.tag, entry.payload, entry.length) != MBOXIO_DONE)
                fail("no place for a reply");
            mboxio_advance(in);
        }
        mboxio_release(in);
    }
}

static void request(struct mboxio_ring *out, struct mboxio_ring *in, long bursts, uint32_t in_flight, uint32_t size)
{
    static unsigned char message[SIZE_MAX_BYTES], reply[SIZE_MAX_BYTES];
    struct mboxio_entry entry;
    static uint32_t sent, taken;
    while (bursts--) {
        for (uint32_t i = 0; i < in_flight; i++)
            while (mboxio_push(out, MBOXIO_REQUEST, sent, message, size) != MBOXIO_DONE || !++sent)
                ; /* the remote gives back slots a little later than it answers */
        for (uint32_t i = 0; i < in_flight; i++) {
            while (mboxio_peek(in, &entry) == MBOXIO_NOTHING)
                mboxio_release(in);
            if (entry.tag != taken++ || entry.length != size) fail("a wrong reply");
            mboxio_copy_out(reply, &entry);
            mboxio_advance(in);
        }
        mboxio_release(in);
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) fail("usage: limit HOST_CPU REMOTE_CPU SIZE_BYTES IN_FLIGHT ROUNDS ROUND_S");
    uint32_t size = (uint32_t)atoi(argv[3]), in_flight = (uint32_t)atoi(argv[4]);
    double round_s = atof(argv[6]), began_s = now_s(), spent_s = 0;
    uint32_t slot_bytes = MBOXIO_SLOT_HEADER_BYTES + (size + 7) / 8 * 8;
    struct mboxio_ring in, out;
    long bursts = 1;
    if (size > SIZE_MAX_BYTES || in_flight < 1 || in_flight >= SLOTS) fail("size or number out of range");
    memory = mmap(0, sizeof *memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("no memory");
    pid_t parent = getpid(), remote = fork();
    int host = remote != 0;
    mboxio_ring_init(&out, host ? &memory->host[0] : &memory->remote[0], host ? &memory->remote[1] : &memory->host[1],
                     host ? memory->to_remote : memory->to_host, SLOTS, slot_bytes, 1);
    mboxio_ring_init(&in, host ? &memory->host[1] : &memory->remote[1], host ? &memory->remote[0] : &memory->host[0],
                     host ? memory->to_host : memory->to_remote, SLOTS, slot_bytes, 1);
    mboxio_attach(&out, 1);
    mboxio_attach(&in, 0);
    pin(atoi(argv[host ? 1 : 2]));
    if (!host) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) serve(&in, &out);
        return 1;
    }
    while (spent_s < round_s) { /* warm up, and find out how much a round is */
        bursts *= 2;
        began_s = now_s();
        request(&out, &in, bursts, in_flight, size);
        spent_s = now_s() - began_s;
    }
    printf("[");
    for (int rounds = atoi(argv[5]); rounds; rounds--) {
        began_s = now_s();
        request(&out, &in, bursts, in_flight, size);
        printf("%.6f%s", (now_s() - began_s) * 1e6 / (double)bursts / in_flight, rounds > 1 ? ", " : "]\n");
    }
    return kill(remote, SIGKILL);
}
