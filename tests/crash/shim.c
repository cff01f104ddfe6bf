/* Stands between a process and its disk, as LD_PRELOAD: writes a journal of what is written and
 * synced, or fails like a bad disk, or lies about the time. For tests of talead on Linux.
 *
 * TALEA_SHIM_ROOT     the folder that is watched; other files are passed over
 * TALEA_SHIM_JOURNAL  the journal, outside of it: one record for each finished operation
 * TALEA_SHIM_ORDERS   a file of 64 bytes, mapped: the test changes it while the process runs
 *     0  i64  seconds added to the wall clock
 *     8  i64  writes fail with ENOSPC once so many more bytes are written; -1: never
 *     16 i64  syncs fail with EIO once so many more are done; -1: never
 *     24 i64  writes fail with EIO once so many more are done; -1: never
 *     32 i64  reads fail with EIO once so many more are done; -1: never
 *
 * A record: kind (1 byte), three little-endian u64, length of path, length of data (u32 each),
 * path, data. A path is relative to the root. A sync has two records, before and after it: what
 * was written before the first is durable with the second. Operations on one file are journalled
 * in their order. tests/src/image.rs reads it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
    CREATE = 1,
    WRITE = 2,
    LENGTH = 3,
    RENAME = 4,
    UNLINK = 5,
    FOLDER = 6,
    SYNC_BEGIN = 7,
    SYNC_END = 8,
    LINK = 9,
};

enum order { CLOCK, SPACE, SYNCS, WRITES, READS, ORDERS };

#define FILES 4096

static char root[4096];
static size_t root_length;
static int journal = -1;
static volatile int64_t *orders;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The path of each watched descriptor, as it was when it was opened; and its file's number. */
static char *paths[FILES];

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("TALEA_SHIM_ROOT");
    if (text != NULL && realpath(text, root) != NULL)
        root_length = strlen(root);
    text = getenv("TALEA_SHIM_JOURNAL");
    if (text != NULL && root_length > 0)
        journal = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    text = getenv("TALEA_SHIM_ORDERS");
    if (text != NULL) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, text, O_RDWR | O_CLOEXEC, 0);
        if (file >= 0) {
            void *map = mmap(NULL, 64, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            if (map != MAP_FAILED)
                orders = map;
            syscall(SYS_close, file);
        }
    }
}

/* The path below the root, or NULL. Symbolic links and `..` are not used by what is tested. */
static const char *below(const char *path, char *room) {
    if (root_length == 0 || path == NULL)
        return NULL;
    if (path[0] != '/') {
        if (getcwd(room, 4096) == NULL || strlen(room) + strlen(path) + 2 > 8192)
            return NULL;
        strcat(room, "/");
        strcat(room, path);
        path = room;
    }
    if (strncmp(path, root, root_length) != 0)
        return NULL;
    if (path[root_length] != '/' && path[root_length] != 0)
        return NULL;
    path += root_length;
    while (*path == '/')
        path++;
    return path;
}

static const char *path_of(int file) {
    return file >= 0 && file < FILES ? paths[file] : NULL;
}

/* Called with the lock held. */
static void record(enum kind kind, const char *path, uint64_t a, uint64_t b, uint64_t c,
                   const void *data, uint32_t length) {
    if (journal < 0)
        return;
    unsigned char head[33];
    uint64_t numbers[3] = {a, b, c};
    uint32_t lengths[2] = {(uint32_t)strlen(path), length};
    head[0] = (unsigned char)kind;
    memcpy(head + 1, numbers, 24);
    memcpy(head + 25, lengths, 8);
    struct iovec parts[3] = {
        {head, sizeof head}, {(void *)path, lengths[0]}, {(void *)data, length}};
    ssize_t all = (ssize_t)(sizeof head + lengths[0] + length);
    if (syscall(SYS_writev, journal, parts, 3) != all)
        abort();
}

/* Counts an order down; whether it has run out. */
static int fails(enum order order, int64_t amount) {
    if (orders == NULL || orders[order] < 0)
        return 0;
    return __atomic_fetch_sub(&orders[order], amount, __ATOMIC_SEQ_CST) < amount
        ? (__atomic_store_n(&orders[order], 0, __ATOMIC_SEQ_CST), 1)
        : 0;
}

