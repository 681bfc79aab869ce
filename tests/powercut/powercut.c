/* A power cut for tests, to be preloaded: LD_PRELOAD=powercut.so POWERCUT_DIR=/folder program
 *
 * What a program wrote below POWERCUT_DIR and did not sync is undone, newest first, and the process is killed:
 * on SIGUSR1, or after POWERCUT_MS milliseconds. A file's data counts as safe after fsync or fdatasync of the
 * file, its name after fsync of the folder; sync_file_range counts for nothing. With POWERCUT_TORN=1 single
 * pages of unsynced writes stay, as a disk that reorders would leave them.
 *
 * Old bytes are recorded before each write. Calls are serialized, so this is for tests alone. Memory-mapped
 * writes, links and removed folders are not undone.
 *
 *   cc -O1 -shared -fPIC -o powercut.so powercut.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

enum kind { DATA, CREATED, RENAMED, REMOVED };

struct record {
    struct record *older;
    enum kind kind;
    dev_t dev; /* of the file, for DATA */
    ino_t ino;
    int fd; /* our own descriptor, for DATA */
    off_t offset, old_size;
    size_t length; /* bytes that were there before */
    char *bytes;
    char *from, *to;  /* paths */
    char *kept;       /* where a replaced or removed file was linked to */
    char *folder_one; /* folders whose sync makes it safe */
    char *folder_two;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct record *newest;
static char dir[PATH_MAX], trash[PATH_MAX + 16];
static size_t dir_length;
static unsigned long kept_count;
static int torn, active;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

static int below(const char *path) {
    return active && strncmp(path, dir, dir_length) == 0 && (path[dir_length] == '/' || path[dir_length] == 0);
}

static int path_of(int fd, char *out) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, out, PATH_MAX - 1);
    if (length < 0) return 0;
    out[length] = 0;
    return 1;
}

/* Whether a descriptor is a regular file below the folder. */
static int watched(int fd, struct stat *facts) {
    char path[PATH_MAX];
    if (!active || fstat(fd, facts) != 0 || !S_ISREG(facts->st_mode)) return 0;
    return path_of(fd, path) && below(path);
}

static char *folder_of(const char *path) {
    char *copy = strdup(path), *slash = strrchr(copy, '/');
    if (slash) *slash = 0;
    return copy;
}

static struct record *add(enum kind kind) {
    struct record *record = calloc(1, sizeof *record);
    record->kind = kind;
    record->fd = -1;
    record->older = newest;
    newest = record;
    return record;
}

static void forget(struct record *record) {
    if (record->fd >= 0) close(record->fd);
    if (record->kept) real_unlink(record->kept);
    free(record->bytes);
    free(record->from);
    free(record->to);
    free(record->kept);
    free(record->folder_one);
    free(record->folder_two);
    free(record);
}

/* Remembers what a write is about to replace. */
static void before_write(int fd, off_t offset, size_t length, struct stat *facts) {
    char name[64];
    struct record *record = add(DATA);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    record->fd = real_open(name, O_RDWR | O_CLOEXEC);
    record->dev = facts->st_dev;
    record->ino = facts->st_ino;
    record->offset = offset;
    record->old_size = facts->st_size;
    if (offset < facts->st_size) {
        size_t there = (size_t)(facts->st_size - offset);
        record->length = there < length ? there : length;
        record->bytes = malloc(record->length);
        ssize_t got = pread(record->fd, record->bytes, record->length, offset);
        record->length = got > 0 ? (size_t)got : 0;
    }
}

static char *keep(const char *path) {
    char name[PATH_MAX + 64];
    snprintf(name, sizeof name, "%s/%lu", trash, ++kept_count);
    return link(path, name) == 0 ? strdup(name) : NULL;
}

static void undo(struct record *record) {
    switch (record->kind) {
    case DATA:
        for (size_t at = 0; at < record->length; at += PAGE) {
            size_t step = record->length - at < PAGE ? record->length - at : PAGE;
            if (torn && rand() % 2) continue;
            if (real_pwrite(record->fd, record->bytes + at, step, record->offset + (off_t)at) < 0) perror("powercut");
        }
        if (!torn || rand() % 2) {
            struct stat facts;
            if (fstat(record->fd, &facts) == 0 && facts.st_size > record->old_size
                && real_ftruncate(record->fd, record->old_size) != 0) perror("powercut");
        }
        break;
    case CREATED:
        real_unlink(record->to);
        break;
    case RENAMED:
        real_rename(record->to, record->from);
        if (record->kept) real_rename(record->kept, record->to);
        break;
    case REMOVED:
        if (record->kept) real_rename(record->kept, record->to);
        break;
    }
}

static void cut(void) {
    pthread_mutex_lock(&lock);
    for (struct record *record = newest; record; record = record->older) undo(record);
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void *wait_for_cut(void *nothing) {
    (void)nothing;
    const char *after = getenv("POWERCUT_MS");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (after) {
        long ms = atol(after);
        struct timespec limit = {ms / 1000, ms % 1000 * 1000000};
        while (sigtimedwait(&set, NULL, &limit) < 0 && errno == EINTR) {}
    } else {
        int got;
        sigwait(&set, &got);
    }
    cut();
    return NULL;
}

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_openat = dlsym(RTLD_NEXT, "openat64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    const char *folder = getenv("POWERCUT_DIR");
    if (!folder || !realpath(folder, dir)) return;
    dir_length = strlen(dir);
    snprintf(trash, sizeof trash, "%s.trash", dir);
    mkdir(trash, 0700);
    torn = getenv("POWERCUT_TORN") != NULL;
    srand((unsigned)time(NULL) ^ (unsigned)getpid());
    active = 1;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_cut, NULL);
}

