#include "CBtrfs.h"
#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

// From Linux 6.7 on; older headers lack it.
#ifndef BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA
#define BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA 4
#endif

// The root that holds everything else's roots, and that of the quotas (linux/btrfs_tree.h).
enum { ROOT_TREE = 1, QUOTA_TREE = 8 };

/// Only groups of subvolumes: their level, the upper 16 bits of the number, is 0.
static const uint64_t LAST_SUBVOLUME = (UINT64_C(1) << 48) - 1;

static int copy_name(char *target, size_t size, const char *name) {
    if (strlen(name) >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(target, name);
    return 0;
}

int cb_subvolume_create(int parent, const char *name) {
    struct btrfs_ioctl_vol_args_v2 request;
    memset(&request, 0, sizeof request);
    if (copy_name(request.name, sizeof request.name, name) < 0) return -1;
    return ioctl(parent, BTRFS_IOC_SUBVOL_CREATE_V2, &request);
}

int cb_subvolume_snapshot(int parent, const char *name, int source, int read_only) {
    struct btrfs_ioctl_vol_args_v2 request;
    memset(&request, 0, sizeof request);
    if (copy_name(request.name, sizeof request.name, name) < 0) return -1;
    request.fd = source;
    request.flags = read_only ? BTRFS_SUBVOL_RDONLY : 0;
    return ioctl(parent, BTRFS_IOC_SNAP_CREATE_V2, &request);
}

int cb_subvolume_delete(int parent, const char *name) {
    struct btrfs_ioctl_vol_args request;
    memset(&request, 0, sizeof request);
    if (copy_name(request.name, sizeof request.name, name) < 0) return -1;
    return ioctl(parent, BTRFS_IOC_SNAP_DESTROY, &request);
}

int cb_subvolume_id(int place, uint64_t *id) {
    struct btrfs_ioctl_ino_lookup_args request;
    memset(&request, 0, sizeof request);
    request.objectid = BTRFS_FIRST_FREE_OBJECTID;
    if (ioctl(place, BTRFS_IOC_INO_LOOKUP, &request) < 0) return -1;
    *id = request.treeid;
    return 0;
}

int cb_quota_enable(int place, int simple) {
    struct btrfs_ioctl_quota_ctl_args request;
    memset(&request, 0, sizeof request);
    request.cmd = simple ? BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA : BTRFS_QUOTA_CTL_ENABLE;
    return ioctl(place, BTRFS_IOC_QUOTA_CTL, &request);
}

int cb_quota_limit(int place, uint64_t id, uint64_t bytes) {
    struct btrfs_ioctl_qgroup_limit_args request;
    memset(&request, 0, sizeof request);
    request.qgroupid = id;
    request.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER;
    request.lim.max_rfer = bytes;
    return ioctl(place, BTRFS_IOC_QGROUP_LIMIT, &request);
}

int cb_quota_forget(int place, uint64_t id) {
    struct btrfs_ioctl_qgroup_create_args request = {.create = 0, .qgroupid = id};
    return ioctl(place, BTRFS_IOC_QGROUP_CREATE, &request);
}

int cb_quota_rescan(int place) {
    struct btrfs_ioctl_quota_rescan_args request;
    memset(&request, 0, sizeof request);
    return ioctl(place, BTRFS_IOC_QUOTA_RESCAN, &request);
}

/// The items of one tree with keys from `first` to `last`, as many as fit.
struct search {
    struct btrfs_ioctl_search_args request;
    size_t place;
    uint32_t left;
};

static int search(int place, struct search *search, uint64_t tree, const struct btrfs_ioctl_search_key *range) {
    memset(search, 0, sizeof *search);
    search->request.key = *range;
    search->request.key.tree_id = tree;
    search->request.key.max_transid = UINT64_MAX;
    if (ioctl(place, BTRFS_IOC_TREE_SEARCH, &search->request) < 0) return -1;
    search->left = search->request.key.nr_items;
    return 0;
}

/// The next item, its content at `*content`; 0 when there is none.
static int next_item(struct search *search, struct btrfs_ioctl_search_header *header, const void **content) {
    if (search->left == 0 || search->place + sizeof *header > sizeof search->request.buf) return 0;
    memcpy(header, search->request.buf + search->place, sizeof *header);
    search->place += sizeof *header;
    if (header->len > sizeof search->request.buf - search->place) return 0;
    *content = search->request.buf + search->place;
    search->place += header->len;
    search->left--;
    return 1;
}

static int quota_status(int place, int *is_consistent) {
    struct btrfs_ioctl_search_key range = {
        .min_type = BTRFS_QGROUP_STATUS_KEY, .max_type = BTRFS_QGROUP_STATUS_KEY, .nr_items = 1};
    struct search found;
    if (search(place, &found, QUOTA_TREE, &range) < 0) return -1;
    struct btrfs_ioctl_search_header header;
    const void *content;
    *is_consistent = 0;
    if (!next_item(&found, &header, &content)) return 0;
    struct btrfs_qgroup_status_item status;
    memset(&status, 0, sizeof status);
    memcpy(&status, content, header.len < sizeof status ? header.len : sizeof status);
    uint64_t unsure = BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT | BTRFS_QGROUP_STATUS_FLAG_RESCAN;
    *is_consistent = (status.flags & unsure) == 0;
    return 0;
}

int cb_quota_read(int place, uint64_t id, struct cb_quota *quota) {
    struct btrfs_ioctl_search_key range = {
        .min_type = BTRFS_QGROUP_INFO_KEY, .max_type = BTRFS_QGROUP_LIMIT_KEY, .nr_items = 16,
        .min_offset = id, .max_offset = id};
    // Keys are compared as one number, so the range also has what lies between; those are skipped below. A search for
    // each of the two items would have the same price.
    struct search found;
    struct btrfs_ioctl_search_header header;
    const void *content;
    int has_usage = 0;
    quota->limit = UINT64_MAX;
    for (uint32_t type = BTRFS_QGROUP_INFO_KEY; type <= BTRFS_QGROUP_LIMIT_KEY; type += 2) {
        range.min_type = range.max_type = type;
        if (search(place, &found, QUOTA_TREE, &range) < 0) return -1;
        if (!next_item(&found, &header, &content)) continue;
        if (type == BTRFS_QGROUP_INFO_KEY && header.len >= sizeof(struct btrfs_qgroup_info_item)) {
            quota->used = ((const struct btrfs_qgroup_info_item *)content)->rfer;
            has_usage = 1;
        } else if (type == BTRFS_QGROUP_LIMIT_KEY && header.len >= sizeof(struct btrfs_qgroup_limit_item)) {
            struct btrfs_qgroup_limit_item limit;
            memcpy(&limit, content, sizeof limit);
            if (limit.flags & BTRFS_QGROUP_LIMIT_MAX_RFER) quota->limit = limit.max_rfer;
        }
    }
    if (!has_usage) {
        errno = ENOENT;
        return -1;
    }
    return quota_status(place, &quota->is_consistent);
}

int cb_quota_next(int place, uint64_t *after) {
    struct btrfs_ioctl_search_key range = {
        .min_type = BTRFS_QGROUP_INFO_KEY, .max_type = BTRFS_QGROUP_INFO_KEY, .nr_items = 1,
        .min_offset = *after + 1, .max_offset = LAST_SUBVOLUME};
    struct search found;
    struct btrfs_ioctl_search_header header;
    const void *content;
    if (search(place, &found, QUOTA_TREE, &range) < 0) return -1;
    if (!next_item(&found, &header, &content)) {
        errno = ENOENT;
        return -1;
    }
    *after = header.offset;
    return 0;
}

int cb_subvolume_exists(int place, uint64_t id, int *exists) {
    struct btrfs_ioctl_search_key range = {
        .min_objectid = id, .max_objectid = id, .min_type = BTRFS_ROOT_ITEM_KEY, .max_type = BTRFS_ROOT_ITEM_KEY,
        .max_offset = UINT64_MAX, .nr_items = 1};
    struct search found;
    if (search(place, &found, ROOT_TREE, &range) < 0) return -1;
    *exists = found.left > 0;
    return 0;
}

int cb_device(int place, char path[CB_PATH_SIZE], uint64_t *size, uint64_t *allocated) {
    struct btrfs_ioctl_dev_info_args device;
    memset(&device, 0, sizeof device);
    device.devid = 1;
    if (ioctl(place, BTRFS_IOC_DEV_INFO, &device) < 0) return -1;
    device.path[sizeof device.path - 1] = 0;
    if (copy_name(path, CB_PATH_SIZE, (const char *)device.path) < 0) return -1;
    *size = device.total_bytes;
    *allocated = device.bytes_used;
    return 0;
}

int cb_grow(int place) {
    struct btrfs_ioctl_vol_args request;
    memset(&request, 0, sizeof request);
    strcpy(request.name, "1:max");
    return ioctl(place, BTRFS_IOC_RESIZE, &request);
}

int cb_sync(int place) { return ioctl(place, BTRFS_IOC_SYNC, NULL); }

int cb_identity(int place, uint8_t identity[16]) {
    struct btrfs_ioctl_fs_info_args information;
    memset(&information, 0, sizeof information);
    if (ioctl(place, BTRFS_IOC_FS_INFO, &information) < 0) return -1;
    memcpy(identity, information.fsid, sizeof information.fsid);
    return 0;
}
