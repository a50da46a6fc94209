/* SPDX-License-Identifier: GPL-2.0 */
/* A channel, and a place for a second mount; when a test is over the options are as before. */
#ifndef MOUNT_RIG_H
#define MOUNT_RIG_H

#include "mounttest.h"

static inline int fs_open(void)
{
	return syscall(SYS_fsopen, "relayfs", FSOPEN_CLOEXEC);
}

static inline int fs_config(int fs, unsigned int cmd, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, cmd, key, value, 0) ? -errno : 0;
}

static inline bool shown(const char *where, const char *option)
{
	char options[300], wanted[64];

	snprintf(options, sizeof(options), "%s,", options_of(where));
	snprintf(wanted, sizeof(wanted), ",%s,", option);
	return strstr(options, wanted);
}

FIXTURE(mount)
{
	int dev, id;
	int64_t limit;
	char there[32];
};

FIXTURE_SETUP(mount)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->limit = parameter_get("max_bytes");
	ASSERT_EQ(remount("mode=0700,uid=0,gid=0"), 0);
	self->id = chan_open(self->dev, "m", PAGE, 2, RELAY_DELIVERY_PACKET);
	ASSERT_GE(self->id, 0);
	snprintf(self->there, sizeof(self->there), "/tmp/mountXXXXXX");
	ASSERT_NE(mkdtemp(self->there), NULL);
}

FIXTURE_TEARDOWN(mount)
{
	umount2(self->there, MNT_DETACH);
	rmdir(self->there);
	EXPECT_EQ(remount("mode=0700,uid=0,gid=0"), 0);
	EXPECT_EQ(parameter_set("max_bytes", self->limit), 0);
	close(self->dev);
}

#endif
