/*
 * Stands between a program and its files, for tests that take the power away. Loaded with LD_PRELOAD.
 *
 * Everything that changes files below SHIM_ROOT is written to SHIM_TRACE in the order in which it happened, data included: one
 * lock is held over each call and its record. sync_file_range is no sync and leaves no record. What is sent on sockets is
 * recorded before it is sent, so that whoever reads the trace knows what had been promised by then.
 *
 * SHIM_EXIT_AFTER=n    the process ends, as if killed, in place of the n-th change or sync.
 * SHIM_EXIT_WITH=file  it ends in place of the first change or sync after this file has come to be. A kill from outside could fall
 *                      between a change and its record, and the trace would not be what has happened.
 * SHIM_HANG_WITH=file  syncs hang for as long as this file is there.
 * SHIM_FULL_AFTER=n    the disk is full after n bytes: writes that go further are cut short and then fail with ENOSPC.
 *
 * A record: op u8, three zero bytes, length of the path u32, inode or port u64, offset u64, length of the data u64; path; data.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SENT_MAX 16384
#define BLOCK 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char root[4096];
static size_t root_length;
static int trace = -1;
static const char *exit_with;
static const char *hang_with;
static long changes_left = -1;
static long long bytes_left = -1;

static void set_up(void) {
    const char *path = getenv("SHIM_ROOT");
    if (path == NULL || strlen(path) >= sizeof root) return;
    strcpy(root, path);
    root_length = strlen(root);
    const char *file = getenv("SHIM_TRACE");
    if (file != NULL) trace = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    exit_with = getenv("SHIM_EXIT_WITH");
    hang_with = getenv("SHIM_HANG_WITH");
    const char *number = getenv("SHIM_EXIT_AFTER");
    if (number != NULL) changes_left = atol(number);
    number = getenv("SHIM_FULL_AFTER");
    if (number != NULL) bytes_left = atoll(number);
}

static void begin(void) {
    pthread_once(&once, set_up);
    pthread_mutex_lock(&lock);
}

static void end(void) {
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
}

static int below(const char *path) {
    return root_length > 0 && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

/* The absolute path of a name, links and dots left as they are. */
static void absolute(const char *path, char *into, size_t size) {
    char here[4096];
    if (path[0] == '/' || getcwd(here, sizeof here) == NULL) snprintf(into, size, "%s", path);
    else if (strncmp(path, "./", 2) == 0) snprintf(into, size, "%s/%s", here, path + 2);
    else snprintf(into, size, "%s/%s", here, path);
}

/* Where an open file lies; 1 if that is below the root. */
static int place(int fd, char *into, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, into, size - 1);
    if (length < 0) return 0;
    into[length] = 0;
    return below(into);
}

static void put(const void *bytes, size_t length) {
    const char *from = bytes;
    while (length > 0) {
        ssize_t wrote = syscall(SYS_write, trace, from, length);
        if (wrote <= 0) abort();
        from += wrote;
        length -= (size_t)wrote;
    }
}

static void record(char op, const char *path, size_t path_length, uint64_t id, uint64_t offset, const void *data, uint64_t length) {
    if (trace < 0) return;
    unsigned char head[32] = {0};
    uint32_t short_length = (uint32_t)path_length;
    head[0] = (unsigned char)op;
    memcpy(head + 4, &short_length, 4);
    memcpy(head + 8, &id, 8);
    memcpy(head + 16, &offset, 8);
    memcpy(head + 24, &length, 8);
    put(head, sizeof head);
    put(path, path_length);
    if (data != NULL) put(data, length);
}

/* Before each change and each sync below the root. */
static void count(void) {
    if (exit_with != NULL && access(exit_with, F_OK) == 0) syscall(SYS_exit_group, 137);
    if (changes_left < 0) return;
    if (changes_left == 0 || --changes_left == 0) syscall(SYS_exit_group, 137);
}

