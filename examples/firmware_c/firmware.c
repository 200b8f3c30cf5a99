/* Firmware in C: serves `shm:NAME` to hosts on this machine, one after the other. Who has asked nothing for
 * SILENT_S makes room if somebody else waits.
 *
 * usage: firmware NAME [spin|sleep|LOOKS [CHANNELS [DEPTH [MESSAGE_BYTES]]]]
 *
 * It spins, or sleeps when there is nothing to do, at once or after so many looks: more may come soon.
 * Each channel ("echo", "echo1", ...) sends back what it gets, an error for what starts with "fail". `serve`
 * is what a microcontroller runs as well; the rest is "The wire of shm" in docs/architecture.md.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "mboxio_process.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif
#ifndef SILENT_S
#define SILENT_S 5
#endif
enum { BATCH = 16, LOOKS_PER_CHECK = 4096, CHANNELS_MAX = 1024, SIZE_MAX_BYTES = 1 << 30 };
static struct channel {
    struct mboxio_ring in, out;
} channels[CHANNELS_MAX];
static uint32_t count = 1, depth = 32, message_bytes = 256, spin, patience, promised, refused;

/* Answer a batch. 1: something was done, 0: there is nothing to do now, -1: the host lied. */
static int serve(struct channel *channel)
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

/* Take a doorbell; false: the host is gone, or sends descriptors. Who takes those closes them for as long as the host
 * likes, so a message is looked at first. One for each look at the rings: a flood costs its sender as much as us. */
static int hear(int doorbell)
{
    char bells[64]; struct iovec room = {.iov_base = bells, .iov_len = sizeof bells};
    struct msghdr looked = {.msg_iov = &room, .msg_iovlen = 1};
    ssize_t got = refused ? 1 : recvmsg(doorbell, &looked, MSG_DONTWAIT | MSG_PEEK);
    if (got > 0 && !(looked.msg_flags & MSG_CTRUNC)) got = recv(doorbell, bells, sizeof bells, MSG_DONTWAIT);
    return !(looked.msg_flags & MSG_CTRUNC) && (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)));
}

/* Close a connection. What lies in it unread may take its time, on a thread of its own, unless it is only bells. */
static void *close_it(void *host) { close((int)(intptr_t)host); return 0; }
static void let_go(int host)
{
    pthread_t closing;
    if (shutdown(host, SHUT_RDWR), refused) close(host);
    else if (!pthread_create(&closing, 0, close_it, (void *)(intptr_t)host)) pthread_detach(closing);
}

static time_t now_s(void) { struct timespec now; clock_gettime(CLOCK_MONOTONIC, &now); return now.tv_sec; }

/* Serve one host until it goes away, lies, or is silent while another one waits. */
static void run(struct mboxio_memory *memory, int doorbell, int listening)
{
    uint32_t sleeps = 0, rung = 0, busy = 1, said = 0; time_t asked_s = 0; int shared = 0;
    struct pollfd rings = {.fd = doorbell, .events = POLLIN}, waiting = {.fd = listening, .events = POLLIN};
    for (uint32_t looks = 1, idle = 0;; looks++) {
        int worked = 0, ready = 0;
        for (uint32_t i = 0; i < count; i++)
            if ((worked |= serve(&channels[i])) < 0) return; /* the host lied */
        if (worked && mboxio_doorbell_needed(&memory->host_armed, &rung))
            send(doorbell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        busy |= (uint32_t)worked;
        if (looks % LOOKS_PER_CHECK == 0 || (!spin && !worked)) { /* before a sleep, and now and then */
            if (busy) asked_s = now_s(), busy = 0;
            if (now_s() - asked_s >= SILENT_S && poll(&waiting, 1, 0) > 0) return;
            if (spin && !hear(doorbell)) return; /* who never sleeps has to ask whether the host is there */
        }
        idle = worked ? 0 : idle + 1;
        if (idle == 1) shared = mboxio_shares_cpu(&memory->remote_armed, &memory->host_armed, &said);
        if (spin || (shared ? !idle || (idle == 1 && !sched_yield()) : idle <= patience)) continue; /* it ran */
        ready = promised ? !mboxio_arm_and_fence(&memory->remote_armed, &sleeps)
                         : (mboxio_arm(&memory->remote_armed, &sleeps), 0);
        for (uint32_t i = 0; i < count; i++) /* a negative number is a lie, which `serve` will meet */
            ready |= mboxio_pending(&channels[i].in) && mboxio_free(&channels[i].out);
        if (!ready && poll(&rings, 1, SILENT_S * 1000) != 0 && !hear(doorbell)) return;
        mboxio_disarm(&memory->remote_armed);
    }
}

static uint32_t lines(size_t bytes) { return (uint32_t)(bytes + 63) / MBOXIO_LINE_BYTES * MBOXIO_LINE_BYTES; }

/* Lay out all channels: a line of indices for each side, then the slots. */
static void lay_out(struct mboxio_memory *memory, uint32_t size_bytes, uint32_t slots, uint32_t slot_bytes)
{
    struct mboxio_channel_layout *table = (struct mboxio_channel_layout *)(memory + 1);
    uint32_t host = lines(sizeof *memory + count * sizeof *table);
    memory->version = MBOXIO_VERSION, memory->epoch |= 1, memory->size_bytes = size_bytes;
    memory->channels = count, memory->table = sizeof *memory;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t remote = host + MBOXIO_LINE_BYTES, base = remote + MBOXIO_LINE_BYTES;
        uint32_t base_to_host = base + lines((size_t)slots * slot_bytes);
        snprintf(table[i].name, sizeof table[i].name, i ? "echo%u" : "echo", i);
        table[i].to_remote = (struct mboxio_ring_layout){host, remote, base, slots, slot_bytes};
        table[i].to_host = (struct mboxio_ring_layout){remote + 4, host + 4, base_to_host, slots, slot_bytes};
        mboxio_ring_at(&channels[i].in, memory, size_bytes, &table[i].to_remote, 0);
        mboxio_ring_at(&channels[i].out, memory, size_bytes, &table[i].to_host, 1);
        host = base_to_host + lines((size_t)slots * slot_bytes);
    }
}

