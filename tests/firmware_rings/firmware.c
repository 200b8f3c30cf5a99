/* Firmware that lays its rings out in a mapped file: a process stands for a microcontroller.
 *
 * firmware FILE [SOCKET]: two echo channels. With a socket it sleeps, and a byte each way is the doorbell; without one
 * it looks on and gives way. The first byte of a request commands: '!' fails, 'N' sends a notification as well, 'Q'
 * asks the host, 'H' hangs, 'X' ends at once, 'L' writes an impossible index and hangs, 'W' waits before it answers. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mboxio_firmware.h"

enum { CHANNELS = 2, DEPTH = 8, MESSAGE_BYTES = 56 };
#define BYTES (MBOXIO_HEAD_BYTES(CHANNELS) + CHANNELS * MBOXIO_CHANNEL_BYTES(DEPTH, MESSAGE_BYTES))

static const struct mboxio_offer offers[CHANNELS] = {{"echo0", DEPTH, MESSAGE_BYTES, 0},
                                                     {"echo1", DEPTH, MESSAGE_BYTES, 0}};
static struct mboxio_ring in[CHANNELS], out[CHANNELS];
static struct mboxio_firmware own;
static int wire = -1, listener = -1;

static void ring(void)
{
    if (wire >= 0 && send(wire, "!", 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN) { close(wire); wire = -1; }
}

/* 1: something was done, 0: nothing to do, negative: the host lied. */
static int serve(uint32_t at)
{
    struct mboxio_entry entry;
    int found, pushed = MBOXIO_DONE, taken = 0;
    while ((found = mboxio_peek(&in[at], &entry)) == MBOXIO_DONE) {
        unsigned char message[MESSAGE_BYTES];
        char command = 0;
        mboxio_copy_out(message, &entry);
        if (entry.length) command = (char)message[0];
        if (command == 'H') for (;;) pause();
        if (command == 'X') _exit(0);
        if (command == 'W') usleep(300);
        if (command == 'L') for (mboxio_store(out[at].own, 77), ring();;) pause();
        if (command == 'N' && mboxio_may_speak(&own) && mboxio_push(&out[at], MBOXIO_MESSAGE, 0, "news", 4) < 0)
            return -1;
        if (command == 'Q' && mboxio_push(&out[at], MBOXIO_REQUEST, 7, "who?", 4) < 0)
            return -1;
        if (entry.kind == MBOXIO_REQUEST && command == '!')
            pushed = mboxio_push(&out[at], MBOXIO_ERROR, entry.tag, "\x16\0\0\0no", 6);
        else if (entry.kind == MBOXIO_REQUEST)
            pushed = mboxio_push(&out[at], MBOXIO_REPLY, entry.tag, message, entry.length);
        if (pushed != MBOXIO_DONE) break;
        mboxio_advance(&in[at]);
        taken++;
        mboxio_release(&in[at]);
    }
    return found < 0 || pushed < 0 ? -1 : taken > 0;
}

static void sleep_until_rung(void)
{
    struct pollfd sources[2] = {{listener, POLLIN, 0}, {wire, POLLIN, 0}};
    char bytes[256];
    if (poll(sources, 2, 10) <= 0) return;
    if (sources[0].revents) {
        if (wire >= 0) close(wire);
        wire = accept(listener, 0, 0);
        fcntl(wire, F_SETFL, O_NONBLOCK);
    } else if (wire >= 0 && read(wire, bytes, sizeof bytes) == 0) {
        close(wire), wire = -1;
    }
}

int main(int count, char **arguments)
{
    int file = open(arguments[1], O_RDWR);
    unsigned char *memory = mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    struct mboxio_memory *head = (struct mboxio_memory *)memory;
    uint32_t beat = 0;
    if (file < 0 || memory == MAP_FAILED) return perror("firmware"), 1;
    if (count > 2) {
        struct sockaddr_un place = {.sun_family = AF_UNIX};
        strncpy(place.sun_path, arguments[2], sizeof place.sun_path - 1);
        unlink(arguments[2]);
        listener = socket(AF_UNIX, SOCK_STREAM, 0);
        if (bind(listener, (struct sockaddr *)&place, sizeof place) || listen(listener, 4)) return perror("bind"), 1;
    }
    if (mboxio_lay_out(&own, memory, BYTES, offers, CHANNELS, in, out) < 0) return 2;
    printf("ready %u\n", (unsigned)BYTES), fflush(stdout);
    for (;;) {
        int meeting = mboxio_meet(&own), worked = meeting < 0 ? -1 : 0, ready = 0;
        if (meeting == MBOXIO_MET) ring();
        for (uint32_t at = 0; worked >= 0 && meeting != MBOXIO_NOBODY && at < CHANNELS; at++) {
            int done = serve(at);
            worked = done < 0 ? -1 : worked | done;
        }
        mboxio_store(&head->heartbeat, ++beat ? beat : ++beat);
        if (worked < 0) { mboxio_lay_out(&own, memory, BYTES, offers, CHANNELS, in, out); continue; }
        if (worked && mboxio_doorbell_needed(&head->host_armed, &own.rung)) ring();
        if (worked) continue;
        if (listener < 0) { sched_yield(); continue; }
        mboxio_arm(&head->remote_armed, &own.sleeps);
        for (uint32_t at = 0; own.life && at < CHANNELS; at++)
            ready |= mboxio_pending(&in[at]) && mboxio_free(&out[at]);
        if (!ready && !mboxio_host_changed(&own)) sleep_until_rung();
        mboxio_disarm(&head->remote_armed);
    }
}
