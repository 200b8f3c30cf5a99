/* The remote of the two-process tests in C: sends back every message of the first channel.
 *
 * Arguments: file of the memory, socket that is the doorbell, number of messages.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "mboxio_ring.h"

static int fail(const char *what)
{
    fprintf(stderr, "echo: %s\n", what);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return fail("three arguments");
    int file = open(argv[1], O_RDWR), doorbell = atoi(argv[2]);
    struct stat about;
    if (file < 0 || fstat(file, &about))
        return fail("no memory");
    uint32_t size_bytes = (uint32_t)about.st_size;
    struct mboxio_memory *memory = mmap(0, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED || size_bytes < sizeof *memory || mboxio_load(&memory->magic) != MBOXIO_MAGIC)
        return fail("no memory of mboxio");

    const struct mboxio_channel_layout *table = (const void *)((char *)memory + memory->table);
    struct mboxio_ring in, out;
    if (mboxio_ring_at(&in, memory, size_bytes, &table[0].to_remote, 0) < 0 ||
        mboxio_ring_at(&out, memory, size_bytes, &table[0].to_host, 1) < 0 ||
        mboxio_attach(&in, 0) < 0 || mboxio_attach(&out, 1) < 0)
        return fail("no ring");

    uint32_t sleeps = 0, rung = 0;
    for (long left = atol(argv[3]); left;) {
        struct mboxio_entry entry;
        int found = mboxio_peek(&in, &entry);
        if (found < 0)
            return fail("the host lied");
        if (!found) {
            char bell;
            mboxio_arm(&memory->remote_armed, &sleeps);
            if (mboxio_pending(&in) == 0 && recv(doorbell, &bell, 1, 0) != 1)
                return fail("no doorbell");
            mboxio_disarm(&memory->remote_armed);
            continue;
        }
        if (mboxio_push(&out, MBOXIO_REPLY, entry.tag, entry.payload, entry.length) != MBOXIO_DONE)
            return fail("the host sent more than it may");
        mboxio_advance(&in);
        mboxio_release(&in);
        if (mboxio_doorbell_needed(&memory->host_armed, &rung))
            send(doorbell, "!", 1, MSG_DONTWAIT);
        left--;
    }
    char bell;
    while (recv(doorbell, &bell, 1, 0) == 1)
        ; /* the host may still ring for what was taken already */
    return 0;
}