static int opened(int at, const char *path, int flags, mode_t mode) {
    if (!active || path[0] != '/' || !below(path) || !(flags & (O_CREAT | O_TRUNC)))
        return real_openat(at, path, flags, mode);
    pthread_mutex_lock(&lock);
    int existed = access(path, F_OK) == 0;
    if (existed && (flags & O_TRUNC)) {
        int fd = real_open(path, O_RDWR | O_CLOEXEC);
        struct stat facts;
        if (fd >= 0 && fstat(fd, &facts) == 0 && facts.st_size > 0) before_write(fd, 0, (size_t)facts.st_size, &facts);
        if (fd >= 0) close(fd);
    }
    int fd = real_openat(at, path, flags, mode);
    if (fd >= 0 && !existed) {
        struct record *record = add(CREATED);
        record->to = strdup(path);
        record->folder_one = folder_of(path);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN_LIKE(name)                                     \
    int name(const char *path, int flags, ...) {            \
        va_list more;                                       \
        va_start(more, flags);                              \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                       \
        return opened(AT_FDCWD, path, flags, mode);         \
    }
#define OPENAT_LIKE(name)                                   \
    int name(int at, const char *path, int flags, ...) {    \
        va_list more;                                       \
        va_start(more, flags);                              \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                       \
        return opened(at, path, flags, mode);               \
    }
OPEN_LIKE(open)
OPEN_LIKE(open64)
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

static ssize_t written(int fd, const void *bytes, size_t length, off_t offset) {
    struct stat facts;
    if (!watched(fd, &facts)) return real_pwrite(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    fstat(fd, &facts);
    before_write(fd, offset, length, &facts);
    ssize_t done = real_pwrite(fd, bytes, length, offset);
    pthread_mutex_unlock(&lock);
    return done;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return written(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return written(fd, bytes, length, offset); }

static off_t write_place(int fd, struct stat *facts) {
    return fcntl(fd, F_GETFL) & O_APPEND ? facts->st_size : lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    struct stat facts;
    if (!watched(fd, &facts)) return real_write(fd, bytes, length);
    pthread_mutex_lock(&lock);
    fstat(fd, &facts);
    before_write(fd, write_place(fd, &facts), length, &facts);
    ssize_t done = real_write(fd, bytes, length);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    struct stat facts;
    if (!watched(fd, &facts)) return real_writev(fd, parts, count);
    size_t length = 0;
    for (int at = 0; at < count; at++) length += parts[at].iov_len;
    pthread_mutex_lock(&lock);
    fstat(fd, &facts);
    before_write(fd, write_place(fd, &facts), length, &facts);
    ssize_t done = real_writev(fd, parts, count);
    pthread_mutex_unlock(&lock);
    return done;
}

static int truncated(int fd, off_t size) {
    struct stat facts;
    if (!watched(fd, &facts)) return real_ftruncate(fd, size);
    pthread_mutex_lock(&lock);
    fstat(fd, &facts);
    size_t lost = size < facts.st_size ? (size_t)(facts.st_size - size) : 0;
    before_write(fd, size, lost, &facts);
    int done = real_ftruncate(fd, size);
    pthread_mutex_unlock(&lock);
    return done;
}
int ftruncate(int fd, off_t size) { return truncated(fd, size); }
int ftruncate64(int fd, off_t size) { return truncated(fd, size); }

int rename(const char *from, const char *to) {
    if (!below(from) && !below(to)) return real_rename(from, to);
    pthread_mutex_lock(&lock);
    char *kept = keep(to);
    int done = real_rename(from, to);
    if (done == 0) {
        struct record *record = add(RENAMED);
        record->from = strdup(from);
        record->to = strdup(to);
        record->kept = kept;
        record->folder_one = folder_of(from);
        record->folder_two = folder_of(to);
    } else if (kept) {
        int error = errno;
        real_unlink(kept);
        free(kept);
        errno = error;
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int unlink(const char *path) {
    if (!below(path)) return real_unlink(path);
    pthread_mutex_lock(&lock);
    char *kept = keep(path);
    int done = real_unlink(path);
    if (done == 0) {
        struct record *record = add(REMOVED);
        record->to = strdup(path);
        record->kept = kept;
        record->folder_one = folder_of(path);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

static int is(const char *one, const char *other) { return one && strcmp(one, other) == 0; }

static int synced(int fd, int (*sync)(int)) {
    struct stat facts;
    char path[PATH_MAX];
    if (!active || fstat(fd, &facts) != 0 || !path_of(fd, path) || !below(path)) return sync(fd);
    pthread_mutex_lock(&lock);
    int done = sync(fd);
    if (done == 0) {
        struct record **at = &newest;
        while (*at) {
            struct record *record = *at;
            int safe = S_ISDIR(facts.st_mode)
                           ? record->kind != DATA && (is(record->folder_one, path) || is(record->folder_two, path))
                           : record->kind == DATA && record->dev == facts.st_dev && record->ino == facts.st_ino;
            if (safe) {
                *at = record->older;
                forget(record);
            } else {
                at = &record->older;
            }
        }
    }
    pthread_mutex_unlock(&lock);
    return done;
}
int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }
