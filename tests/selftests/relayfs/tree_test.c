// SPDX-License-Identifier: GPL-2.0
/* The tree as users find it: names, listings, links. */

#include <dirent.h>

#include "tree_rig.h"

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

TEST_HARNESS_MAIN
