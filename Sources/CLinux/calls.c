#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

const unsigned CL_OPEN_TREE_CLONE = OPEN_TREE_CLONE;
const unsigned CL_OPEN_TREE_CLOEXEC = OPEN_TREE_CLOEXEC;
const unsigned CL_AT_EMPTY_PATH = AT_EMPTY_PATH;
const unsigned CL_AT_RECURSIVE = AT_RECURSIVE;
const unsigned CL_MOVE_MOUNT_F_EMPTY_PATH = MOVE_MOUNT_F_EMPTY_PATH;
const uint64_t CL_MOUNT_ATTR_RDONLY = MOUNT_ATTR_RDONLY;
const uint64_t CL_MOUNT_ATTR_NOSUID = MOUNT_ATTR_NOSUID;
const uint64_t CL_MOUNT_ATTR_NODEV = MOUNT_ATTR_NODEV;
const uint64_t CL_MOUNT_ATTR_NOEXEC = MOUNT_ATTR_NOEXEC;

int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    return prctl(option, a, b, c, d);
}

int cl_fcntl(int fd, int command, long argument) { return fcntl(fd, command, argument); }
int cl_pipe(int ends[2], int flags) { return pipe2(ends, flags | O_CLOEXEC); }

int cl_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

int cl_openat(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags, mode);
}

int cl_open_below(int directory, const char *path, int flags) {
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int cl_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int cl_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int cl_wait_status(int status, int *signal) {
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

pid_t cl_wait(pid_t pid, int *status, int options) { return waitpid(pid, status, options | __WALL); }

extern const char __executable_start, etext;

int cl_epoll_wait_resting(int epoll, struct epoll_event *events, int count, int timeout) {
    malloc_trim(0);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)&__executable_start + page - 1) & ~(page - 1);
    uintptr_t end = (uintptr_t)&etext & ~(page - 1);
    // The program's text is never written, so dropping its pages loses nothing.
    if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
    return epoll_wait(epoll, events, count, timeout);
}

int cl_timer(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); }

int cl_timer_set(int timer, long nanoseconds) {
    struct itimerspec time = {.it_value.tv_nsec = nanoseconds};
    return timerfd_settime(timer, 0, &time, NULL);
}

int cl_seccomp_install(const struct sock_fprog *filter) {
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter);
}

int cl_capabilities_keep(uint64_t mask) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    for (int half = 0; half < 2; half++) {
        uint32_t bits = (uint32_t)(mask >> (32 * half));
        data[half].effective = bits;
        data[half].permitted = bits;
    }
    return (int)syscall(SYS_capset, &header, data);
}

int cl_capabilities_clear(void) { return cl_capabilities_keep(0); }

int cl_open_tree(int directory, const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, directory, path, flags);
}

int cl_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
    return (int)syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}

int cl_mount_setattr(int directory, const char *path, unsigned flags, uint64_t set, int user_namespace) {
    struct mount_attr attributes = {.attr_set = set};
    if (user_namespace >= 0) {
        attributes.attr_set |= MOUNT_ATTR_IDMAP;
        attributes.userns_fd = (uint64_t)user_namespace;
    }
    return (int)syscall(SYS_mount_setattr, directory, path, flags, &attributes, sizeof attributes);
}

int cl_pivot_root(const char *new_root, const char *put_old) {
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

long cl_file_system_type(const char *path) {
    struct statfs result;
    return statfs(path, &result) < 0 ? -1 : (long)result.f_type;
}

int cl_peer(int socket, pid_t *pid, uid_t *user) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return -1;
    *pid = credentials.pid;
    *user = credentials.uid;
    return 0;
}

static int unix_address(struct sockaddr_un *address, const char *path) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

int cl_bind_unix(int socket, const char *path) {
    struct sockaddr_un address;
    if (unix_address(&address, path) < 0) return -1;
    return bind(socket, (struct sockaddr *)&address, sizeof address);
}

int cl_connect_unix(int socket, const char *path) {
    struct sockaddr_un address;
    if (unix_address(&address, path) < 0) return -1;
    return connect(socket, (struct sockaddr *)&address, sizeof address);
}

int cl_terminal_size(int fd, uint16_t *rows, uint16_t *columns) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0) return -1;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}

int cl_terminal_set_size(int fd, uint16_t rows, uint16_t columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(fd, TIOCSWINSZ, &size);
}

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

int cl_terminal_peer(int controller) {
    return ioctl(controller, TIOCGPTPEER, (long)(O_RDWR | O_NOCTTY | O_CLOEXEC));
}

int cl_terminal_unlock(int controller) {
    int unlocked = 0;
    return ioctl(controller, TIOCSPTLCK, &unlocked);
}
