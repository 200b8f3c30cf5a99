/* The hosts of the firmware: who comes and gets a memory, who rings, who hangs up, and who has to go.
 *
 * Nothing here waits for any of them. Each has a memory of its own from when it comes. There are limits on places, on
 * doorbells with nothing behind them, and, while others are here, on the time for those who come and go.
 */
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "memory.h"

#ifndef PLACES
#define PLACES 64 /* one user has three quarters of them at most */
#endif
#ifndef SILENT_S
#define SILENT_S 10 /* so long a host has its place at least that never asks */
#endif
#ifndef DEAF_NS
#define DEAF_NS 4000000 /* at most, from one doorbell to the next of a host that rings for nothing */
#endif
#ifndef RESTS
#define RESTS 4 /* times as long as coming and going takes belong to those who are here */
#endif
#ifndef SLOW_MAX
#define SLOW_MAX 16 /* connections that are being closed; with more, newcomers come in slowly */
#endif
enum { SHARE_MAX = PLACES - PLACES / 4, GREEDY = 2, USELESS_MAX = 16 };
enum { SECOND_NS = 1000000000, SHORT_NS = 100000000 };
struct host {
    struct mboxio_memory *memory;
    int64_t since_ns;
    uint32_t sleeps, rung, said; /* our sleeps, the sleep of the host that we rang for, the CPU that we told it */
    uint32_t asked, bells;       /* whether it ever wanted something, and doorbells since it last did */
    struct ucred whose; int socket;
    struct channel channels[];
};
static struct host *hosts[PLACES], *latest; /* the oldest first, and who was the last to want something */
static uint32_t present, closing, refused; /* how many, and whether the kernel refuses descriptors of theirs */
/* What we listen to: the door, then each host. Who rests until some time is not heard before, only its end is. */
enum { DOOR, FIRST };
static struct pollfd ears[FIRST + PLACES];
static int64_t rests_until_ns[FIRST + PLACES], some_rest;

static int64_t now_ns(void)
{
    struct timespec now; clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void let_rest(uint32_t ear, int64_t until_ns)
{
    ears[ear].events = 0, rests_until_ns[ear] = until_ns, some_rest = 1;
}

/* Listen again to those whose rest is over; return how long until the next one's is. */
static int64_t resume_ns(void)
{
    int64_t time_ns = now_ns(), next_ns = INT64_MAX;
    for (uint32_t ear = 0; ear < FIRST + present; ear++)
        if (rests_until_ns[ear] <= time_ns) ears[ear].events = POLLIN;
        else if (rests_until_ns[ear] < next_ns) next_ns = rests_until_ns[ear];
    some_rest = next_ns != INT64_MAX;
    return some_rest ? next_ns - time_ns : INT64_MAX;
}

/* Take a doorbell; false: the host is gone, or sends descriptors. Who takes those closes them for as long as the host
 * likes, so a message is looked at first. One for each look at the rings, and after some without any message behind
 * them, one for each pause. The pauses of many hosts end together. */
static int hear(uint32_t place)
{
    struct host *host = hosts[place];
    char bells[64]; struct iovec room = {.iov_base = bells, .iov_len = sizeof bells};
    struct msghdr looked = {.msg_iov = &room, .msg_iovlen = 1};
    ssize_t got = refused ? 1 : recvmsg(host->socket, &looked, MSG_DONTWAIT | MSG_PEEK);
    if (got > 0 && !(looked.msg_flags & MSG_CTRUNC)) got = recv(host->socket, bells, sizeof bells, MSG_DONTWAIT);
    if (got > 0 && ++host->bells > USELESS_MAX) let_rest(FIRST + place, (now_ns() / DEAF_NS + 1) * DEAF_NS);
    return !(looked.msg_flags & MSG_CTRUNC) && (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)));
}

/* Close a connection. What lies in it unread may take its time, on a thread of its own, unless it is only bells. While
 * more than SLOW_MAX do, few are let in. */
static void *close_it(void *socket)
{
    close((int)(intptr_t)socket);
    __atomic_sub_fetch(&closing, 1, __ATOMIC_RELAXED);
    return 0;
}
static void let_go(int socket)
{
    pthread_t thread;
    if (shutdown(socket, SHUT_RDWR), refused) { close(socket); return; }
    if (__atomic_add_fetch(&closing, 1, __ATOMIC_RELAXED) > SLOW_MAX) let_rest(DOOR, now_ns() + SHORT_NS);
    if (!pthread_create(&thread, 0, close_it, (void *)(intptr_t)socket)) pthread_detach(thread);
}

