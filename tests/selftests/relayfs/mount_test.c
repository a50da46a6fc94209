// SPDX-License-Identifier: GPL-2.0
/* Mounts: options by either interface, what is each mount's own, namespaces, and their end. */

#include <sys/klog.h>
#include <sys/statvfs.h>

#include "mounttest.h"

static int fs_open(void)
{
	return syscall(SYS_fsopen, "relayfs", FSOPEN_CLOEXEC);
}

static int fs_config(int fs, unsigned int cmd, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, cmd, key, value, 0) ? -errno : 0;
}

/* The next message of a context; "" if there is none. */
static const char *fs_log(int fs)
{
	static char text[256];
	ssize_t n = read(fs, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

static bool shown(const char *where, const char *option)
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

TEST_F(mount, a_remount_changes_what_it_names_and_all_is_shown)
{
	struct stat st;

	EXPECT_EQ(remount("mode=0750,uid=7,gid=9,max_bytes=64m"), 0);
	EXPECT_TRUE(shown(MOUNT, "mode=750"));
	EXPECT_TRUE(shown(MOUNT, "uid=7"));
	EXPECT_TRUE(shown(MOUNT, "gid=9"));
	EXPECT_TRUE(shown(MOUNT, "max_bytes=67108864"));
	EXPECT_EQ(parameter_get("max_bytes"), 64 << 20);
	ASSERT_EQ(stat(MOUNT "/m", &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0440);
	EXPECT_EQ(st.st_uid, 7);
	EXPECT_EQ(st.st_gid, 9);
	EXPECT_EQ(remount("gid=10"), 0);
	EXPECT_TRUE(shown(MOUNT, "mode=750"));
	EXPECT_TRUE(shown(MOUNT, "gid=10"));
	EXPECT_TRUE(shown(MOUNT, "max_bytes=67108864"));
	/* What is as ever is not shown. */
	EXPECT_EQ(remount("mode=0700,uid=0,gid=0"), 0);
	EXPECT_EQ(parameter_set("max_bytes", self->limit), 0);
	EXPECT_EQ(strstr(options_of(MOUNT), "mode="), NULL);
	EXPECT_EQ(strstr(options_of(MOUNT), "id="), NULL);
	EXPECT_EQ(strstr(options_of(MOUNT), "max_bytes="), NULL);
}

TEST_F(mount, max_bytes_is_the_limit_of_all_buffers)
{
	char options[64];
	int64_t used = parameter_get("used_bytes");

	snprintf(options, sizeof(options), "max_bytes=%lld", (long long)used);
	ASSERT_EQ(remount(options), 0);
	EXPECT_EQ(chan_open(self->dev, "more", PAGE, 2, 0), -ENOMEM);
	EXPECT_FALSE(file_exists("more"));
	/* A mount says it as well as a remount. */
	ASSERT_EQ(mount_at(self->there, 0, "max_bytes=1g"), 0);
	EXPECT_EQ(parameter_get("max_bytes"), 1 << 30);
	EXPECT_GE(chan_open(self->dev, "more", PAGE, 2, 0), 0);
}

FIXTURE(bytes) { };

FIXTURE_VARIANT(bytes)
{
	const char *text;
	int64_t number;		/* -1: refused */
};

FIXTURE_SETUP(bytes) { }
FIXTURE_TEARDOWN(bytes) { }

#define BYTES(name, ...) FIXTURE_VARIANT_ADD(bytes, name) { __VA_ARGS__ }
BYTES(plain, "40960", 40960);
BYTES(part_of_a_page, "40961", 40960);
BYTES(nothing_at_all, "0", 0);
BYTES(kilo, "12k", 12 << 10);
BYTES(mega, "3M", 3 << 20);
BYTES(giga, "1g", 1 << 30);
BYTES(tera, "2T", 2ll << 40);
BYTES(hexadecimal, "0x4000", 0x4000);
BYTES(hexadecimal_kilo, "0x1cK", 0x1c << 10);
BYTES(hexadecimal_that_ends_like_a_suffix, "0x1000e", 0x10000);
BYTES(octal, "020000", 020000);
BYTES(empty, "", -1);
BYTES(a_word, "much", -1);
BYTES(a_suffix_alone, "k", -1);
BYTES(two_suffixes, "1kk", -1);
BYTES(negative, "-1", -1);
BYTES(with_a_space, "1 M", -1);
BYTES(hexadecimal_of_nothing, "0x", -1);
BYTES(a_number_too_large, "99999999999999999999", -1);
BYTES(a_shift_too_large, "16E", -1);

TEST_F(bytes, are_what_memparse_knows)
{
	int64_t limit = parameter_get("max_bytes");
	char options[64];

	snprintf(options, sizeof(options), "max_bytes=%s", variant->text);
	EXPECT_EQ(remount(options), variant->number < 0 ? -EINVAL : 0);
	EXPECT_EQ(parameter_get("max_bytes"), variant->number < 0 ? limit : variant->number);
	/* The parameter of the module has the same rules. */
	EXPECT_EQ(parameter_set("max_bytes", limit), 0);
	EXPECT_EQ(parameter_set_text("max_bytes", variant->text),
		  variant->number < 0 ? -EINVAL : 0);
	EXPECT_EQ(parameter_get("max_bytes"), variant->number < 0 ? limit : variant->number);
	EXPECT_EQ(parameter_set("max_bytes", limit), 0);
}

FIXTURE(refused) { };

FIXTURE_VARIANT(refused)
{
	const char *key, *value, *says;
};

FIXTURE_SETUP(refused) { }
FIXTURE_TEARDOWN(refused) { }

#define REFUSED(name, ...) FIXTURE_VARIANT_ADD(refused, name) { __VA_ARGS__ }
REFUSED(a_mode_that_is_not_octal, "mode", "0799", "relayfs: Bad value for 'mode'");
REFUSED(a_mode_beyond_0777, "mode", "4755", "relayfs: Bad value for 'mode': 4755 is beyond 0777");
REFUSED(a_user_by_name, "uid", "root", "relayfs: Bad value for 'uid'");
REFUSED(no_user, "uid", "4294967295", "relayfs: Invalid uid '4294967295'");
REFUSED(a_group_by_name, "gid", "root", "relayfs: Bad value for 'gid'");
REFUSED(no_number_of_bytes, "max_bytes", "1x",
	"relayfs: Bad value for 'max_bytes': 1x is no number of bytes");
REFUSED(no_value, "max_bytes", NULL, "relayfs: Bad value for 'max_bytes'");
REFUSED(an_unknown_option, "bogus", "1", "relayfs: Unknown parameter 'bogus'");

TEST_F(refused, and_the_log_tells)
{
	static char kernel_log[1 << 18];
	char options[64];
	int fs = fs_open(), n;

	ASSERT_GE(fs, 0);
	EXPECT_EQ(fs_config(fs, variant->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			    variant->key, variant->value), -EINVAL);
	EXPECT_EQ(strncmp(fs_log(fs), "e ", 2), 0);
	close(fs);
	fs = fs_open();
	fs_config(fs, variant->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, variant->key,
		  variant->value);
	EXPECT_NE(strstr(fs_log(fs), variant->says), NULL) TH_LOG("'%s'", variant->says);
	close(fs);

	/* mount(2) has no log of its own. */
	klogctl(5, NULL, 0);
	snprintf(options, sizeof(options), variant->value ? "%s=%s" : "%s", variant->key,
		 variant->value);
	EXPECT_EQ(remount(options), -EINVAL);
	n = klogctl(3, kernel_log, sizeof(kernel_log) - 1);
	ASSERT_GT(n, 0);
	kernel_log[n] = 0;
	EXPECT_NE(strstr(kernel_log, variant->says), NULL) TH_LOG("'%s'", variant->says);
}

TEST_F(mount, by_the_newer_interface)
{
	int fs = fs_open(), there, pick;
	struct stat st;

	ASSERT_GE(fs, 0);
	EXPECT_EQ(fs_config(fs, FSCONFIG_SET_STRING, "mode", "0711"), 0);
	EXPECT_EQ(fs_config(fs, FSCONFIG_SET_STRING, "uid", "7"), 0);
	ASSERT_EQ(fs_config(fs, FSCONFIG_CMD_CREATE, NULL, NULL), 0);
	there = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	ASSERT_GE(there, 0);
	close(fs);
	ASSERT_EQ(fstat(there, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0711);
	EXPECT_EQ(st.st_uid, 7);
	/* It is a mount before it is anywhere. */
	EXPECT_EQ(fstatat(there, "m", &st, 0), 0);
	EXPECT_EQ(st.st_uid, 7);
	ASSERT_EQ(syscall(SYS_move_mount, there, "", AT_FDCWD, self->there,
			  MOVE_MOUNT_F_EMPTY_PATH), 0);
	close(there);
	EXPECT_TRUE(shown(self->there, "mode=711"));

	pick = syscall(SYS_fspick, AT_FDCWD, self->there, FSPICK_CLOEXEC);
	ASSERT_GE(pick, 0);
	EXPECT_EQ(fs_config(pick, FSCONFIG_SET_STRING, "mode", "0755"), 0);
	/* Nothing changes before it is said. */
	EXPECT_TRUE(shown(self->there, "mode=711"));
	EXPECT_EQ(fs_config(pick, FSCONFIG_CMD_RECONFIGURE, NULL, NULL), 0);
	EXPECT_TRUE(shown(self->there, "mode=755"));
	EXPECT_TRUE(shown(self->there, "uid=7"));
	close(pick);
}

TEST_F(mount, one_tree_that_cannot_be_had_anew)
{
	int fs = fs_open();

	ASSERT_GE(fs, 0);
	EXPECT_EQ(fs_config(fs, FSCONFIG_CMD_CREATE_EXCL, NULL, NULL), -EBUSY);
	close(fs);
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
