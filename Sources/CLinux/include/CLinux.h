// Linux calls that Swift cannot make itself: variadic functions, macros, calls newer than the C library,
// and the child side of clone. Nothing here decides anything.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <linux/filter.h>

// MARK: Variadic calls with fixed shapes

int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int cl_fcntl(int fd, int command, long argument);
int cl_pipe(int ends[2], int flags);
/// accept4 with close-on-exec and without waiting.
int cl_accept(int listener);
int cl_openat(int directory, const char *path, int flags, mode_t mode);
/// Opens what is below `directory` and nothing else, through no link; `flags` as for openat.
int cl_open_below(int directory, const char *path, int flags);

// MARK: Processes

struct cl_limit {
    int resource;
    uint64_t soft;
    uint64_t hard;
};

/// The step of the child at which a spawn failed; see `cl_failure`.
enum cl_stage {
    CL_STAGE_CLONE = 1,
    CL_STAGE_SESSION,
    CL_STAGE_DESCRIPTORS,
    CL_STAGE_LIMITS,
    CL_STAGE_CREDENTIALS,
    CL_STAGE_DIRECTORY,
    CL_STAGE_EXEC,
};

/// Everything the child does between clone and exec, prepared beforehand: the child allocates nothing and writes to
/// nothing that its parent uses.
struct cl_spawn {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *directory;                   ///< NULL: stay
    uint64_t clone_flags;                    ///< namespaces to create
    const int *descriptors;                  ///< what the child has as 0, 1, 2 and on; all others are closed
    size_t descriptor_count;
    const struct cl_limit *limits;
    size_t limit_count;
    int new_session;
    int controlling_terminal;                ///< target descriptor that becomes the terminal, or -1
    int keep_others;                         ///< leaves descriptors that are not close-on-exec open
    int set_credentials;
    uint32_t user;
    uint32_t group;
    const uint32_t *groups;
    size_t group_count;
    int file_mode_mask;                      ///< -1: inherit
    int oom_score;                           ///< written to the child's oom_score_adj unless INT32_MIN
    int processes;                           ///< an open /proc to write it through, or -1 for the one at its place
    int drop_capabilities;                   ///< empties the capability sets, but for the bounding set
    int parent_death_signal;                 ///< 0: none
    int control_group;                       ///< v2 directory that the child is born into, or -1
    const int *task_lists;                   ///< v1 `tasks` files, into which the child writes itself first of all
    size_t task_list_count;
    int undumpable;                          ///< the parent's memory, which the child shares, stays untraceable
    int no_handlers;                         ///< the parent catches no signal: there is nothing to reset
};

/// Where a child failed; `stage` is 0 when it became its program, or was killed on the way.
struct cl_failure {
    int32_t stage;
    int32_t error;
};

/// Starts a child and waits until it has become its program or has failed. The child shares this process's memory
/// until then, except when it is born into a control group. Returns the pid, or -1 with errno.
/// One of the others is NULL: `*pidfd` becomes a descriptor for the child, `*early` its pid before it runs.
pid_t cl_spawn(const struct cl_spawn *request, struct cl_failure *failure, int *pidfd, pid_t *early);

/// Gives every signal its standard action and unblocks all: a program may be started with some ignored.
void cl_reset_signals(void);

int cl_pidfd_open(pid_t pid);
int cl_pidfd_send_signal(int pidfd, int signal);

/// What a wait status says. `*signal` is 0 unless a signal ended the process; returns the exit code otherwise.
int cl_wait_status(int status, int *signal);

/// waitpid for children of either kind (`__WALL`), never blocking when `options` has WNOHANG.
pid_t cl_wait(pid_t pid, int *status, int options);

/// epoll_wait for a process that has had nothing to do: before it waits, it gives back its free heap and the mapped
/// pages of its own program, which stay in the page cache and come back at the next touch.
int cl_epoll_wait_resting(int epoll, struct epoll_event *events, int count, int timeout);

