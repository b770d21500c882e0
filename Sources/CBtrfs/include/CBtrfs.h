// The calls to a mounted btrfs that Cote makes, each one ioctl (linux/btrfs.h). Nothing here decides anything.
// All return 0, or -1 with errno; `place` is a descriptor for any directory of the file system unless more is said.
#ifndef CBTRFS_H
#define CBTRFS_H

#include <stdint.h>

/// Bytes of the longest path of a device, with its end.
enum { CB_PATH_SIZE = 1024 };

/// Makes the empty subvolume `name` in the directory `parent`.
int cb_subvolume_create(int parent, const char *name);
/// Makes `name` in the directory `parent` a copy of the subvolume whose root is open as `source`.
int cb_subvolume_snapshot(int parent, const char *name, int source, int read_only);
/// Removes the subvolume `name` of the directory `parent` with all that is in it. What it held is freed later.
int cb_subvolume_delete(int parent, const char *name);
/// The number of the subvolume that the open file is in.
int cb_subvolume_id(int place, uint64_t *id);

/// Counts what each subvolume holds from now on. ENOTTY or EINVAL where the kernel does not know `simple`; fine where
/// it is on already.
int cb_quota_enable(int place, int simple);
/// Sets what subvolume `id` may hold; UINT64_MAX for no limit.
int cb_quota_limit(int place, uint64_t id, uint64_t bytes);
/// Forgets the group of a subvolume that is gone.
int cb_quota_forget(int place, uint64_t id);
/// Counts everything anew, later.
int cb_quota_rescan(int place);

struct cb_quota {
    uint64_t used;        ///< as of the last commit
    uint64_t limit;       ///< UINT64_MAX: none
    int is_consistent;    ///< 0: `used` is not to be trusted until a rescan has ended
};

/// What is known about subvolume `id`. ENOENT where it is not counted.
int cb_quota_read(int place, uint64_t id, struct cb_quota *quota);
/// The next group above `*after` of subvolumes; ENOENT after the last.
int cb_quota_next(int place, uint64_t *after);
/// Whether the root of subvolume `id` is still there.
int cb_subvolume_exists(int place, uint64_t id, int *exists);

/// The first device: its path, its size and how much of it belongs to block groups, in bytes.
int cb_device(int place, char path[CB_PATH_SIZE], uint64_t *size, uint64_t *allocated);
/// Takes over what the size of the first device is.
int cb_grow(int place);
/// Returns once everything is on disk.
int cb_sync(int place);
/// The identifier of the file system.
int cb_identity(int place, uint8_t identity[16]);

#endif
