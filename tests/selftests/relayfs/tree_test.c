// SPDX-License-Identifier: GPL-2.0
/* The tree as users find it: names, listings, links, what cannot be changed, and what can. */

#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <pthread.h>

#include "mounttest.h"

FIXTURE(tree)
{
	int dev, id;
};

FIXTURE_SETUP(tree)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->id = chan_open_attr(self->dev, "a/b/t", (struct relaytest_open){
				  .subbuf_size = PAGE, .n_subbufs = 2, .mode = 0600 });
	ASSERT_GE(self->id, 0);
}

FIXTURE_TEARDOWN(tree)
{
	EXPECT_EQ(remount("mode=0700,uid=0,gid=0"), 0);
	close(self->dev);
}

static const char *path_of(const char *name)
{
	static char path[2][1280];
	static int last;

	last = !last;
	snprintf(path[last], sizeof(path[last]), MOUNT "/%s", name);
	return path[last];
}

static nlink_t links(const char *name)
{
	struct stat st;

	return stat(path_of(name), &st) ? 0 : st.st_nlink;
}

TEST_F(tree, directories_count_their_links)
{
	nlink_t root = links("");
	int id;

	/* Itself, its name, and one for each directory in it. */
	EXPECT_EQ(links("a"), 3);
	EXPECT_EQ(links("a/b"), 3);
	EXPECT_EQ(links("a/b/t.d"), 2);
	EXPECT_EQ(links("a/b/t"), 1);
	EXPECT_EQ(links("a/b/t.d/cpu0"), 1);
	id = chan_open(self->dev, "a/u", PAGE, 2, 0);
	ASSERT_GE(id, 0);
	EXPECT_EQ(links("a"), 4);
	EXPECT_EQ(links("a/b"), 3);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	EXPECT_EQ(links("a"), 3);
	EXPECT_EQ(links(""), root);
	EXPECT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_EQ(links("a"), 0);
	EXPECT_EQ(links(""), root - 1);
}

TEST_F(tree, an_open_file_of_a_closed_channel_has_no_name)
{
	int fd = file_open("a/b/t", O_RDONLY), dir = file_open("a/b", O_RDONLY | O_DIRECTORY);
	struct stat st;

	ASSERT_EQ(chan_close(self->dev, self->id), 0);
	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_nlink, 0);
	ASSERT_EQ(fstat(dir, &st), 0);
	EXPECT_EQ(st.st_nlink, 0);
	EXPECT_EQ(openat(dir, "t", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOENT);
	close(fd);
	close(dir);
}

/* How often @name is in a directory, and how many names there are but "." and "..". */
static int listed(DIR *dir, const char *name, int *all)
{
	struct dirent *e;
	int found = 0;

	*all = 0;
	rewinddir(dir);
	while ((e = readdir(dir))) {
		found += !strcmp(e->d_name, name);
		*all += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	}
	return found;
}

static int type_of(DIR *dir, const char *name)
{
	struct dirent *e;

	rewinddir(dir);
	while ((e = readdir(dir)))
		if (!strcmp(e->d_name, name))
			return e->d_type;
	return -1;
}

TEST_F(tree, directories_are_listed)
{
	DIR *dir = opendir(path_of("a/b/t.d"));
	int all;

	ASSERT_NE(dir, NULL);
	EXPECT_EQ(listed(dir, ".", &all), 1);
	EXPECT_EQ(listed(dir, "..", &all), 1);
	EXPECT_EQ(listed(dir, "cpu0", &all), 1);
	EXPECT_EQ(listed(dir, "info", &all), 1);
	EXPECT_EQ(listed(dir, "metadata", &all), 0);
	EXPECT_EQ(all, cpus() + 1);
	EXPECT_EQ(type_of(dir, "info"), DT_REG);
	EXPECT_NE(type_of(dir, "cpu0"), DT_DIR);
	closedir(dir);
	dir = opendir(path_of("a/b"));
	ASSERT_NE(dir, NULL);
	EXPECT_NE(type_of(dir, "t"), DT_DIR);
	EXPECT_EQ(type_of(dir, "t.d"), DT_DIR);
	closedir(dir);
	dir = opendir(MOUNT);
	ASSERT_NE(dir, NULL);
	EXPECT_EQ(listed(dir, ".channels", &all), 1);
	EXPECT_EQ(listed(dir, "a", &all), 1);
	closedir(dir);
}

#define MANY	60

TEST_F(tree, places_in_a_listing_are_found_again)
{
	char names[MANY + 2][256];
	long places[MANY + 2];
	struct dirent *e;
	int ids[MANY], n = 0, all;
	DIR *dir;

	for (int i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "many/c%d", i);
		ids[i] = chan_open(self->dev, name, PAGE, 2, RELAY_USAGE_GLOBAL);
		ASSERT_GE(ids[i], 0);
	}
	dir = opendir(path_of("many"));
	ASSERT_NE(dir, NULL);
	while ((places[n] = telldir(dir)), (e = readdir(dir)) && n < MANY)
		snprintf(names[n++], sizeof(names[0]), "%s", e->d_name);
	ASSERT_EQ(n, MANY);
	for (int i = MANY - 1; i >= 0; i -= 7) {
		seekdir(dir, places[i]);
		e = readdir(dir);
		ASSERT_NE(e, NULL);
		EXPECT_STREQ(e->d_name, names[i]);
	}
	/* Others may come and go meanwhile: each that stays is there once. */
	rewinddir(dir);
	for (int i = 0; i < MANY / 2; i++)
		readdir(dir);
	for (int i = 0; i < MANY; i += 2)
		EXPECT_EQ(chan_close(self->dev, ids[i]), 0);
	EXPECT_EQ(listed(dir, "c1", &all), 1);
	EXPECT_EQ(all, MANY);
	closedir(dir);
}

