/* Remembers what a disk has really been asked to keep, so that a test can cut the power.
 *
 * Preloaded into a process (LD_PRELOAD). For files below POWERCUT_ROOT it keeps, below POWERCUT_SHADOW on the
 * same file system:
 *
 *   pin/<inode>   a hard link, so that an inode's number is not given away while the test runs
 *   ino/<inode>   the file's bytes as of its last fsync or fdatasync
 *   dir/<inode>   the folder's entries as of its last fsync: "f <inode> <name>" or "d <inode> <name>"
 *
 * What is not synced stays in the page cache only: after a SIGKILL the test builds the folder again from the
 * shadow, and so "undoes" every write, new name, rename and removal that no sync covered. A shadow is brought
 * up to date before the real sync returns, never after.
 *
 * POWERCUT_LIE=1 makes every sync of a file a lie: it returns 0 and keeps nothing, as some disks do.
 *
 * Not seen: writes through mmap and raw system calls. Portico's log, its index and its keys use neither.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* Our own calls go to the kernel directly, so that they are not seen by ourselves. */
static int raw_open(const char *path, int flags, mode_t mode) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

struct range {
    off_t from, to;
};

struct file {
    ino_t inode;
    struct range *ranges;
    size_t count, room;
    struct file *next;
};

#define BUCKETS 1024
static struct file *files[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[4096], shadow[4096];
static dev_t device;
static int active, lies;

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("POWERCUT_ROOT"), *keep = getenv("POWERCUT_SHADOW"), *lie = getenv("POWERCUT_LIE");
    struct stat facts;
    if (where == NULL || keep == NULL || stat(keep, &facts) != 0) return;
    snprintf(root, sizeof root, "%s", where);
    snprintf(shadow, sizeof shadow, "%s", keep);
    device = facts.st_dev;
    lies = lie != NULL && lie[0] == '1';
    active = 1;
}

static void give_up(const char *what) {
    dprintf(2, "powercut: %s: %s\n", what, strerror(errno));
    abort();
}

static struct file *known(ino_t inode) {
    struct file *file = files[inode % BUCKETS];
    while (file != NULL && file->inode != inode) file = file->next;
    return file;
}

static struct file *know(ino_t inode) {
    struct file *file = known(inode);
    if (file != NULL) return file;
    file = calloc(1, sizeof *file);
    if (file == NULL) give_up("memory");
    file->inode = inode;
    file->next = files[inode % BUCKETS];
    files[inode % BUCKETS] = file;
    return file;
}

static void dirty(struct file *file, off_t from, off_t to) {
    if (file->count > 0) {
        struct range *last = &file->ranges[file->count - 1];
        if (from <= last->to && to >= last->from) {
            if (from < last->from) last->from = from;
            if (to > last->to) last->to = to;
            return;
        }
    }
    if (file->count == file->room) {
        file->room = file->room ? file->room * 2 : 16;
        file->ranges = realloc(file->ranges, file->room * sizeof *file->ranges);
        if (file->ranges == NULL) give_up("memory");
    }
    file->ranges[file->count++] = (struct range){from, to};
}

/* The file behind a descriptor if it lies below the root; the lock is held. */
static struct file *file_of(int fd, struct stat *facts) {
    if (!active || fstat(fd, facts) != 0 || facts->st_dev != device || !S_ISREG(facts->st_mode)) return NULL;
    return known(facts->st_ino);
}

/* A file was opened for writing: from now on its writes are watched. */
static void opened(int fd, int flags) {
    if (!active || fd < 0 || (flags & O_ACCMODE) == O_RDONLY) return;
    int before = errno;
    struct stat facts;
    char link_name[64], path[4096], pin[4200], ino[4200];
    if (fstat(fd, &facts) != 0 || facts.st_dev != device || !S_ISREG(facts.st_mode)) goto end;
    snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link_name, path, sizeof path - 1);
    if (length <= 0) goto end;
    path[length] = 0;
    size_t prefix = strlen(root);
    if (strncmp(path, root, prefix) != 0 || path[prefix] != '/') goto end;
    pthread_mutex_lock(&lock);
    struct file *file = know(facts.st_ino);
    snprintf(pin, sizeof pin, "%s/pin/%lu", shadow, (unsigned long)facts.st_ino);
    if (link(path, pin) == 0) {
        /* New since the test began: nothing of it is kept yet. */
        snprintf(ino, sizeof ino, "%s/ino/%lu", shadow, (unsigned long)facts.st_ino);
        int kept = raw_open(ino, O_CREAT | O_WRONLY | O_TRUNC, 0600);
        if (kept < 0) give_up("shadow");
        close(kept);
    } else if (errno != EEXIST && errno != ENOENT) {
        give_up("pin");
    }
    if (flags & O_TRUNC) dirty(file, 0, INT64_MAX);
    pthread_mutex_unlock(&lock);
end:
    errno = before;
}

/* Copies what was written since the last sync; the lock is held. */
static void keep_file(struct file *file, const struct stat *facts) {
    char pin[4200], ino[4200];
    static char buffer[1 << 18];
    snprintf(pin, sizeof pin, "%s/pin/%lu", shadow, (unsigned long)file->inode);
    snprintf(ino, sizeof ino, "%s/ino/%lu", shadow, (unsigned long)file->inode);
    int from = raw_open(pin, O_RDONLY, 0), to = raw_open(ino, O_CREAT | O_WRONLY, 0600);
    if (from < 0 || to < 0) give_up("shadow");
    for (size_t i = 0; i < file->count; i++) {
        off_t at = file->ranges[i].from, end = file->ranges[i].to;
        if (end > facts->st_size) end = facts->st_size;
        while (at < end) {
            size_t step = (size_t)(end - at) < sizeof buffer ? (size_t)(end - at) : sizeof buffer;
            ssize_t got = syscall(SYS_pread64, from, buffer, step, at);
            if (got < 0) give_up("read");
            if (got == 0) break;
            if (syscall(SYS_pwrite64, to, buffer, (size_t)got, at) != got) give_up("shadow write");
            at += got;
        }
    }
    if (syscall(SYS_ftruncate, to, facts->st_size) != 0) give_up("shadow size");
    close(from);
    close(to);
    file->count = 0;
}

