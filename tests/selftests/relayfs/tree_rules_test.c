// SPDX-License-Identifier: GPL-2.0
/* What users cannot change about the tree, and what root and owners can. */

#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <pthread.h>

#include "tree_rig.h"

/* What users may not do. Each returns 0, or an errno. */
static int result(long ret)
{
	return ret == -1 ? errno : 0;
}

static int do_create(void)
{
	return result(open(path_of("a/new"), O_CREAT | O_RDWR, 0600));
}

static int do_create_excl(void)
{
	return result(open(path_of("a/new"), O_CREAT | O_EXCL | O_WRONLY, 0600));
}

static int do_mkdir(void)
{
	return result(mkdir(path_of("a/new"), 0700));
}

static int do_mknod(void)
{
	return result(mknod(path_of("a/new"), S_IFREG | 0600, 0));
}

static int do_mkfifo(void)
{
	return result(mkfifo(path_of("a/new"), 0600));
}

static int do_symlink(void)
{
	return result(symlink("b", path_of("a/new")));
}

static int do_link(void)
{
	return result(link(path_of("a/b/t"), path_of("a/new")));
}

static int do_unlink(void)
{
	return result(unlink(path_of("a/b/t")));
}

static int do_unlink_info(void)
{
	return result(unlink(path_of("a/b/t.d/info")));
}

static int do_rmdir(void)
{
	return result(rmdir(path_of("a/b/t.d")));
}

static int do_rmdir_parent(void)
{
	return result(rmdir(path_of("a")));
}

static int do_rename(void)
{
	return result(rename(path_of("a/b/t"), path_of("a/new")));
}

static int do_rename_dir(void)
{
	return result(rename(path_of("a/b"), path_of("c")));
}

static int do_exchange(void)
{
	return result(syscall(SYS_renameat2, AT_FDCWD, path_of("a/b/t"), AT_FDCWD,
			      path_of("a/b/t.d/info"), 2));
}

FIXTURE(fixed) { int dev; };

FIXTURE_VARIANT(fixed)
{
	int (*what)(void);
};

#define FIXED(name) FIXTURE_VARIANT_ADD(fixed, name) { do_##name }
FIXED(create);
FIXED(create_excl);
FIXED(mkdir);
FIXED(mknod);
FIXED(mkfifo);
FIXED(symlink);
FIXED(link);
FIXED(unlink);
FIXED(unlink_info);
FIXED(rmdir);
FIXED(rmdir_parent);
FIXED(rename);
FIXED(rename_dir);
FIXED(exchange);

FIXTURE_SETUP(fixed)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_GE(chan_open(self->dev, "a/b/t", PAGE, 2, 0), 0);
}

FIXTURE_TEARDOWN(fixed)
{
	EXPECT_EQ(remount("mode=0700,uid=0,gid=0"), 0);
	close(self->dev);
}

static int as_user(const void *argument)
{
	const struct user other = { OTHER, OTHER };

	return become(&other) ? 255 : (*(int (*const *)(void))argument)();
}

TEST_F(fixed, is_refused_with_eperm)
{
	/* Also where all may write the directories. */
	EXPECT_EQ(remount("mode=0777"), 0);
	EXPECT_EQ(variant->what(), EPERM);
	EXPECT_EQ(in_child(as_user, &variant->what), EPERM);
	/* Who may not gets that said first. */
	EXPECT_EQ(remount("mode=0755"), 0);
	EXPECT_EQ(variant->what(), EPERM);
	EXPECT_TRUE(file_exists("a/b/t"));
	EXPECT_TRUE(file_exists("a/b/t.d/info"));
	EXPECT_FALSE(file_exists("a/new"));
	EXPECT_FALSE(file_exists("c"));
}

