#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

// The child runs between clone and exec, possibly in a copy of a process with other threads: only calls that are
// safe there, no allocation, and credentials by raw system calls (the library's would signal threads that are gone).

void cl_reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < 65; number++) {
        if (number != SIGKILL && number != SIGSTOP) sigaction(number, &standard, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/// Exec gives every caught signal its standard action; of the ignored ones, Cote's own programs have only this.
static int reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(SIGPIPE, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/// Moves sources above every target first, so that no dup2 overwrites a source that is still needed.
static int place_descriptors(const struct cl_spawn *request, int *status) {
    int moved[16];
    size_t count = request->descriptor_count;
    int above = 16;
    if (count > 16) {
        errno = EINVAL;
        return -1;
    }
    int high = fcntl(*status, F_DUPFD_CLOEXEC, above);
    if (high < 0) return -1;
    *status = high;
    for (size_t i = 0; i < count; i++) {
        moved[i] = fcntl(request->descriptors[i].source, F_DUPFD_CLOEXEC, above);
        if (moved[i] < 0) return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (dup2(moved[i], request->descriptors[i].target) < 0) return -1;
    }
    if (request->keep_others) return 0;
    int first = count == 0 ? 0 : request->descriptors[count - 1].target + 1;
    return (int)syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC);
}

static int write_oom_score(int score) {
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
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t written = write(fd, text, (size_t)length);
    int error = errno;
    close(fd);
    errno = error;
    return written == length ? 0 : -1;
}

static int set_credentials(const struct cl_spawn *request) {
    if (request->drop_capabilities) {
        for (unsigned long capability = 0; capability < 64; capability++) {
            uint64_t bit = (uint64_t)1 << capability;
            if (request->drop_bounding & bit && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return -1;
        }
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    }
    if (request->set_credentials) {
        if (syscall(SYS_setgroups, request->group_count, request->groups) < 0) return -1;
        if (syscall(SYS_setresgid, request->group, request->group, request->group) < 0) return -1;
        if (syscall(SYS_setresuid, request->user, request->user, request->user) < 0) return -1;
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

static enum cl_stage run_child(const struct cl_spawn *request, int *status) {
    if (enter_control_groups(request) < 0) return CL_STAGE_LIMITS;
    if (reset_signals() < 0) return CL_STAGE_SESSION;
    if (request->parent_death_signal && prctl(PR_SET_PDEATHSIG, request->parent_death_signal, 0, 0, 0) < 0)
        return CL_STAGE_SESSION;
    if (request->new_session && setsid() < 0) return CL_STAGE_SESSION;
    if (place_descriptors(request, status) < 0) return CL_STAGE_DESCRIPTORS;
    if (request->controlling_terminal >= 0 && ioctl(request->controlling_terminal, TIOCSCTTY, 0) < 0)
        return CL_STAGE_SESSION;
    // Before the limits: it takes a descriptor, of which there may then be none left.
    if (request->oom_score != INT32_MIN && write_oom_score(request->oom_score) < 0) return CL_STAGE_LIMITS;
    for (size_t i = 0; i < request->limit_count; i++) {
        struct rlimit limit = {.rlim_cur = request->limits[i].soft, .rlim_max = request->limits[i].hard};
        if (setrlimit(request->limits[i].resource, &limit) < 0) return CL_STAGE_LIMITS;
    }
    if (request->file_mode_mask >= 0) umask((mode_t)request->file_mode_mask);
    if (set_credentials(request) < 0) return CL_STAGE_CREDENTIALS;
    // Only now: the directory must be one that the command's own user may enter.
    if (request->directory && chdir(request->directory) < 0) return CL_STAGE_DIRECTORY;
    if (request->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return CL_STAGE_PRIVILEGES;
    execve(request->path, request->arguments, request->environment);
    return CL_STAGE_EXEC;
}

pid_t cl_spawn(const struct cl_spawn *request, int *pidfd) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    // The library's fork runs handlers and takes locks; the raw call does neither, and the child needs neither.
    uint64_t flags = request->clone_flags | CLONE_PIDFD;
    pid_t pid;
    if (request->control_group >= 0) {
        struct clone_args arguments = {
            .flags = flags | CLONE_INTO_CGROUP, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD,
            .cgroup = (uint64_t)request->control_group};
        pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    } else {
        pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, pidfd, NULL, NULL);
    }
    if (pid == 0) {
        int status = request->status;
        int32_t report[2];
        report[0] = (int32_t)run_child(request, &status);
        report[1] = errno;
        ssize_t ignored = write(status, report, sizeof report);
        (void)ignored;
        _exit(127);
    }
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}
