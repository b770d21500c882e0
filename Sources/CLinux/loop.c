#include "CLinux.h"
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>

// From Linux 5.8 on; older headers lack it.
#ifndef LOOP_CONFIGURE
#define LOOP_CONFIGURE 0x4C0A
struct loop_config {
    __u32 fd;
    __u32 block_size;
    struct loop_info64 info;
    __u64 reserved[8];
};
#endif

int cl_loop_free(int control) { return ioctl(control, LOOP_CTL_GET_FREE); }

int cl_loop_configure(int device, int file, int read_only, uint32_t block_size) {
    struct loop_config configuration;
    memset(&configuration, 0, sizeof configuration);
    configuration.fd = (__u32)file;
    configuration.block_size = block_size;
    configuration.info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0);
    return ioctl(device, LOOP_CONFIGURE, &configuration);
}

int cl_loop_backing(int device, uint64_t *file_device, uint64_t *inode) {
    struct loop_info64 information;
    memset(&information, 0, sizeof information);
    if (ioctl(device, LOOP_GET_STATUS64, &information) < 0) return -1;
    *file_device = information.lo_device;
    *inode = information.lo_inode;
    return 0;
}

int cl_loop_update_size(int device) { return ioctl(device, LOOP_SET_CAPACITY, 0); }
