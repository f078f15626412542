/* A disk that fails at the n-th passage, and a clock that jumps: preloaded into driver, launcher and supervisors.
 *
 * The plan lies in a file that all of them map (RUNWRIGHT_TORTURE_DISK); `disk_shim.py` writes it. A passage is a call
 * that changes the disk below the folder of the plan, by a process of the role of the plan: open for writing, write,
 * truncate, fsync, rename, mkdir, mknod, unlink. Whoever has no role (programs of trials) is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { DRIVER = 1, LAUNCHER = 2, SUPERVISOR = 4 };

static volatile struct plan {
    int error;       /* what a failing call says; 0: nothing fails */
    int stays;       /* whether all that follow fail too, as on a full or a dead disk */
    int roles;
    int driver;      /* pid */
    long fail_at;    /* number of the passage, from 0 */
    long passages;
    long failed;
    long clock_jump; /* seconds by which the clock of the day jumps at the most; 0: it does not */
    int traced;      /* whether each passage is written into the file `trace` */
    int unused;
    char below[1000];
    char trace[1000];
    char label[200]; /* the passage that failed first */
} *plan;

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RUNWRIGHT_TORTURE_DISK");
    int fd = path ? REAL(open)(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *found = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (found != MAP_FAILED) plan = found;
    close(fd);
}

static int role(void) {
    char name[17] = "";
    if (getpid() == plan->driver) return DRIVER;
    prctl(PR_GET_NAME, name);
    if (!strcmp(name, "rw-launcher")) return LAUNCHER;
    return strcmp(name, "rw-supervisor") ? 0 : SUPERVISOR;
}

static void trace(const char *what, const char *path) {
    char line[1300];
    int fd = REAL(open)((const char *)plan->trace, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    int length = snprintf(line, sizeof line, "%d %s %s\n", getpid(), what, path);
    if (fd < 0) return;
    if (REAL(write)(fd, line, length) < 0) abort();
    close(fd);
}

/* Whether the call fails. `grows`: whether it needs room on the disk. */
static int fails_at(const char *what, const char *path, int grows) {
    size_t length = strlen((const char *)plan->below);
    if (!length || strncmp(path, (const char *)plan->below, length) || !(role() & plan->roles)) return 0;
    if (plan->traced) trace(what, path);
    if (plan->error == ENOSPC && plan->stays && !grows) return 0;
    long number = __sync_fetch_and_add(&plan->passages, 1);
    if (!plan->error || number < plan->fail_at || (number > plan->fail_at && !plan->stays)) return 0;
    if (!__sync_fetch_and_add(&plan->failed, 1)) snprintf((char *)plan->label, sizeof plan->label, "%s %s", what, path + length);
    errno = plan->error;
    return 1;
}

static int fails(const char *what, const char *path, int grows) {
    int kept = errno, failed = plan && plan->roles && fails_at(what, path, grows);
    if (!failed) errno = kept;
    return failed;
}

static int at_fails(const char *what, int folder, const char *path, int grows) {
    char whole[3000], link[40];
    if (!plan || !plan->roles) return 0;
    if (path[0] == '/') return fails(what, path, grows);
    if (folder == AT_FDCWD) {
        if (!getcwd(whole, 1000)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t got = readlink(link, whole, 1000);
        if (got < 0) return 0;
        whole[got] = 0;
    }
    snprintf(whole + strlen(whole), 1900, "/%s", path);
    return fails(what, whole, grows);
}

static int fd_fails(const char *what, int fd, int grows) {
    char path[1001], link[40];
    if (!plan || !plan->roles) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 1000);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(what, path, grows);
}

static int missing(int folder, const char *path) {
    struct stat found;
    int kept = errno, gone = fstatat(folder, path, &found, AT_SYMLINK_NOFOLLOW) != 0;
    errno = kept;
    return gone;
}

static int extends(int fd, off_t end) {
    struct stat found;
    return plan && !fstat(fd, &found) && S_ISREG(found.st_mode) && end > found.st_size;
}

static off_t end_of(int fd, size_t count) {
    struct stat found;
    if (fcntl(fd, F_GETFL) & O_APPEND) return fstat(fd, &found) ? 0 : found.st_size + (off_t)count;
    return lseek(fd, 0, SEEK_CUR) + (off_t)count;
}

static int open_fails(int folder, const char *path, int flags) {
    if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT)) return 0;
    int new = (flags & O_CREAT) && missing(folder, path);
    return at_fails(new ? "create" : "open", folder, path, new);
}