/* Somebody came or went, from then until now: the door rests RESTS times as long if others were here. */
static void charge(int64_t began_ns, uint32_t others)
{
    int64_t ended_ns = now_ns(), from_ns = rests_until_ns[DOOR] < ended_ns ? ended_ns : rests_until_ns[DOOR];
    if (others) let_rest(DOOR, from_ns + RESTS * (ended_ns - began_ns));
}

static void drop(uint32_t place)
{
    int64_t began_ns = now_ns(); struct host *host = hosts[place];
    if (latest == host) latest = 0;
    present--;
    for (uint32_t i = place, ear = FIRST + place; i < present; i++, ear++)
        hosts[i] = hosts[i + 1], ears[ear] = ears[ear + 1], rests_until_ns[ear] = rests_until_ns[ear + 1];
    munmap(host->memory, size_bytes);
    let_go(host->socket);
    free(host);
    charge(began_ns, present);
}

/* Tell a host, in place of the hello or of a doorbell, why it has no place. */
static void send_away(int socket, const char *why)
{
    char text[64];
    send(socket, text, (size_t)snprintf(text, sizeof text, "MBX!%s", why), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static uint32_t places_of(pid_t process)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < present; i++) found += hosts[i]->whose.pid == process;
    return found;
}

/* Is there a place? If not, a host of the same user goes that never wanted anything: the oldest of the process with
 * the most places if that has far more than this one, or if the host was there for SILENT_S. */
static int make_room(const struct ucred *whose)
{
    uint32_t same = 0, most = 0, goes = PLACES, own;
    for (uint32_t i = 0; i < present; i++) same += hosts[i]->whose.uid == whose->uid;
    if (present < PLACES && same < SHARE_MAX) return 1;
    own = places_of(whose->pid);
    for (uint32_t i = 0; i < present; i++) {
        uint32_t held = places_of(hosts[i]->whose.pid);
        if (!hosts[i]->asked && hosts[i]->whose.uid == whose->uid && held > most &&
            (held >= own + GREEDY || now_ns() - hosts[i]->since_ns >= SILENT_S * INT64_C(1000000000)))
            most = held, goes = i;
    }
    if (goes == PLACES) return 0;
    send_away(hosts[goes]->socket, "it asked nothing, and another host needed the place");
    drop(goes);
    return 1;
}

/* Give a host its memory and a place; false: it cannot be had. */
static int welcome(int socket, const struct ucred *whose)
{
    struct host *host = calloc(1, sizeof *host + count * sizeof *host->channels);
    if (!host || !(host->memory = hand_over(socket, host->channels))) return free(host), 0;
    host->socket = socket, host->whose = *whose, host->since_ns = now_ns();
    ears[FIRST + present] = (struct pollfd){.fd = socket, .events = POLLIN}, rests_until_ns[FIRST + present] = 0;
    hosts[present++] = host;
    return 1;
}

/* Let a host in, or send it away, or find that it has gone again. */
static void let_in(int socket)
{
    int64_t began_ns = now_ns(); struct ucred whose; char bell; int stays = 0;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &whose, &(socklen_t){sizeof whose}) ||
        (whose.uid != geteuid() && whose.uid != 0))
        send_away(socket, "this is another user's");
    else if (recv(socket, &bell, 1, MSG_PEEK | MSG_DONTWAIT) != 0) {
        if (!make_room(&whose)) send_away(socket, "there are as many hosts as there may be");
        else if (!(stays = welcome(socket, &whose))) send_away(socket, "it has no memory or no descriptor left");
    }
    if (!stays) let_go(socket);
    charge(began_ns, present - (uint32_t)stays);
}

/* Hear who rings, hangs up or knocks; sleep until somebody does if there is nothing else to do. */
static void attend(int sleep)
{
    int64_t left_ns = some_rest ? resume_ns() : INT64_MAX;
    struct timespec rest = {sleep ? left_ns / SECOND_NS : 0, sleep ? left_ns % SECOND_NS : 0};
    int heard = ppoll(ears, FIRST + present, sleep && left_ns == INT64_MAX ? 0 : &rest, 0);
    if (heard == 0) return;
    for (uint32_t i = present; i-- > 0;) /* backwards: where one goes, the younger ones move up */
        if ((heard < 0 || ears[FIRST + i].revents) && !hear(i)) drop(i); /* where it cannot be asked, it is tried */
    if (heard > 0 && !ears[DOOR].revents) return;
    int socket = accept4(ears[DOOR].fd, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0) let_in(socket);
    else let_rest(DOOR, now_ns() + SHORT_NS); /* no descriptor is left */
}
