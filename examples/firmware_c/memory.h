/* The memory of a connection: made, laid out and handed over, as "The wire of shm" in docs/architecture.md has it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mboxio_process.h"

struct channel {
    struct mboxio_ring in, out;
};
static uint32_t count = 1, depth = 32, message_bytes = 256; /* of each memory */
static uint32_t size_bytes, spin, patience, promised;

static uint32_t lines(size_t bytes) { return (uint32_t)(bytes + 63) / MBOXIO_LINE_BYTES * MBOXIO_LINE_BYTES; }

/* Lay out all channels: a line of indices for each side, then the slots. */
static void lay_out(struct mboxio_memory *memory, struct channel *channels, uint32_t slots, uint32_t slot_bytes)
{
    struct mboxio_channel_layout *table = (struct mboxio_channel_layout *)(memory + 1);
    uint32_t first = lines(sizeof *memory + count * sizeof *table);
    memory->version = MBOXIO_VERSION, memory->epoch |= 1, memory->size_bytes = size_bytes;
    memory->channels = count, memory->table = sizeof *memory;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t remote = first + MBOXIO_LINE_BYTES, base = remote + MBOXIO_LINE_BYTES;
        uint32_t base_to_host = base + lines((size_t)slots * slot_bytes);
        snprintf(table[i].name, sizeof table[i].name, i ? "echo%u" : "echo", i);
        table[i].to_remote = (struct mboxio_ring_layout){first, remote, base, slots, slot_bytes};
        table[i].to_host = (struct mboxio_ring_layout){remote + 4, first + 4, base_to_host, slots, slot_bytes};
        mboxio_ring_at(&channels[i].in, memory, size_bytes, &table[i].to_remote, 0);
        mboxio_ring_at(&channels[i].out, memory, size_bytes, &table[i].to_host, 1);
        first = base_to_host + lines((size_t)slots * slot_bytes);
    }
}

/* Make a memory for a host and send it; null: it cannot be had, or the host is gone. */
static struct mboxio_memory *hand_over(int socket, struct channel *channels)
{
    uint32_t slots = depth + 1, slot_bytes = MBOXIO_SLOT_HEADER_BYTES + (message_bytes + 7) / 8 * 8;
    int memfd = memfd_create("mboxio", MFD_CLOEXEC | MFD_ALLOW_SEALING), sent = 0;
    union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof memfd)]; } passed = {
        .head = {.cmsg_len = CMSG_LEN(sizeof memfd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec hello = {.iov_base = "MBX1", .iov_len = 4};
    struct msghdr message = { /* by name: the order and what lies between are the C library's */
        .msg_iov = &hello, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = sizeof passed};
    struct mboxio_memory *memory;
    size_bytes = lines(sizeof *memory + count * sizeof(struct mboxio_channel_layout)) +
                 count * 2 * (MBOXIO_LINE_BYTES + lines((size_t)slots * slot_bytes));
    memcpy(CMSG_DATA(&passed.head), &memfd, sizeof memfd);
    memory = ftruncate(memfd, size_bytes) ? MAP_FAILED
                                          : mmap(0, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    if (memory != MAP_FAILED && getrandom(&memory->epoch, sizeof memory->epoch, 0) > 0) {
        lay_out(memory, channels, slots, slot_bytes);
        promised |= (spin || patience) && mboxio_promise_fences(&memory->remote_armed);
        mboxio_store(&memory->magic, MBOXIO_MAGIC);
        fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
        sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)hello.iov_len;
    }
    close(memfd);
    if (memory != MAP_FAILED && !sent) munmap(memory, size_bytes);
    return sent ? memory : 0;
}