#define MODE(flags) int mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, int); va_end(rest); }

int open(const char *path, int flags, ...) { MODE(flags) return open_fails(AT_FDCWD, path, flags) ? -1 : REAL(open)(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_fails(AT_FDCWD, path, flags) ? -1 : REAL(open64)(path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return open_fails(at, path, flags) ? -1 : REAL(openat)(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return open_fails(at, path, flags) ? -1 : REAL(openat64)(at, path, flags, mode); }

/* A disk that becomes full takes a part of the write that finds it so. */
ssize_t write(int fd, const void *data, size_t count) {
    if (!plan || !plan->roles) return REAL(write)(fd, data, count);
    long failed = plan->failed;
    if (!fd_fails("write", fd, extends(fd, end_of(fd, count)))) return REAL(write)(fd, data, count);
    return plan->stays && !failed && errno == ENOSPC && count > 1 ? REAL(write)(fd, data, count / 2) : -1;
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t at) {
    return fd_fails("pwrite", fd, extends(fd, at + count)) ? -1 : REAL(pwrite)(fd, data, count, at);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) {
    return fd_fails("pwrite", fd, extends(fd, at + count)) ? -1 : REAL(pwrite64)(fd, data, count, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return fd_fails("writev", fd, plan && extends(fd, end_of(fd, 1))) ? -1 : REAL(writev)(fd, parts, count);
}

int ftruncate(int fd, off_t size) { return fd_fails("ftruncate", fd, extends(fd, size)) ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return fd_fails("ftruncate", fd, extends(fd, size)) ? -1 : REAL(ftruncate64)(fd, size); }
int fsync(int fd) { return fd_fails("fsync", fd, 0) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fd_fails("fsync", fd, 0) ? -1 : REAL(fdatasync)(fd); }
int rename(const char *from, const char *to) { return at_fails("rename", AT_FDCWD, to, 0) ? -1 : REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) { return at_fails("rename", b, to, 0) ? -1 : REAL(renameat)(a, from, b, to); }
int mkdir(const char *path, mode_t mode) { return missing(AT_FDCWD, path) && at_fails("mkdir", AT_FDCWD, path, 1) ? -1 : REAL(mkdir)(path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return missing(at, path) && at_fails("mkdir", at, path, 1) ? -1 : REAL(mkdirat)(at, path, mode); }
int mkfifo(const char *path, mode_t mode) { return missing(AT_FDCWD, path) && at_fails("mkfifo", AT_FDCWD, path, 1) ? -1 : REAL(mkfifo)(path, mode); }
int unlink(const char *path) { return !missing(AT_FDCWD, path) && at_fails("unlink", AT_FDCWD, path, 0) ? -1 : REAL(unlink)(path); }
int unlinkat(int at, const char *path, int flags) { return !missing(at, path) && at_fails("unlink", at, path, 0) ? -1 : REAL(unlinkat)(at, path, flags); }

/* Each look at the clock of the day finds another day; the monotonic clock goes as ever. */
static long jump(void) {
    static unsigned long looks;
    if (!plan || !plan->clock_jump) return 0;
    unsigned long hash = (__sync_add_and_fetch(&looks, 1) * 2654435761UL + getpid()) * 2246822519UL;
    return (long)(hash % (2 * plan->clock_jump)) - plan->clock_jump;
}

int clock_gettime(clockid_t clock, struct timespec *found) {
    int status = REAL(clock_gettime)(clock, found);
    if (!status && clock == CLOCK_REALTIME) found->tv_sec += jump();
    return status;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone) {
    int status = REAL(gettimeofday)(found, zone);
    if (!status) found->tv_sec += jump();
    return status;
}

time_t time(time_t *found) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found) *found = now.tv_sec;
    return now.tv_sec;
}