static void keep_folder(int fd, const struct stat *facts) {
    char temp[4200], name[4200];
    snprintf(temp, sizeof temp, "%s/dir/%lu.new", shadow, (unsigned long)facts->st_ino);
    snprintf(name, sizeof name, "%s/dir/%lu", shadow, (unsigned long)facts->st_ino);
    char link_name[64];
    snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", fd);
    DIR *folder = opendir(link_name);
    FILE *list = fopen(temp, "we");
    if (folder == NULL || list == NULL) give_up("folder");
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        struct stat what;
        if (fstatat(fd, entry->d_name, &what, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISDIR(what.st_mode) || S_ISREG(what.st_mode))
            fprintf(list, "%c %lu %s\n", S_ISDIR(what.st_mode) ? 'd' : 'f', (unsigned long)what.st_ino, entry->d_name);
    }
    closedir(folder);
    if (fclose(list) != 0) give_up("folder");
    if (syscall(SYS_renameat, AT_FDCWD, temp, AT_FDCWD, name) != 0) give_up("folder");
}

static int is_below(int fd) {
    char link_name[64], path[4096];
    snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link_name, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    size_t prefix = strlen(root);
    return strncmp(path, root, prefix) == 0 && (path[prefix] == '/' || path[prefix] == 0);
}

/* Everything of a descriptor up to now is to survive. */
static int synced(int fd, int is_data) {
    struct stat facts;
    if (active && fstat(fd, &facts) == 0 && facts.st_dev == device && !lies) {
        pthread_mutex_lock(&lock);
        if (S_ISDIR(facts.st_mode)) {
            if (is_below(fd)) keep_folder(fd, &facts);
        } else {
            struct file *file = known(facts.st_ino);
            /* The size may have grown meanwhile. */
            if (file != NULL && fstat(fd, &facts) == 0) keep_file(file, &facts);
        }
        pthread_mutex_unlock(&lock);
    }
    /* The shadow is the disk of this test; the real one need not spin. */
    if (active) return 0;
    return (int)syscall(is_data ? SYS_fdatasync : SYS_fsync, fd);
}

int fsync(int fd) { return synced(fd, 0); }
int fdatasync(int fd) { return synced(fd, 1); }

static int open_at(int folder, const char *path, int flags, mode_t mode) {
    int fd = (int)syscall(SYS_openat, folder, path, flags | O_LARGEFILE, mode);
    opened(fd, flags);
    return fd;
}

#define MODE(flags, mode)                                                \
    mode_t mode = 0;                                                     \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                               \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode = va_arg(rest, mode_t);                                     \
        va_end(rest);                                                    \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_at(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_at(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_at(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_at(folder, path, flags, mode);
}
int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

/* Marks before the write: a sync that runs at the same time may then keep too much, never too little of what
   an earlier write has told. A mark may not be lost to such a sync, so the write happens under the lock. */
static ssize_t watched(int fd, off_t at, const struct iovec *parts, int count) {
    struct stat facts;
    ssize_t done;
    if (!active) goto plain;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd, &facts);
    if (file == NULL) {
        pthread_mutex_unlock(&lock);
        goto plain;
    }
    off_t from = at;
    if (at < 0) {
        int flags = fcntl(fd, F_GETFL);
        from = flags >= 0 && (flags & O_APPEND) ? facts.st_size : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    }
    done = at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0L);
    int after = errno;
    if (done > 0) dirty(file, from, from + done);
    pthread_mutex_unlock(&lock);
    errno = after;
    return done;
plain:
    return at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0L);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    struct iovec part = {(void *)bytes, count};
    return watched(fd, -1, &part, 1);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    struct iovec part = {(void *)bytes, count};
    return watched(fd, at, &part, 1);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return pwrite(fd, bytes, count, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return watched(fd, -1, parts, count); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return watched(fd, at, parts, count); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return watched(fd, at, parts, count); }

/* A change of everything: size, or a copy inside the kernel. */
static void changed(int fd, off_t from) {
    struct stat facts;
    int before = errno;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd, &facts);
    if (file != NULL) dirty(file, from, INT64_MAX);
    pthread_mutex_unlock(&lock);
    errno = before;
}

int ftruncate(int fd, off_t size) {
    int done = (int)syscall(SYS_ftruncate, fd, size);
    if (done == 0) changed(fd, size);
    return done;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }
int fallocate(int fd, int mode, off_t at, off_t size) {
    int done = (int)syscall(SYS_fallocate, fd, mode, at, size);
    if (done == 0) changed(fd, at);
    return done;
}
int fallocate64(int fd, int mode, off64_t at, off64_t size) { return fallocate(fd, mode, at, size); }
int posix_fallocate(int fd, off_t at, off_t size) { return fallocate(fd, 0, at, size) == 0 ? 0 : errno; }
int posix_fallocate64(int fd, off64_t at, off64_t size) { return posix_fallocate(fd, at, size); }
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
    ssize_t done = syscall(SYS_copy_file_range, from, from_at, to, to_at, count, flags);
    if (done > 0) changed(to, 0);
    return done;
}
ssize_t sendfile(int to, int from, off_t *at, size_t count) {
    ssize_t done = syscall(SYS_sendfile, to, from, at, count);
    if (done > 0) changed(to, 0);
    return done;
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t count) { return sendfile(to, from, at, count); }
