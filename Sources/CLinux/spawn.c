#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

// The child may run in its parent's memory, on a stack of its own, until exec; the parent runs on meanwhile. So it must
// not touch anything of the C library: not errno, not its locks, not the heap. It makes bare system calls on what was
// prepared for it, each result a number below zero where it failed.

#if defined(__x86_64__)
static long call(long number, long a, long b, long c, long d, long e) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c, long d, long e) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
#else
#error "system calls without the C library are written for x86_64 and aarch64"
#endif

/// The kernel's own struct sigaction, which is not the C library's.
struct kernel_sigaction {
    uint64_t handler, flags, restorer, mask;
};

/// Exec gives every caught signal its standard action; of the ignored ones, Cote's own programs have only this.
static long reset_signals(void) {
    struct kernel_sigaction standard = {0};
    uint64_t none = 0;
    call(SYS_rt_sigaction, SIGPIPE, (long)&standard, 0, sizeof none, 0);
    return call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none, 0);
}

/// Moves sources above every target first, so that no copy overwrites a source that is still needed.
static long place_descriptors(const struct cl_spawn *request, int *status) {
    int moved[16];
    const int above = 16;
    size_t count = request->descriptor_count;
    if (count > 16) return -EINVAL;
    long high = call(SYS_fcntl, *status, F_DUPFD_CLOEXEC, above, 0, 0);
    if (high < 0) return high;
    *status = (int)high;
    for (size_t i = 0; i < count; i++) {
        long copy = call(SYS_fcntl, request->descriptors[i].source, F_DUPFD_CLOEXEC, above, 0, 0);
        if (copy < 0) return copy;
        moved[i] = (int)copy;
    }
    for (size_t i = 0; i < count; i++) {
        long placed = call(SYS_dup3, moved[i], request->descriptors[i].target, 0, 0, 0);
        if (placed < 0) return placed;
    }
    if (request->keep_others) return 0;
    int first = count == 0 ? 0 : request->descriptors[count - 1].target + 1;
    return call(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC, 0, 0);
}

static long set_limits(const struct cl_spawn *request) {
    for (size_t i = 0; i < request->limit_count; i++) {
        uint64_t limit[2] = {request->limits[i].soft, request->limits[i].hard};
        long result = call(SYS_prlimit64, 0, request->limits[i].resource, (long)limit, 0, 0);
        if (result < 0) return result;
    }
    return 0;
}

static long set_credentials(const struct cl_spawn *request) {
    long result = 0;
    if (request->drop_capabilities) {
        for (long capability = 0; capability < 64 && result >= 0; capability++) {
            if (request->drop_bounding >> capability & 1)
                result = call(SYS_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        if (result < 0) return result;
        call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    }
    if (request->set_credentials) {
        result = call(SYS_setgroups, (long)request->group_count, (long)request->groups, 0, 0, 0);
        if (result < 0) return result;
        result = call(SYS_setresgid, request->group, request->group, request->group, 0, 0);
        if (result < 0) return result;
        result = call(SYS_setresuid, request->user, request->user, request->user, 0, 0);
        if (result < 0) return result;
    }
    if (!request->drop_capabilities) return 0;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    return call(SYS_capset, (long)&header, (long)none, 0, 0, 0);
}

/// Returns the stage that failed, with `*error` below zero.
static enum cl_stage run_child(const struct cl_spawn *request, int *status, long *error) {
    if ((*error = reset_signals()) < 0) return CL_STAGE_SESSION;
    if (request->parent_death_signal &&
        (*error = call(SYS_prctl, PR_SET_PDEATHSIG, request->parent_death_signal, 0, 0, 0)) < 0)
        return CL_STAGE_SESSION;
    if (request->new_session && (*error = call(SYS_setsid, 0, 0, 0, 0, 0)) < 0) return CL_STAGE_SESSION;
    if ((*error = place_descriptors(request, status)) < 0) return CL_STAGE_DESCRIPTORS;
    if (request->controlling_terminal >= 0 &&
        (*error = call(SYS_ioctl, request->controlling_terminal, TIOCSCTTY, 0, 0, 0)) < 0)
        return CL_STAGE_SESSION;
    if ((*error = set_limits(request)) < 0) return CL_STAGE_LIMITS;
    if (request->file_mode_mask >= 0) call(SYS_umask, request->file_mode_mask, 0, 0, 0, 0);
    if ((*error = set_credentials(request)) < 0) return CL_STAGE_CREDENTIALS;
    // Only now: the directory must be one that the command's own user may enter.
    if (request->directory && (*error = call(SYS_chdir, (long)request->directory, 0, 0, 0, 0)) < 0)
        return CL_STAGE_DIRECTORY;
    if (request->no_new_privileges && (*error = call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) < 0)
        return CL_STAGE_PRIVILEGES;
    *error = call(SYS_execve, (long)request->path, (long)request->arguments, (long)request->environment, 0, 0);
    return CL_STAGE_EXEC;
}

static int child_main(void *argument) {
    const struct cl_spawn *request = argument;
    int status = request->status;
    long error = 0;
    int32_t report[2];
    report[0] = (int32_t)run_child(request, &status, &error);
    report[1] = (int32_t)-error;
    call(SYS_write, status, (long)report, sizeof report, 0, 0);
    call(SYS_exit_group, 127, 0, 0, 0, 0);
    return 127;
}

pid_t cl_spawn(const struct cl_spawn *request, int *pidfd) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    int memory = request->clone_flags == 0 ? CLONE_VM : 0;
    int flags = (int)request->clone_flags | memory | CLONE_PIDFD | SIGCHLD;
    char *top = (char *)request->stack + request->stack_size;
    pid_t pid = clone(child_main, top, flags, (void *)request, pidfd);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

void cl_reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < 65; number++) {
        if (number != SIGKILL && number != SIGSTOP) sigaction(number, &standard, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