/// A descriptor whose read waits until the time that `cl_timer_set` has set last: nanoseconds from then, 0 for never.
int cl_timer(void);
int cl_timer_set(int timer, long nanoseconds);

int cl_seccomp_install(const struct sock_fprog *filter);
int cl_capabilities_clear(void);
/// Keeps exactly the capabilities of `mask` (bit = number) in the effective and permitted sets.
int cl_capabilities_keep(uint64_t mask);

/// A descriptor of a new user namespace in which `count` ids from `first` on, users and groups, are those here from
/// `base` on. Nobody is in it. -1 with errno.
int cl_user_namespace(uint32_t first, uint32_t base, uint32_t count);
/// This thread enters the namespace; one of users, only while it is the process's only thread.
int cl_setns(int fd, int flags);
/// This process's CLONE_NEW… flags anew.
int cl_unshare(int flags);
int cl_close_range(unsigned first, unsigned last);
/// This process's user and group, all kinds of them, and no further groups. -1 with errno.
int cl_become(uint32_t user, uint32_t group);

// MARK: Mounts

int cl_open_tree(int directory, const char *path, unsigned flags);
int cl_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags);
/// With a user namespace, not -1, the ids of a mount that nobody has seen yet are mapped by it.
int cl_mount_setattr(int directory, const char *path, unsigned flags, uint64_t set, int user_namespace);
int cl_pivot_root(const char *new_root, const char *put_old);

extern const unsigned CL_OPEN_TREE_CLONE;
extern const unsigned CL_OPEN_TREE_CLOEXEC;
/// The file system's magic number, as statfs gives it.
long cl_file_system_type(const char *path);

extern const unsigned CL_AT_EMPTY_PATH;
extern const unsigned CL_AT_RECURSIVE;
extern const unsigned CL_MOVE_MOUNT_F_EMPTY_PATH;
extern const uint64_t CL_MOUNT_ATTR_RDONLY;
extern const uint64_t CL_MOUNT_ATTR_NOSUID;
extern const uint64_t CL_MOUNT_ATTR_NODEV;
extern const uint64_t CL_MOUNT_ATTR_NOEXEC;

// MARK: Files

/// Renames unless the new name is taken: EEXIST.
int cl_rename_new(int from, const char *name, int to, const char *new_name);
/// copy_file_range at the same offset in both files.
ssize_t cl_copy_range(int from, int to, int64_t offset, size_t count);
/// Makes `to` share all data of `from`, where the file system can.
int cl_clone_file(int from, int to);
/// The next offset, from `offset` on, of something written, or of a hole.
int64_t cl_seek_data(int file, int64_t offset);
int64_t cl_seek_hole(int file, int64_t offset);

// MARK: Loop devices

/// The number of a loop device that nothing is attached to now; `control` is `/dev/loop-control`.
int cl_loop_free(int control);
/// Attaches `file`. The device lets go of it when nobody has the device open or mounted any more. A `block_size` of 0
/// leaves the size to the kernel.
int cl_loop_configure(int device, int file, int read_only, uint32_t block_size);
/// Device and inode of the attached file, as stat gives them.
int cl_loop_backing(int device, uint64_t *file_device, uint64_t *inode);
/// Takes over what the size of the attached file is now.
int cl_loop_update_size(int device);

// MARK: Sockets and terminals

/// Credentials of the process at the other end of a unix socket.
int cl_peer(int socket, pid_t *pid, uid_t *user);
int cl_bind_unix(int socket, const char *path);
int cl_connect_unix(int socket, const char *path);
int cl_terminal_size(int fd, uint16_t *rows, uint16_t *columns);
int cl_terminal_set_size(int fd, uint16_t rows, uint16_t columns);
/// Opens the other end of a pseudo-terminal without a path (TIOCGPTPEER).
int cl_terminal_peer(int controller);
int cl_terminal_unlock(int controller);

#endif