static uint64_t inode(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 ? (uint64_t)found.st_ino : 0;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* How much of a write fits on the disk, in whole blocks; -1 if nothing. */
static ssize_t fitting(size_t length, long long block) {
    if (bytes_left < 0) return (ssize_t)length;
    ssize_t fits = (long long)length > bytes_left ? (ssize_t)(bytes_left / block * block) : (ssize_t)length;
    if (fits == 0 && length > 0) { errno = ENOSPC; return -1; }
    bytes_left -= fits;
    return fits;
}

static int opened(int fd, int existed, int flags) {
    char path[4096];
    if (fd >= 0 && place(fd, path, sizeof path)) {
        if (flags & (O_CREAT | O_TRUNC) && !(existed && !(flags & O_TRUNC))) {
            if (!existed) record('O', path, strlen(path), inode(fd), 0, NULL, 0);
            if (existed && flags & O_TRUNC) record('T', path, strlen(path), inode(fd), 0, NULL, 0);
        } else {
            record('o', path, strlen(path), inode(fd), 0, NULL, 0);
        }
    }
    return fd;
}

#define OPEN(name)                                                                                                            \
    int name(const char *path, int flags, ...) {                                                                              \
        REAL(name);                                                                                                           \
        va_list rest;                                                                                                         \
        va_start(rest, flags);                                                                                                \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                               \
        va_end(rest);                                                                                                         \
        char full[8192];                                                                                                      \
        begin();                                                                                                              \
        absolute(path, full, sizeof full);                                                                                    \
        int ours = below(full), existed = ours && access(path, F_OK) == 0;                                                    \
        if (ours && flags & O_CREAT && !existed) count();                                                                     \
        int fd = real(path, flags, mode);                                                                                     \
        if (ours) opened(fd, existed, flags);                                                                                 \
        end();                                                                                                                \
        return fd;                                                                                                            \
    }

OPEN(open)
OPEN(open64)

static ssize_t sent(int fd, const struct iovec *parts, int number) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    if (trace < 0 || getpeername(fd, (struct sockaddr *)&peer, &size) != 0 || peer.ss_family != AF_INET) return 0;
    static char text[SENT_MAX];
    size_t length = 0;
    for (int part = 0; part < number && length < sizeof text; part++) {
        size_t more = parts[part].iov_len;
        if (more > sizeof text - length) more = sizeof text - length;
        memcpy(text + length, parts[part].iov_base, more);
        length += more;
    }
    record('A', "", 0, ntohs(((struct sockaddr_in *)&peer)->sin_port), 0, text, length);
    return 1;
}

