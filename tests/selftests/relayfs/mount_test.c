// SPDX-License-Identifier: GPL-2.0
/* Mounts: one tree in all, what is each mount's own, namespaces, and their end. */

#include <sys/statvfs.h>

#include "mount_rig.h"

/* A file below the second mount. */
static const char *below(const char *there, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", there, name);
	return path;
}

/* Writes a record and says whether @fd gets it. */
static bool arrives(int dev, int id, int fd, const char *text)
{
	char got[64] = "";

	return chan_write(dev, id, text, strlen(text)) == (long)strlen(text) &&
	       read(fd, got, sizeof(got)) == (ssize_t)strlen(text) && !strcmp(got, text);
}

TEST_F(mount, all_mounts_show_one_tree)
{
	struct stat here, there;
	int id, fd;

	ASSERT_EQ(mount_at(self->there, 0, NULL), 0);
	ASSERT_EQ(stat(MOUNT "/m", &here), 0);
	ASSERT_EQ(stat(below(self->there, "m"), &there), 0);
	EXPECT_EQ(here.st_dev, there.st_dev);
	EXPECT_EQ(here.st_ino, there.st_ino);
	/* What comes and goes does so in both. */
	id = chan_open(self->dev, "dir/later", PAGE, 2, RELAY_DELIVERY_PACKET);
	ASSERT_GE(id, 0);
	fd = open(below(self->there, "dir/later"), O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(arrives(self->dev, id, fd, "here and there"));
	close(fd);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	EXPECT_EQ(stat(below(self->there, "dir"), &there), -1);
	EXPECT_EQ(errno, ENOENT);
	/* Options are of the tree. */
	EXPECT_EQ(mount_at(self->there, MS_REMOUNT, "mode=0755"), 0);
	EXPECT_TRUE(shown(MOUNT, "mode=755"));
	ASSERT_EQ(stat(MOUNT, &here), 0);
	EXPECT_EQ(here.st_mode & 07777, 0755);
}

static bool read_only(const char *where)
{
	struct statvfs s;

	return !statvfs(where, &s) && s.f_flag & ST_RDONLY;
}

TEST_F(mount, read_only_is_one_mounts_own)
{
	int fd;

	ASSERT_EQ(mount_at(self->there, MS_RDONLY, NULL), 0);
	EXPECT_TRUE(read_only(self->there));
	EXPECT_FALSE(read_only(MOUNT));
	EXPECT_EQ(chmod(below(self->there, "m"), 0400), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(chmod(MOUNT "/m", 0400), 0);
	/* Reading reads, and consumes: what is in buffers is not in the tree. */
	fd = open(below(self->there, "m"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(arrives(self->dev, self->id, fd, "read only"));
	EXPECT_EQ(info("m", "total", "read", false), 1);
	close(fd);
	/* By remounting as well. */
	EXPECT_EQ(mount_at(self->there, MS_REMOUNT, NULL), 0);
	EXPECT_FALSE(read_only(self->there));
	EXPECT_EQ(chmod(below(self->there, "m"), 0400), 0);
	EXPECT_EQ(mount_at(self->there, MS_REMOUNT | MS_RDONLY, "mode=0711"), 0);
	EXPECT_TRUE(read_only(self->there));
	EXPECT_FALSE(read_only(MOUNT));
	EXPECT_EQ(chmod(MOUNT "/m", 0400), 0);
	/* The rest of such a remount is for all. */
	EXPECT_TRUE(shown(MOUNT, "mode=711"));
}

TEST_F(mount, so_are_the_flags_that_the_kernel_keeps)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	struct relayfs_meta *meta;
	int fd;

	ASSERT_EQ(mount_at(self->there, flags, NULL), 0);
	EXPECT_TRUE(shown(self->there, "nosuid"));
	EXPECT_TRUE(shown(self->there, "nodev"));
	EXPECT_TRUE(shown(self->there, "noexec"));
	EXPECT_FALSE(shown(MOUNT, "noexec"));
	fd = open(below(self->there, "m.d/cpu0"), O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	meta = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(meta, MAP_FAILED);
	EXPECT_EQ(meta->magic, RELAYFS_MAGIC);
	munmap(meta, PAGE);
	close(fd);
}

TEST_F(mount, parts_can_be_bound_elsewhere)
{
	char file[] = "/tmp/fileXXXXXX";
	int fd = mkstemp(file);

	close(fd);
	ASSERT_EQ(mount(MOUNT "/m.d", self->there, NULL, MS_BIND, NULL), 0);
	fd = open(below(self->there, "info"), O_RDONLY | O_CLOEXEC);
	EXPECT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(mount(MOUNT "/m", file, NULL, MS_BIND, NULL), 0);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(arrives(self->dev, self->id, fd, "bound"));
	/* They go on to be mounted when the channel is gone, with nothing new in them. */
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_EQ(read(fd, file, 1), 0);
	close(fd);
	EXPECT_EQ(open(below(self->there, "info"), O_RDONLY | O_CLOEXEC), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(umount(file), 0);
	EXPECT_EQ(unlink(file), 0);
	EXPECT_EQ(umount(self->there), 0);
}

TEST_F(mount, what_is_mounted_upon_a_channel_goes_with_it)
{
	ASSERT_EQ(mount("none", MOUNT "/m.d", "tmpfs", 0, NULL), 0);
	EXPECT_STRNE(options_of(MOUNT "/m.d"), "");
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_STREQ(options_of(MOUNT "/m.d"), "");
	EXPECT_FALSE(file_exists("m.d"));
}

static int open_in_chroot(const void *argument)
{
	int fd;

	(void)argument;
	if (chroot(MOUNT) || chdir("/"))
		return 100;
	fd = open("/m", O_RDONLY | O_CLOEXEC);
	return fd < 0 || access("/../m.d/cpu0", R_OK) || access("/sys", F_OK) != -1;
}

TEST_F(mount, a_root_directory_like_any)
{
	EXPECT_EQ(in_child(open_in_chroot, NULL), 0);
}

static int unmount_in_namespace(const void *argument)
{
	(void)argument;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 100;
	if (umount(MOUNT) || file_exists("m"))
		return 1;
	return mount_at(MOUNT, 0, NULL) || !file_exists("m");
}

TEST_F(mount, each_namespace_has_its_own)
{
	EXPECT_EQ(in_child(unmount_in_namespace, NULL), 0);
	EXPECT_TRUE(file_exists("m"));
}

static int mount_in_user_namespace(const void *there)
{
	int fs;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return 100;
	if (mount_at(there, 0, NULL) != -EPERM)
		return 1;
	fs = fs_open();
	if (fs >= 0 && fs_config(fs, FSCONFIG_CMD_CREATE, NULL, NULL) != -EPERM)
		return 2;
	/* The one that is there is not to be changed either. */
	return remount("mode=0777") != -EPERM ? 3 : 0;
}

TEST_F(mount, not_in_a_user_namespace)
{
	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "no user namespaces");
	EXPECT_EQ(in_child(mount_in_user_namespace, self->there), 0);
}

static int mount_as(const void *there)
{
	const struct user other = { OTHER, OTHER };

	if (become(&other))
		return 100;
	return mount_at(there, 0, NULL) != -EPERM || remount("mode=0777") != -EPERM ||
	       umount(MOUNT) != -1 || errno != EPERM;
}

TEST_F(mount, not_by_users)
{
	EXPECT_EQ(in_child(mount_as, self->there), 0);
}

TEST_F(mount, statfs_tells_of_the_buffers_memory)
{
	const int64_t page = sysconf(_SC_PAGESIZE);
	struct statfs before, after;
	int id;

	ASSERT_EQ(statfs(MOUNT "/m.d/cpu0", &before), 0);
	EXPECT_EQ(before.f_type, RELAYFS_MAGIC);
	EXPECT_EQ(before.f_bsize, page);
	EXPECT_EQ(before.f_frsize, page);
	EXPECT_EQ(before.f_namelen, 255);
	EXPECT_EQ((int64_t)before.f_blocks * page, parameter_get("max_bytes"));
	EXPECT_EQ((int64_t)(before.f_blocks - before.f_bfree) * page, parameter_get("used_bytes"));
	EXPECT_EQ(before.f_bavail, before.f_bfree);
	EXPECT_EQ(before.f_files, 0);
	id = chan_open(self->dev, "more", 16 * page, 4, RELAY_USAGE_GLOBAL);
	ASSERT_GE(id, 0);
	ASSERT_EQ(statfs(MOUNT, &after), 0);
	EXPECT_EQ(after.f_blocks, before.f_blocks);
	EXPECT_GE(before.f_bfree - after.f_bfree, 64);
	EXPECT_EQ((int64_t)(after.f_blocks - after.f_bfree) * page, parameter_get("used_bytes"));
	EXPECT_EQ(chan_close(self->dev, id), 0);
	ASSERT_EQ(statfs(MOUNT, &after), 0);
	EXPECT_EQ(after.f_bfree, before.f_bfree);
	/* As much as there is, if the limit is below. */
	EXPECT_EQ(remount("max_bytes=0"), 0);
	ASSERT_EQ(statfs(MOUNT, &after), 0);
	EXPECT_EQ((int64_t)after.f_blocks * page, parameter_get("used_bytes"));
	EXPECT_EQ(after.f_bfree, 0);
}

FIXTURE(busy)
{
	int dev, id;
	char there[32];
};

FIXTURE_VARIANT(busy)
{
	const char *name;
	int flags;
};

FIXTURE_VARIANT_ADD(busy, root) { "", O_RDONLY | O_DIRECTORY };
FIXTURE_VARIANT_ADD(busy, whole) { "m", O_RDONLY };
FIXTURE_VARIANT_ADD(busy, written) { "m", O_RDWR };
FIXTURE_VARIANT_ADD(busy, directory) { "m.d", O_RDONLY | O_DIRECTORY };
FIXTURE_VARIANT_ADD(busy, buffer) { "m.d/cpu0", O_RDONLY };
FIXTURE_VARIANT_ADD(busy, info) { "m.d/info", O_RDONLY };
FIXTURE_VARIANT_ADD(busy, path_alone) { "m", O_PATH };

FIXTURE_SETUP(busy)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = chan_open_attr(self->dev, "m", (struct relaytest_open){ .subbuf_size = PAGE,
				  .flags = RELAY_DELIVERY_PACKET, .mode = 0600 });
	ASSERT_GE(self->id, 0);
	snprintf(self->there, sizeof(self->there), "/tmp/busyXXXXXX");
	ASSERT_NE(mkdtemp(self->there), NULL);
	ASSERT_EQ(mount_at(self->there, 0, NULL), 0);
}

FIXTURE_TEARDOWN(busy)
{
	umount2(self->there, MNT_DETACH);
	rmdir(self->there);
	close(self->dev);
}

TEST_F(busy, an_open_file_keeps_a_mount)
{
	int fd = open(below(self->there, variant->name), variant->flags | O_CLOEXEC);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(umount(self->there), -1);
	EXPECT_EQ(errno, EBUSY);
	close(fd);
	EXPECT_EQ(umount(self->there), 0);
}

TEST_F(busy, and_goes_on_when_that_is_let_go)
{
	bool data = !strcmp(variant->name, "m") || !strcmp(variant->name, "m.d/cpu0");
	int fd = open(below(self->there, variant->name), variant->flags | O_CLOEXEC);
	struct stat st;

	ASSERT_GE(fd, 0);
	EXPECT_EQ(umount2(self->there, MNT_DETACH), 0);
	EXPECT_EQ(fstat(fd, &st), 0);
	if (data && variant->flags != O_PATH)
		EXPECT_TRUE(arrives(self->dev, self->id, fd, "still"));
	if (variant->flags == O_RDWR)
		EXPECT_EQ(write(fd, "written", 7), 7);
	/* It is no longer anywhere, and the tree is where it was. */
	EXPECT_EQ(open(below(self->there, "m"), O_RDONLY), -1);
	EXPECT_TRUE(file_exists("m"));
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	if (data && variant->flags != O_PATH) {
		char left[16];

		while (read(fd, left, sizeof(left)) > 0)
			;
		EXPECT_EQ(read(fd, left, sizeof(left)), 0);
	}
	close(fd);
}

TEST_F(mount, a_mapping_and_a_current_directory_keep_it_too)
{
	int fd, cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	void *map;

	ASSERT_EQ(mount_at(self->there, 0, NULL), 0);
	fd = open(below(self->there, "m.d/cpu0"), O_RDONLY | O_CLOEXEC);
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(map, MAP_FAILED);
	close(fd);
	EXPECT_EQ(umount(self->there), -1);
	EXPECT_EQ(errno, EBUSY);
	munmap(map, PAGE);
	ASSERT_EQ(chdir(self->there), 0);
	EXPECT_EQ(umount(self->there), -1);
	EXPECT_EQ(errno, EBUSY);
	ASSERT_EQ(fchdir(cwd), 0);
	close(cwd);
	EXPECT_EQ(umount(self->there), 0);
}

TEST_HARNESS_MAIN