TEST_F(tree, nothing_can_be_made_without_a_name_or_on_another_file_system)
{
	EXPECT_EQ(open(path_of("a"), O_TMPFILE | O_RDWR, 0600), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_EQ(rename(path_of("a/b/t"), "/tmp/t"), -1);
	EXPECT_EQ(errno, EXDEV);
	EXPECT_EQ(link(path_of("a/b/t"), "/tmp/t"), -1);
	EXPECT_EQ(errno, EXDEV);
	EXPECT_EQ(open(path_of("missing"), O_RDONLY), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(open(path_of("a/b/t/x"), O_RDONLY), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(open(path_of("a/b/t"), O_RDONLY | O_DIRECTORY), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(open(path_of("a/b/t.d"), O_WRONLY), -1);
	EXPECT_EQ(errno, EISDIR);
}

TEST_F(tree, what_is_there_can_be_created)
{
	int fd = file_open("a/b/t", O_RDWR | O_CREAT | O_NONBLOCK);

	/* As a shell does that redirects. */
	EXPECT_GE(fd, 0);
	close(fd);
	EXPECT_EQ(file_open("a/b/t", O_RDWR | O_CREAT | O_EXCL), -1);
	EXPECT_EQ(errno, EEXIST);
}

static const char *const kinds[] = { "a/b/t", "a/b/t.d/cpu0", "a/b/t.d/info", ".channels" };

TEST_F(tree, lengths_and_space_cannot_be_changed)
{
	for (int i = 0; i < 4; i++) {
		bool data = i < 2;
		int fd = file_open(kinds[i], O_RDWR);

		ASSERT_GE(fd, 0);
		EXPECT_EQ(truncate(path_of(kinds[i]), 0), -1);
		EXPECT_TRUE(errno == EPERM || (data && errno == EINVAL)) TH_LOG("%s", kinds[i]);
		EXPECT_EQ(ftruncate(fd, 10), -1);
		EXPECT_TRUE(errno == EPERM || (data && errno == EINVAL)) TH_LOG("%s", kinds[i]);
		EXPECT_EQ(fallocate(fd, 0, 0, 4096), -1);
		EXPECT_TRUE(errno == EOPNOTSUPP || (data && errno == ESPIPE))
			TH_LOG("%s", kinds[i]);
		close(fd);
		if (data)
			continue;
		EXPECT_EQ(file_open(kinds[i], O_WRONLY | O_TRUNC), -1) TH_LOG("%s", kinds[i]);
		EXPECT_EQ(errno, EPERM);
	}
}

TEST_F(tree, there_are_no_attributes_beside_the_usual)
{
	EXPECT_EQ(setxattr(path_of("a/b/t"), "user.x", "y", 1, 0), -1);
	EXPECT_TRUE(errno == EOPNOTSUPP || errno == EPERM);
	EXPECT_EQ(setxattr(path_of("a"), "trusted.x", "y", 1, 0), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_EQ(getxattr(path_of("a/b/t"), "trusted.x", NULL, 0), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
}

struct attributes {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

static struct attributes attributes(const char *name)
{
	struct stat st = {};

	stat(path_of(name), &st);
	return (struct attributes){ st.st_mode & 07777, st.st_uid, st.st_gid };
}

#define EXPECT_ATTRIBUTES(name, ...) do { \
	struct attributes is = attributes(name), want = { __VA_ARGS__ }; \
	EXPECT_EQ(is.mode, want.mode) TH_LOG("%s", name); \
	EXPECT_EQ(is.uid, want.uid) TH_LOG("%s", name); \
	EXPECT_EQ(is.gid, want.gid) TH_LOG("%s", name); \
} while (0)

TEST_F(tree, root_changes_modes_and_owners_and_they_stay)
{
	static const char *const names[] = { "a", "a/b", "a/b/t", "a/b/t.d", "a/b/t.d/cpu0",
					     "a/b/t.d/info" };
	int id;

	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(chmod(path_of(names[i]), 0642 + i), 0);
		EXPECT_EQ(chown(path_of(names[i]), 30 + i, -1), 0);
		EXPECT_EQ(remount("mode=0755,uid=7,gid=9"), 0);
		EXPECT_ATTRIBUTES(names[i], 0642 + i, 30 + i, 9);
	}
	/* The group was left to the mount. */
	EXPECT_EQ(remount("mode=0700,uid=0,gid=10"), 0);
	EXPECT_ATTRIBUTES("a", 0642, 30, 10);
	EXPECT_ATTRIBUTES("a/b/t.d/info", 0647, 35, 10);
	/* Of another channel by this name nothing is known. */
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	id = chan_open(self->dev, "a/b/t", PAGE, 2, 0);
	ASSERT_GE(id, 0);
	EXPECT_ATTRIBUTES("a", 0700, 0, 10);
	EXPECT_ATTRIBUTES("a/b/t", 0400, 0, 10);
}

TEST_F(tree, modes_decide_of_opening_not_of_what_a_file_can)
{
	int fd;

	EXPECT_EQ(chmod(path_of("a/b/t.d/cpu0"), 0666), 0);
	fd = file_open("a/b/t.d/cpu0", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "x", 1), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);
}

TEST_F(tree, times_can_be_set_but_data_have_their_own)
{
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	struct stat st;

	EXPECT_EQ(utimensat(AT_FDCWD, path_of("a"), times, 0), 0);
	ASSERT_EQ(stat(path_of("a"), &st), 0);
	EXPECT_EQ(st.st_mtime, 2000);
}

static void *look(void *stop)
{
	struct stat st;

	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED))
		stat(path_of("race.d/info"), &st);
	return NULL;
}

TEST_F(tree, a_mode_that_is_set_while_others_look_stays)
{
	bool stop = false;
	pthread_t looker;

	ASSERT_EQ(pthread_create(&looker, NULL, look, &stop), 0);
	for (unsigned int i = 0; i < scaled(300); i++) {
		int id = chan_open(self->dev, "race", PAGE, 2, RELAY_USAGE_GLOBAL);

		ASSERT_GE(id, 0);
		EXPECT_EQ(chmod(MOUNT "/race.d/info", 0123), 0);
		EXPECT_ATTRIBUTES("race.d/info", 0123, 0, 0);
		EXPECT_EQ(chan_close(self->dev, id), 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(looker, NULL);
}

TEST_HARNESS_MAIN
