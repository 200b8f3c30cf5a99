/* The name of a remote on this machine: its folder, its lock and its socket, as "The wire of shm" in
 * docs/architecture.md has them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif
enum { KNOCKING_MAX = 128 }; /* who may have connected before we look */

/* Take a name; return a listening socket, -1: it cannot be had, as was printed. `refused`: whether no message with
 * descriptors gets to us. */
static int listen_as(const char *name, uint32_t *refused)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat place, held, named; char path[4096], lock[80];
    const char *own = getenv("MBOXIO_RUNTIME_DIR"), *session = getenv("XDG_RUNTIME_DIR");
    int listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), lock_file, folder;
    if (own && *own) snprintf(path, sizeof path, "%s", own);
    else if (session && *session == '/') snprintf(path, sizeof path, "%s/mboxio", session);
    else snprintf(path, sizeof path, "/tmp/mboxio-%u", geteuid());
    snprintf(lock, sizeof lock, "%s.lock", name), snprintf(at.sun_path, sizeof at.sun_path, "%s.sock", name);
    umask(077), mkdir(path, 0700); /* folder, lock and socket are the user's alone */
    /* What is checked is what is used from here on, whatever becomes of its name meanwhile. */
    if ((folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0 || fstat(folder, &place) ||
        place.st_uid != geteuid() || place.st_mode & 077 || fchdir(folder))
        return fprintf(stderr, "firmware: the folder %s is not private\n", path), -1;
    lock_file = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (flock(lock_file, LOCK_EX | LOCK_NB) || fstat(lock_file, &held) || lstat(lock, &named) ||
        held.st_ino != named.st_ino || held.st_dev != named.st_dev || /* its owner just ended */
        ftruncate(lock_file, 0) || dprintf(lock_file, "%d\n", getpid()) < 0)
        return fprintf(stderr, "firmware: %s/%s is in use\n", path, lock), -1;
    if (!lstat(at.sun_path, &named) && !S_ISSOCK(named.st_mode))
        return fprintf(stderr, "firmware: %s/%s is in the way: it is no socket\n", path, at.sun_path), -1;
    unlink(at.sun_path); /* left behind: the lock was free */
    *refused = !setsockopt(listening, SOL_SOCKET, SO_PASSRIGHTS, &(int){0}, sizeof(int)); /* and to all accepted */
    if (bind(listening, (struct sockaddr *)&at, sizeof at) || listen(listening, KNOCKING_MAX))
        return perror(at.sun_path), -1;
    return listening;
}
