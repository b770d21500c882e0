#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/// Holds the new namespace open until it is killed. It shares its parent's memory, so it does nothing else.
static int hold_namespace(void *argument) {
    (void)argument;
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (;;) syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

static int write_map(pid_t pid, const char *kind, uint32_t first, uint32_t base, uint32_t count) {
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, kind);
    int length = snprintf(text, sizeof text, "%u %u %u\n", first, base, count);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t written = write(fd, text, (size_t)length);
    int error = errno;
    close(fd);
    errno = error;
    return written == length ? 0 : -1;
}

static int map_and_open(pid_t pid, uint32_t first, uint32_t base, uint32_t count) {
    char path[64];
    if (write_map(pid, "uid_map", first, base, count) < 0) return -1;
    if (write_map(pid, "gid_map", first, base, count) < 0) return -1;
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int cl_user_namespace(uint32_t first, uint32_t base, uint32_t count) {
    _Alignas(16) char stack[16 << 10];
    sigset_t all, before;
    // No handler of this process's may run in the child, which would find its memory.
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    // No signal tells of its end: whoever collects children by SIGCHLD knows nothing of it.
    pid_t pid = clone(hold_namespace, stack + sizeof stack, CLONE_NEWUSER | CLONE_VM, NULL);
    int fd = -1, error = errno;
    if (pid > 0) {
        fd = map_and_open(pid, first, base, count);
        error = errno;
        kill(pid, SIGKILL);
        // The stack is this function's: not before the child is gone.
        while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR) {}
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return fd;
}

int cl_setns(int fd, int flags) { return setns(fd, flags); }
int cl_unshare(int flags) { return unshare(flags); }
int cl_close_range(unsigned first, unsigned last) { return (int)syscall(SYS_close_range, first, last, 0); }

int cl_become(uint32_t user, uint32_t group) {
    if (setgroups(0, NULL) < 0 || setresgid(group, group, group) < 0) return -1;
    return setresuid(user, user, user);
}