static int bad_write(const char *path, size_t length) {
    if (path == NULL)
        return 0;
    if (fails(WRITES, 1)) {
        errno = EIO;
        return 1;
    }
    if (fails(SPACE, (int64_t)length)) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

static int bad_read(int file) {
    if (path_of(file) == NULL || !fails(READS, 1))
        return 0;
    errno = EIO;
    return 1;
}

static int opened(int file, const char *path, int flags, int existed) {
    char room[8192] = "";
    const char *name = below(path, room);
    if (file < 0 || file >= FILES)
        return file;
    pthread_mutex_lock(&lock);
    free(paths[file]);
    paths[file] = name == NULL ? NULL : strdup(name);
    if (name != NULL && (flags & O_CREAT) != 0 && !existed)
        record(CREATE, name, 0, 0, 0, NULL, 0);
    else if (name != NULL && (flags & O_TRUNC) != 0)
        record(LENGTH, name, 0, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return file;
}

static int exists(const char *path) {
    struct stat about;
    return syscall(SYS_newfstatat, AT_FDCWD, path, &about, 0) == 0;
}

static int open_any(int folder, const char *path, int flags, mode_t mode) {
    char room[8192] = "";
    int existed = (flags & O_CREAT) != 0 && exists(path);
    const char *name = (flags & O_CREAT) != 0 && !existed ? below(path, room) : NULL;
    if (name != NULL && bad_write(name, 0))
        return -1;
    int file = (int)syscall(SYS_openat, folder, path, flags, mode);
    return opened(file, path, flags, existed);
}

#define MODE(flags)                                                                              \
    mode_t mode = 0;                                                                             \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                \
        va_list rest;                                                                            \
        va_start(rest, flags);                                                                   \
        mode = va_arg(rest, mode_t);                                                             \
        va_end(rest);                                                                            \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_any(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_any(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return open_any(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return open_any(folder, path, flags | O_LARGEFILE, mode);
}

int close(int file) {
    if (path_of(file) != NULL) {
        pthread_mutex_lock(&lock);
        free(paths[file]);
        paths[file] = NULL;
        pthread_mutex_unlock(&lock);
    }
    return (int)syscall(SYS_close, file);
}

/* What was written, at which place: for a file that is appended to, that is its end. */
static void wrote(int file, off_t place, const void *data, ssize_t length) {
    if (length <= 0 || path_of(file) == NULL)
        return;
    if (place < 0)
        place = (off_t)syscall(SYS_lseek, file, 0, SEEK_CUR) - length;
    record(WRITE, path_of(file), (uint64_t)place, 0, 0, data, (uint32_t)length);
}

ssize_t write(int file, const void *data, size_t length) {
    if (path_of(file) == NULL)
        return syscall(SYS_write, file, data, length);
    if (bad_write(path_of(file), length))
        return -1;
    pthread_mutex_lock(&lock);
    ssize_t done = syscall(SYS_write, file, data, length);
    int failure = errno;
    wrote(file, -1, data, done);
    pthread_mutex_unlock(&lock);
    errno = failure;
    return done;
}

static ssize_t write_at(int file, const void *data, size_t length, off_t place) {
    if (path_of(file) == NULL)
        return syscall(SYS_pwrite64, file, data, length, place);
    if (bad_write(path_of(file), length))
        return -1;
    pthread_mutex_lock(&lock);
    ssize_t done = syscall(SYS_pwrite64, file, data, length, place);
    int failure = errno;
    wrote(file, place, data, done);
    pthread_mutex_unlock(&lock);
    errno = failure;
    return done;
}

ssize_t pwrite(int file, const void *data, size_t length, off_t place) {
    return write_at(file, data, length, place);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t place) {
    return write_at(file, data, length, place);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    if (path_of(file) == NULL)
        return syscall(SYS_writev, file, parts, count);
    ssize_t all = 0;
    for (int n = 0; n < count; n++) {
        ssize_t done = write(file, parts[n].iov_base, parts[n].iov_len);
        if (done < 0)
            return all > 0 ? all : -1;
        all += done;
        if ((size_t)done < parts[n].iov_len)
            break;
    }
    return all;
}

static int set_length(int file, off_t length) {
    if (path_of(file) == NULL)
        return (int)syscall(SYS_ftruncate, file, length);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_ftruncate, file, length);
    int failure = errno;
    if (done == 0)
        record(LENGTH, path_of(file), (uint64_t)length, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = failure;
    return done;
}

int ftruncate(int file, off_t length) { return set_length(file, length); }
int ftruncate64(int file, off64_t length) { return set_length(file, length); }

static int sync_by(int file, long number) {
    const char *path = path_of(file);
    if (path == NULL)
        return (int)syscall(number, file);
    if (fails(SYNCS, 1)) {
        errno = EIO;
        return -1;
    }
    pthread_mutex_lock(&lock);
    char *name = strdup(path);
    record(SYNC_BEGIN, name, 0, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    int done = (int)syscall(number, file);
    int failure = errno;
    pthread_mutex_lock(&lock);
    if (done == 0)
        record(SYNC_END, name, 0, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    free(name);
    errno = failure;
    return done;
}

int fsync(int file) { return sync_by(file, SYS_fsync); }
int fdatasync(int file) { return sync_by(file, SYS_fdatasync); }

int rename(const char *from, const char *to) {
    char one[8192] = "", other[8192] = "";
    const char *a = below(from, one), *b = below(to, other);
    if (b != NULL && bad_write(b, 0))
        return -1;
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    int failure = errno;
    if (done == 0 && a != NULL && b != NULL) {
        record(RENAME, a, 0, 0, 0, b, (uint32_t)strlen(b));
        /* Descriptors go with the file. A folder takes what is below it along. */
        size_t length = strlen(a);
        for (int n = 0; n < FILES; n++) {
            if (paths[n] == NULL || strncmp(paths[n], a, length) != 0)
                continue;
            if (paths[n][length] != 0 && paths[n][length] != '/')
                continue;
            char *moved = malloc(strlen(b) + strlen(paths[n] + length) + 1);
            strcpy(moved, b);
            strcat(moved, paths[n] + length);
            free(paths[n]);
            paths[n] = moved;
        }
    }
    pthread_mutex_unlock(&lock);
    errno = failure;
    return done;
}

static int forget(const char *path, int flag) {
    char room[8192] = "";
    const char *name = below(path, room);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, flag);
    int failure = errno;
    if (done == 0 && name != NULL)
        record(UNLINK, name, 0, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = failure;
    return done;
}

int unlink(const char *path) { return forget(path, 0); }
int rmdir(const char *path) { return forget(path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
    char room[8192] = "";
    const char *name = below(path, room);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    int failure = errno;
    if (done == 0 && name != NULL)
        record(FOLDER, name, 0, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = failure;
    return done;
}

int link(const char *from, const char *to) {
    char one[8192] = "", other[8192] = "";
    const char *a = below(from, one), *b = below(to, other);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
    int failure = errno;
    if (done == 0 && a != NULL && b != NULL)
        record(LINK, a, 0, 0, 0, b, (uint32_t)strlen(b));
    pthread_mutex_unlock(&lock);
    errno = failure;
    return done;
}

ssize_t read(int file, void *data, size_t length) {
    return bad_read(file) ? -1 : syscall(SYS_read, file, data, length);
}

ssize_t pread(int file, void *data, size_t length, off_t place) {
    return bad_read(file) ? -1 : syscall(SYS_pread64, file, data, length, place);
}

ssize_t pread64(int file, void *data, size_t length, off64_t place) {
    return bad_read(file) ? -1 : syscall(SYS_pread64, file, data, length, place);
}

/* The wall clock is shifted, the steady one is not. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*system_clock)(clockid_t, struct timespec *);
    if (system_clock == NULL)
        system_clock = REAL(clock_gettime);
    int done = system_clock(clock, time);
    if (done == 0 && orders != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += orders[CLOCK];
    return done;
}
