#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The child runs between clone and exec, in the memory of its parent, whose other threads run on: only calls that are
// safe there, no allocation, and credentials by raw system calls (the library's would signal the parent's threads).

void cl_reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < 65; number++) {
        if (number != SIGKILL && number != SIGSTOP) sigaction(number, &standard, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/// No handler of the parent's may run in the child, where it would find the parent's memory. All signals are blocked
/// until there is none: see `unblock_signals`.
static int reset_signals(int no_handlers) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    if (no_handlers) return sigaction(SIGPIPE, &standard, NULL);
    for (int number = 1; number < 65; number++) {
        if (number != SIGKILL && number != SIGSTOP) sigaction(number, &standard, NULL);
    }
    return 0;
}

static int unblock_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/// Sources that are targets too are moved out of the way first, so that no dup2 overwrites one that is still needed.
static int place_descriptors(const struct cl_spawn *request) {
    int moved[16];
    int count = (int)request->descriptor_count;
    if (count > 16) {
        errno = EINVAL;
        return -1;
    }
    for (int i = 0; i < count; i++) {
        int source = request->descriptors[i];
        moved[i] = source >= count ? source : fcntl(source, F_DUPFD_CLOEXEC, count);
        if (moved[i] < 0) return -1;
    }
    for (int i = 0; i < count; i++) {
        if (dup2(moved[i], i) < 0) return -1;
    }
    if (request->keep_others) return 0;
    // Now, not by exec, which may have to wait: the other end of a pipe of the parent's would wait for its closing too.
    return (int)syscall(SYS_close_range, count, ~0U, 0);
}

static int write_oom_score(int processes, int score) {
    char text[16];
    int length = 0, value = score < 0 ? -score : score;
    char digits[12];
    int n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (score < 0) text[length++] = '-';
    while (n > 0) text[length++] = digits[--n];
    const char *path = processes < 0 ? "/proc/self/oom_score_adj" : "self/oom_score_adj";
    int fd = openat(processes < 0 ? AT_FDCWD : processes, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t written = write(fd, text, (size_t)length);
    int error = errno;
    close(fd);
    errno = error;
    return written == length ? 0 : -1;
}

static int set_credentials(const struct cl_spawn *request) {
    if (request->set_credentials) {
        if (syscall(SYS_setgroups, request->group_count, request->groups) < 0) return -1;
        if (syscall(SYS_setresgid, request->group, request->group, request->group) < 0) return -1;
        // A change of user makes the memory what `fs.suid_dumpable` says, and it is the parent's. Until that is undone
        // the child keeps capabilities that none of its new user's processes has: they may not trace it.
        if (request->drop_capabilities && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return -1;
        if (syscall(SYS_setresuid, request->user, request->user, request->user) < 0) return -1;
        if (request->undumpable && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return -1;
    }
    if (request->drop_capabilities && cl_capabilities_clear() < 0) return -1;
    return 0;
}

/// By `0` in `tasks` a thread moves itself. A number there, or anything in `cgroup.procs`, would make the kernel wait
/// until no processor can see the old state any more: some 10 ms.
static int enter_control_groups(const struct cl_spawn *request) {
    for (size_t i = 0; i < request->task_list_count; i++) {
        if (write(request->task_lists[i], "0", 1) < 0) return -1;
    }
    return 0;
}

static enum cl_stage become_program(const struct cl_spawn *request) {
    if (enter_control_groups(request) < 0) return CL_STAGE_LIMITS;
    if (reset_signals(request->no_handlers) < 0) return CL_STAGE_SESSION;
    if (request->parent_death_signal && prctl(PR_SET_PDEATHSIG, request->parent_death_signal, 0, 0, 0) < 0)
        return CL_STAGE_SESSION;
    if (request->new_session && setsid() < 0) return CL_STAGE_SESSION;
    // Before the descriptors: it takes one of the parent's.
    if (request->oom_score != INT32_MIN && write_oom_score(request->processes, request->oom_score) < 0)
        return CL_STAGE_LIMITS;
    if (place_descriptors(request) < 0) return CL_STAGE_DESCRIPTORS;
    if (request->controlling_terminal >= 0 && ioctl(request->controlling_terminal, TIOCSCTTY, 0) < 0)
        return CL_STAGE_SESSION;
    for (size_t i = 0; i < request->limit_count; i++) {
        struct rlimit limit = {.rlim_cur = request->limits[i].soft, .rlim_max = request->limits[i].hard};
        if (setrlimit(request->limits[i].resource, &limit) < 0) return CL_STAGE_LIMITS;
    }
    if (request->file_mode_mask >= 0) umask((mode_t)request->file_mode_mask);
    if (set_credentials(request) < 0) return CL_STAGE_CREDENTIALS;
    // Only now: the directory must be one that the command's own user may enter.
    if (request->directory && chdir(request->directory) < 0) return CL_STAGE_DIRECTORY;
    // Last of all: until the memory is untraceable again, nothing that dumps it may be delivered.
    if (unblock_signals() < 0) return CL_STAGE_SESSION;
    execve(request->path, request->arguments, request->environment);
    return CL_STAGE_EXEC;
}

struct attempt {
    const struct cl_spawn *request;
    struct cl_failure *failure;
};

static int run_child(void *argument) {
    const struct attempt *attempt = argument;
    enum cl_stage stage = become_program(attempt->request);
    attempt->failure->error = errno;
    attempt->failure->stage = (int32_t)stage;
    _exit(127);
}

/// The child shares memory and its parent's thread waits, as with vfork, on a stack of its own.
static pid_t start_sharing(const struct attempt *attempt, int *pidfd, pid_t *early) {
    _Alignas(16) char stack[16 << 10];
    int flags = (int)attempt->request->clone_flags | CLONE_VM | CLONE_VFORK | SIGCHLD;
    flags |= pidfd ? CLONE_PIDFD : CLONE_PARENT_SETTID;
    return clone(run_child, stack + sizeof stack, flags, (void *)attempt, pidfd ? pidfd : early, NULL, NULL);
}

/// Only clone3 puts a child into a control group, and for that the library has no function that switches stacks: the
/// child gets a copy of the memory, but for the page in which it reports a failure.
static pid_t start_in_control_group(struct attempt *attempt, int *pidfd, pid_t *early) {
    struct cl_failure *result = attempt->failure;
    void *page = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return -1;
    attempt->failure = page;
    struct clone_args arguments = {
        .flags = attempt->request->clone_flags | CLONE_VFORK | CLONE_INTO_CGROUP
            | (pidfd ? CLONE_PIDFD : CLONE_PARENT_SETTID),
        .pidfd = (uint64_t)(uintptr_t)pidfd, .parent_tid = (uint64_t)(uintptr_t)early, .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)attempt->request->control_group};
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) run_child(attempt);
    int error = errno;
    *result = *(struct cl_failure *)page;
    munmap(page, sizeof *result);
    errno = error;
    return pid;
}

pid_t cl_spawn(const struct cl_spawn *request, struct cl_failure *failure, int *pidfd, pid_t *early) {
    struct attempt attempt = {.request = request, .failure = failure};
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    failure->stage = 0;
    pid_t pid = request->control_group >= 0 ? start_in_control_group(&attempt, pidfd, early)
                                            : start_sharing(&attempt, pidfd, early);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}
