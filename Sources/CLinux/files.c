#define _GNU_SOURCE
#include "CLinux.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int cl_rename_new(int from, const char *name, int to, const char *new_name) {
    return renameat2(from, name, to, new_name, RENAME_NOREPLACE);
}

ssize_t cl_copy_range(int from, int to, int64_t offset, size_t count) {
    off_t source = offset, target = offset;
    return copy_file_range(from, &source, to, &target, count, 0);
}

int cl_clone_file(int from, int to) { return ioctl(to, FICLONE, from); }
int64_t cl_seek_data(int file, int64_t offset) { return lseek(file, offset, SEEK_DATA); }
int64_t cl_seek_hole(int file, int64_t offset) { return lseek(file, offset, SEEK_HOLE); }