/* Make the memory of a connection, hand it over and serve. */
static void welcome(int host, int listening)
{
    uint32_t slots = depth + 1, slot_bytes = MBOXIO_SLOT_HEADER_BYTES + (message_bytes + 7) / 8 * 8;
    uint32_t size_bytes = lines(sizeof(struct mboxio_memory) + count * sizeof(struct mboxio_channel_layout)) +
                          count * 2 * (MBOXIO_LINE_BYTES + lines((size_t)slots * slot_bytes));
    int memfd = memfd_create("mboxio", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof memfd)]; } passed = {
        .head = {.cmsg_len = CMSG_LEN(sizeof memfd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec hello = {.iov_base = "MBX1", .iov_len = 4};
    struct msghdr message = { /* by name: the order and what lies between are the C library's */
        .msg_iov = &hello, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = sizeof passed};
    struct mboxio_memory *memory = ftruncate(memfd, size_bytes)
        ? MAP_FAILED : mmap(0, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    memcpy(CMSG_DATA(&passed.head), &memfd, sizeof memfd);
    if (memory != MAP_FAILED && getrandom(&memory->epoch, sizeof memory->epoch, 0) > 0) {
        lay_out(memory, size_bytes, slots, slot_bytes);
        promised = (spin || patience) && mboxio_promise_fences(&memory->remote_armed);
        mboxio_store(&memory->magic, MBOXIO_MAGIC);
        fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
        if (sendmsg(host, &message, MSG_NOSIGNAL) == (ssize_t)hello.iov_len)
            run(memory, host, listening);
        munmap(memory, size_bytes);
    }
    close(memfd);
}

int main(int argc, char **argv)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat place, held, named; struct ucred peer; char path[4096], lock[80]; const char *name = argv[1];
    const char *own = getenv("MBOXIO_RUNTIME_DIR"), *session = getenv("XDG_RUNTIME_DIR");
    uint32_t *numbers[] = {&count, &depth, &message_bytes}, letters = 0;
    int listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), lock_file, folder, host;
    for (int i = 3; i < argc && i < 6; i++) *numbers[i - 3] = (uint32_t)atoi(argv[i]);
    spin = argc > 2 && !strcmp(argv[2], "spin");
    patience = argc > 2 ? (uint32_t)atoi(argv[2]) : 0; /* "sleep" is none */
    while (argc > 1 && name[letters] && (isalnum((unsigned char)name[letters]) || strchr("._-", name[letters]))) letters++;
    if (argc < 2 || !letters || letters > 64 || name[letters] || !count || count > CHANNELS_MAX || !depth ||
        depth >= MBOXIO_SLOTS_MAX || message_bytes < 32 || message_bytes > MBOXIO_LENGTH_MAX ||
        (uint64_t)count * (depth + 1) * (message_bytes + 16) > SIZE_MAX_BYTES)
        return fputs("usage: firmware NAME [spin|sleep|LOOKS [CHANNELS [DEPTH [MESSAGE_BYTES]]]]\n", stderr), 2;
    if (own && *own) snprintf(path, sizeof path, "%s", own);
    else if (session && *session == '/') snprintf(path, sizeof path, "%s/mboxio", session);
    else snprintf(path, sizeof path, "/tmp/mboxio-%u", geteuid());
    snprintf(lock, sizeof lock, "%s.lock", name), snprintf(at.sun_path, sizeof at.sun_path, "%s.sock", name);
    umask(077), mkdir(path, 0700); /* folder, lock and socket are the user's alone */
    /* What is checked is what is used from here on, whatever becomes of its name meanwhile. */
    if ((folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0 || fstat(folder, &place) ||
        place.st_uid != geteuid() || place.st_mode & 077 || fchdir(folder))
        return fprintf(stderr, "firmware: the folder %s is not private\n", path), 1;
    lock_file = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (flock(lock_file, LOCK_EX | LOCK_NB) || fstat(lock_file, &held) || lstat(lock, &named) ||
        held.st_ino != named.st_ino || held.st_dev != named.st_dev || /* its owner just ended */
        ftruncate(lock_file, 0) || dprintf(lock_file, "%d\n", getpid()) < 0)
        return fprintf(stderr, "firmware: %s/%s is in use\n", path, lock), 1;
    if (!lstat(at.sun_path, &named) && !S_ISSOCK(named.st_mode))
        return fprintf(stderr, "firmware: %s/%s is in the way: it is no socket\n", path, at.sun_path), 1;
    unlink(at.sun_path); /* left behind: the lock was free */
    refused = !setsockopt(listening, SOL_SOCKET, SO_PASSRIGHTS, &(int){0}, sizeof(int)); /* and to all accepted */
    if (bind(listening, (struct sockaddr *)&at, sizeof at) || listen(listening, 16)) return perror(at.sun_path), 1;
    for (puts("ready"), fflush(stdout);; host < 0 ? (void)poll(0, 0, 100) : let_go(host)) /* none left: later */
        if ((host = accept4(listening, 0, 0, SOCK_CLOEXEC)) >= 0 &&
            !getsockopt(host, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof peer}) &&
            (peer.uid == geteuid() || peer.uid == 0))
            welcome(host, listening);
}