TEST_F(tree, small_buffers_list_all_the_same)
{
	int fd = file_open("a/b/t.d", O_RDONLY | O_DIRECTORY), seen = 0;
	char buffer[32];
	long n;

	/* Room for one entry at a time. */
	while ((n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0)
		seen++;
	EXPECT_EQ(n, 0);
	EXPECT_EQ(seen, cpus() + 3);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT_EQ(syscall(SYS_getdents64, fd, buffer, 8), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);
}

FIXTURE(name) { int dev; };

FIXTURE_VARIANT(name)
{
	const char *name;
	int error;
};

FIXTURE_SETUP(name)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(name)
{
	close(self->dev);
}

#define FIFTY	"12345678901234567890123456789012345678901234567890"
#define NAME(id, ...) FIXTURE_VARIANT_ADD(name, id) { __VA_ARGS__ }
NAME(with_spaces, "two words", 0);
NAME(with_a_tab, "a\tb", 0);
NAME(with_a_new_line, "a\nb", 0);
NAME(with_a_backslash, "a\\b", 0);
NAME(with_quotes, "\"it's\"", 0);
NAME(with_other_letters, "\xc3\xa4\xe2\x82\xac", 0);
NAME(with_bytes_that_are_no_letters, "\x01\xff\x80", 0);
NAME(that_begins_with_a_dot, ".hidden", 0);
NAME(that_begins_with_a_hyphen, "-rf", 0);
NAME(that_ends_like_a_directory, "name.d", 0);
NAME(of_three_dots, "...", 0);
NAME(as_long_as_can_be, FIFTY FIFTY FIFTY FIFTY FIFTY "123", 0);
NAME(too_long, FIFTY FIFTY FIFTY FIFTY FIFTY "1234", -ENAMETOOLONG);
NAME(of_a_directory_as_long_as_can_be, FIFTY FIFTY FIFTY FIFTY FIFTY "123/x", 0);
NAME(empty, "", -EINVAL);
NAME(of_one_dot, ".", -EINVAL);
NAME(of_two_dots, "..", -EINVAL);
NAME(with_a_dot_on_the_way, "a/./b", -EINVAL);
NAME(with_two_dots_on_the_way, "a/../b", -EINVAL);
NAME(absolute, "/a", -EINVAL);
NAME(with_an_empty_part, "a//b", -EINVAL);
NAME(with_nothing_at_the_end, "a/", -EINVAL);
NAME(of_the_list, ".channels", -EEXIST);

TEST_F(name, is_taken_as_it_is_or_refused)
{
	const char *last = strrchr(variant->name, '/');
	char directory[300], inside[310];
	int id = chan_open(self->dev, variant->name, PAGE, 2, RELAY_USAGE_GLOBAL), all, fd;
	DIR *dir;

	if (variant->error) {
		EXPECT_EQ(id, variant->error);
		return;
	}
	ASSERT_GE(id, 0);
	EXPECT_TRUE(file_exists(variant->name));
	last = last ? last + 1 : variant->name;
	snprintf(directory, sizeof(directory), "%.*s", (int)(last - variant->name), variant->name);
	dir = opendir(path_of(directory));
	ASSERT_NE(dir, NULL);
	EXPECT_EQ(listed(dir, last, &all), 1);
	snprintf(inside, sizeof(inside), "%s.d", last);
	EXPECT_EQ(listed(dir, inside, &all), 1);
	closedir(dir);
	snprintf(inside, sizeof(inside), "%s.d/cpu0", variant->name);
	fd = file_open(inside, O_RDONLY);
	EXPECT_GE(fd, 0);
	close(fd);
	EXPECT_EQ(chan_close(self->dev, id), 0);
	EXPECT_FALSE(file_exists(variant->name));
}

TEST_F(tree, names_that_are_taken)
{
	/* The channel's own, its directory's, one on the way, and one below a file. */
	EXPECT_EQ(chan_open(self->dev, "a/b/t", PAGE, 2, 0), -EEXIST);
	EXPECT_EQ(chan_open(self->dev, "a/b/t.d", PAGE, 2, 0), -EEXIST);
	EXPECT_EQ(chan_open(self->dev, "a/b", PAGE, 2, 0), -EEXIST);
	EXPECT_EQ(chan_open(self->dev, "a/b/t/x", PAGE, 2, 0), -ENOTDIR);
	EXPECT_EQ(chan_open(self->dev, "a/b/t.d/x", PAGE, 2, 0), -ENOTDIR);
	EXPECT_EQ(links("a"), 3);
	EXPECT_FALSE(file_exists("a/b.d"));
	EXPECT_FALSE(file_exists("a/b/t.d.d"));
}

TEST_F(tree, a_path_is_at_most_1023_bytes)
{
	char path[1100];
	int id;

	memset(path, 'p', sizeof(path));
	for (int at = 200; at < 1023; at += 201)
		path[at] = '/';
	path[1023] = 0;
	id = chan_open(self->dev, path, PAGE, 2, RELAY_USAGE_GLOBAL);
	ASSERT_GE(id, 0);
	EXPECT_TRUE(file_exists(path));
	EXPECT_EQ(chan_close(self->dev, id), 0);
	path[1023] = 'p';
	path[1024] = 0;
	EXPECT_EQ(chan_open(self->dev, path, PAGE, 2, RELAY_USAGE_GLOBAL), -ENAMETOOLONG);
	path[200] = 0;
	EXPECT_FALSE(file_exists(path));
}

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