static int is_socket(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(write);
    char path[4096];
    begin();
    ssize_t wrote;
    if (place(fd, path, sizeof path)) {
        count();
        ssize_t fits = fitting(length, 1);
        int flags = fcntl(fd, F_GETFL);
        off64_t at = lseek64(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
        wrote = fits < 0 ? -1 : real(fd, bytes, (size_t)fits);
        if (wrote > 0) record('W', path, strlen(path), inode(fd), (uint64_t)at, bytes, (uint64_t)wrote);
        end();
        return wrote;
    }
    if (is_socket(fd)) {
        struct iovec part = {(void *)bytes, length};
        sent(fd, &part, 1);
    }
    end();
    return real(fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int number) {
    REAL(writev);
    char path[4096];
    begin();
    if (place(fd, path, sizeof path)) abort(); /* nobody does that to a store: it would be missed */
    if (is_socket(fd)) sent(fd, parts, number);
    end();
    return real(fd, parts, number);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    REAL(send);
    struct iovec part = {(void *)bytes, length};
    begin();
    sent(fd, &part, 1);
    end();
    return real(fd, bytes, length, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    begin();
    sent(fd, message->msg_iov, (int)message->msg_iovlen);
    end();
    return real(fd, message, flags);
}

/* Before the lock is taken: everybody else goes on. */
static void hang(int fd) {
    char path[4096];
    pthread_once(&once, set_up);
    if (hang_with == NULL || !place(fd, path, sizeof path)) return;
    while (access(hang_with, F_OK) == 0) usleep(10000);
}

/* A write that is durable when it returns is a write and a sync, and one past the cache writes whole blocks. */
#define PWRITE(name)                                                                                                          \
    ssize_t name(int fd, const void *bytes, size_t length, off64_t at) {                                                      \
        REAL(name);                                                                                                           \
        char path[4096];                                                                                                      \
        int flags = fcntl(fd, F_GETFL);                                                                                       \
        if (flags & O_DSYNC) hang(fd);                                                                                        \
        begin();                                                                                                              \
        int ours = place(fd, path, sizeof path);                                                                              \
        if (ours) count();                                                                                                    \
        ssize_t fits = ours ? fitting(length, flags & O_DIRECT ? BLOCK : 1) : (ssize_t)length;                                \
        ssize_t wrote = fits < 0 ? -1 : real(fd, bytes, (size_t)fits, at);                                                    \
        if (ours && wrote > 0) record('W', path, strlen(path), inode(fd), (uint64_t)at, bytes, (uint64_t)wrote);              \
        if (ours && wrote > 0 && flags & O_DSYNC) {                                                                           \
            count();                                                                                                          \
            record('D', path, strlen(path), inode(fd), 0, NULL, 0);                                                           \
        }                                                                                                                     \
        end();                                                                                                                \
        return wrote;                                                                                                         \
    }

PWRITE(pwrite)
PWRITE(pwrite64)

#define TRUNCATE(name)                                                                                                        \
    int name(int fd, off64_t length) {                                                                                        \
        REAL(name);                                                                                                           \
        char path[4096];                                                                                                      \
        begin();                                                                                                              \
        int ours = place(fd, path, sizeof path);                                                                              \
        if (ours) count();                                                                                                    \
        int done = real(fd, length);                                                                                          \
        if (ours && done == 0) record('T', path, strlen(path), inode(fd), (uint64_t)length, NULL, 0);                         \
        end();                                                                                                                \
        return done;                                                                                                          \
    }

TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(name, op)                                                                                                        \
    int name(int fd) {                                                                                                        \
        REAL(name);                                                                                                           \
        char path[4096];                                                                                                      \
        struct stat found;                                                                                                    \
        hang(fd);                                                                                                             \
        begin();                                                                                                              \
        int ours = place(fd, path, sizeof path);                                                                              \
        if (ours) count();                                                                                                    \
        int done = real(fd);                                                                                                  \
        if (ours && done == 0 && fstat(fd, &found) == 0)                                                                      \
            record(S_ISDIR(found.st_mode) ? 'F' : op, path, strlen(path), (uint64_t)found.st_ino, 0, NULL, 0);                \
        end();                                                                                                                \
        return done;                                                                                                          \
    }

SYNC(fsync, 'S')
SYNC(fdatasync, 'D')

#define NAMED(name, op)                                                                                                       \
    int name(const char *path) {                                                                                              \
        REAL(name);                                                                                                           \
        char full[8192];                                                                                                      \
        begin();                                                                                                              \
        absolute(path, full, sizeof full);                                                                                    \
        if (below(full)) count();                                                                                             \
        int done = real(path);                                                                                                \
        if (done == 0 && below(full)) record(op, full, strlen(full), 0, 0, NULL, 0);                                          \
        end();                                                                                                                \
        return done;                                                                                                          \
    }

NAMED(unlink, 'U')
NAMED(rmdir, 'R')

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    char full[8192];
    begin();
    absolute(path, full, sizeof full);
    if (below(full)) count();
    int done = real(path, mode);
    if (done == 0 && below(full)) record('M', full, strlen(full), 0, 0, NULL, 0);
    end();
    return done;
}

int rename(const char *from, const char *to) {
    REAL(rename);
    char both[16384];
    begin();
    absolute(from, both, 8192);
    int ours = below(both);
    size_t length = strlen(both);
    absolute(to, both + length + 1, 8192);
    ours = ours || below(both + length + 1);
    if (ours) count();
    int done = real(from, to);
    if (done == 0 && ours) record('N', both, length + 1 + strlen(both + length + 1), 0, 0, NULL, 0);
    end();
    return done;
}

int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat);
    begin();
    if (root_length > 0) count();
    end();
    return real(at, path, flags);
}
