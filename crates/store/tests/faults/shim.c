/* Stands before the C library. Fails a sync, delays syncs, or fails the growth of SQLite's index of its log, or records writes, truncations, renames, removals and syncs below one
   directory, and what goes to standard output, in one order. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int record_fd = -2;
static const char *below;
static long syncs, failing;
static int index_is_full;

static void begin(void) {
    if (record_fd != -2) return;
    const char *path = getenv("SHIM_RECORD");
    below = getenv("SHIM_BELOW");
    failing = getenv("SHIM_FAIL") ? atol(getenv("SHIM_FAIL")) : 0;
    index_is_full = getenv("SHIM_INDEX_FULL") != NULL;
    record_fd = path && below ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
}

static void put(const void *bytes, size_t length) {
    while (length > 0) {
        long done = syscall(SYS_write, record_fd, bytes, length);
        if (done <= 0) abort();
        bytes = (const char *)bytes + done;
        length -= done;
    }
}

/* kind, lengths of path and data, offset, path, data */
static void note(char kind, const char *path, uint64_t offset, const void *data, uint32_t length) {
    uint32_t lengths[2] = {(uint32_t)strlen(path), length};
    put(&kind, 1);
    put(lengths, 8);
    put(&offset, 8);
    put(path, lengths[0]);
    put(data, length);
}

static int named(int fd, char *path) {
    char link[64];
    if (record_fd < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlink, link, path, 4095);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, below, strlen(below)) == 0;
}

/* SQLite's index of its log, beyond its first part. */
static int is_growing_index(int fd, off64_t offset) {
    char link[64], path[4096];
    if (!index_is_full || offset < 32768) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlink, link, path, 4095);
    return length > 4 && memcmp(path + length - 4, "-shm", 4) == 0;
}

#define ENTER int saved; char path[4096]; pthread_mutex_lock(&turn); begin();
#define LEAVE saved = errno; pthread_mutex_unlock(&turn); errno = saved; return result;

static ssize_t wrote(int fd, const void *data, size_t length, off64_t offset, int is_plain) {
    ENTER
    off64_t at = is_plain ? lseek64(fd, 0, SEEK_CUR) : offset;
    if (!is_plain && is_growing_index(fd, offset)) {
        pthread_mutex_unlock(&turn);
        errno = ENOSPC;
        return -1;
    }
    ssize_t result = is_plain ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
    if (result > 0 && fd == 1 && record_fd >= 0) note('A', "", 0, data, result);
    else if (result > 0 && named(fd, path)) note('W', path, at, data, result);
    LEAVE
}

ssize_t write(int fd, const void *data, size_t length) { return wrote(fd, data, length, 0, 1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return wrote(fd, data, length, offset, 0); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return wrote(fd, data, length, offset, 0); }

static int cut(int fd, off64_t length) {
    ENTER
    int result = syscall(SYS_ftruncate, fd, length);
    if (result == 0 && named(fd, path)) note('T', path, length, "", 0);
    LEAVE
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

static int synced(int fd, long number) {
    const char *delay = getenv("SHIM_DELAY");
    if (delay) usleep(1000 * atol(delay));
    ENTER
    int result;
    if (failing && (++syncs == failing || (syncs > failing && !getenv("SHIM_ONCE")))) {
        errno = EIO;
        result = -1;
    } else {
        result = syscall(number, fd);
        if (result == 0 && named(fd, path)) note('S', path, 0, "", 0);
    }
    LEAVE
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int rename(const char *from, const char *to) {
    ENTER
    int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    (void)path;
    if (result == 0 && record_fd >= 0 && strncmp(to, below, strlen(below)) == 0) note('R', from, 0, to, strlen(to));
    LEAVE
}

int unlink(const char *name) {
    ENTER
    int result = syscall(SYS_unlinkat, AT_FDCWD, name, 0);
    (void)path;
    if (result == 0 && record_fd >= 0 && strncmp(name, below, strlen(below)) == 0) note('U', name, 0, "", 0);
    LEAVE
}
