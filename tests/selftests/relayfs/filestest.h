/* SPDX-License-Identifier: GPL-2.0 */
/* The client with files of its own: what the tests of those share. */
#ifndef FILESTEST_H
#define FILESTEST_H

#include "relaytest.h"
#include <relayfs_files.h>

#define RELAY_CPU_NONE		0xffffffff
#define RELAY_CPU_ALL		0xfffffffe

static inline int files_device(void)
{
	int fd = open("/dev/relayfs_files", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		load_module("relayfs_files");
		fd = open("/dev/relayfs_files", O_RDWR | O_CLOEXEC);
	}
	return fd;
}

static inline int files_do(int dev, unsigned long cmd, const void *argument)
{
	int ret = ioctl(dev, cmd, argument);

	return ret < 0 ? -errno : ret;
}

/* Opens a channel; path NULL: without files. */
static inline int files_chan(int dev, uint32_t channel, const char *path, uint32_t flags)
{
	struct files_open o = { .path = (uintptr_t)path, .channel = channel, .flags = flags };

	return files_do(dev, FILES_OPEN, &o);
}

static inline int files_chan_close(int dev, uint32_t channel)
{
	return files_do(dev, FILES_CLOSE, &channel);
}

static inline int files_chan_write(int dev, uint32_t channel, const void *data, size_t len)
{
	struct files_write w = { .data = (uintptr_t)data, .len = len, .channel = channel };

	return files_do(dev, FILES_WRITE, &w);
}

/* Makes a file or directory of the client's. */
static inline int files_make(int dev, uint32_t entry, const char *name, int32_t parent,
			     uint32_t kind)
{
	struct files_make m = { .name = (uintptr_t)name, .parent = parent, .entry = entry,
				.mode = kind == FILES_DIR ? 0 : 0644, .kind = kind };

	return files_do(dev, FILES_MAKE, &m);
}

static inline int files_remove(int dev, uint32_t entry)
{
	return files_do(dev, FILES_REMOVE, &entry);
}

static inline int files_forget(int dev, uint32_t entry)
{
	return files_do(dev, FILES_FORGET, &entry);
}

static inline int files_count(int dev, uint32_t what)
{
	return files_do(dev, FILES_COUNT, &what);
}

#endif
