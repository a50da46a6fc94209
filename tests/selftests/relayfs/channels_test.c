// SPDX-License-Identifier: GPL-2.0
/* ".channels": the list of all channels in the root of each mount. */

#include <pthread.h>
#include <sys/mount.h>

#include "stuck.h"

#define LIST	".channels"
#define HEADER	"# mode usage format scheme delivery clock subbuf_size n_subbufs buffers " \
	"generation readers observers produced read unread overwritten lost unread_bytes path\n"
#define MANY	60

/* Reads all of it, @step bytes at a time; its length. */
static size_t list_read(char *to, size_t size, size_t step)
{
	int fd = file_open(LIST, O_RDONLY);
	size_t len = 0;
	ssize_t n = 0;

	while (fd >= 0 && len < size - 1) {
		size_t left = size - 1 - len;

		n = read(fd, to + len, step < left ? step : left);
		if (n <= 0)
			break;
		len += n;
	}
	close(fd);
	to[len] = '\0';
	return n < 0 ? 0 : len;
}

static char text[256 * 1024];

/* The line of the channel @path; NULL if there is none. */
static char *line_of(const char *path)
{
	char *save, *line;
	static char copy[sizeof(text)];

	list_read(text, sizeof(text), sizeof(text));
	memcpy(copy, text, sizeof(text));
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *last = strrchr(line, ' ');

		if (*line != '#' && last && !strcmp(last + 1, path))
			return line;
	}
	return NULL;
}

/* What is in the column @name of the line of the channel @path. */
static const char *column(const char *path, const char *name)
{
	static char found[64];
	char *line = line_of(path), head[] = HEADER, *heads, *lines, *word, *value;

	if (!line)
		return "no line";
	strtok_r(head, " \n", &heads);
	value = strtok_r(line, " ", &lines);
	while ((word = strtok_r(NULL, " \n", &heads)) && value) {
		if (!strcmp(word, name)) {
			snprintf(found, sizeof(found), "%s", value);
			return found;
		}
		value = strtok_r(NULL, " ", &lines);
	}
	return "no column";
}

static int64_t number(const char *path, const char *name)
{
	char *end;
	int64_t n = strtoll(column(path, name), &end, 10);

	return *end ? -1 : n;
}

FIXTURE(list)
{
	int dev;
};

FIXTURE_SETUP(list)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(list)
{
	close(self->dev);
}

TEST_F(list, is_a_line_of_column_names_if_there_is_no_channel)
{
	unload_clients();
	EXPECT_EQ(strlen(HEADER), list_read(text, sizeof(text), sizeof(text)));
	EXPECT_STREQ(HEADER, text);
	load_module("relayfs_test");
}

TEST_F(list, tells_what_a_channel_is_like)
{
	ASSERT_GE(chan_open(self->dev, "list/one", 8192, 4, RELAY_MODE_NO_OVERWRITE |
			    RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING | RELAY_DELIVERY_PACKET |
			    RELAY_TIMESTAMP_NONE), 0);
	ASSERT_GE(chan_open(self->dev, "list/two", 4096, 2, 0), 0);

	EXPECT_STREQ("no-overwrite", column("list/one", "mode"));
	EXPECT_STREQ("global", column("list/one", "usage"));
	EXPECT_STREQ("raw", column("list/one", "format"));
	EXPECT_STREQ("locking", column("list/one", "scheme"));
	EXPECT_STREQ("packet", column("list/one", "delivery"));
	EXPECT_STREQ("none", column("list/one", "clock"));
	EXPECT_EQ(8192, number("list/one", "subbuf_size"));
	EXPECT_EQ(4, number("list/one", "n_subbufs"));
	EXPECT_EQ(1, number("list/one", "buffers"));
	EXPECT_EQ(0, number("list/one", "generation"));

	EXPECT_STREQ("overwrite", column("list/two", "mode"));
	EXPECT_STREQ("smp", column("list/two", "usage"));
	EXPECT_STREQ("lockless", column("list/two", "scheme"));
	EXPECT_STREQ("bulk", column("list/two", "delivery"));
	EXPECT_STREQ("mono", column("list/two", "clock"));
	EXPECT_EQ(4096, number("list/two", "subbuf_size"));
	EXPECT_EQ(2, number("list/two", "n_subbufs"));
	EXPECT_EQ(cpus(), number("list/two", "buffers"));
}

TEST_F(list, counts_records_and_readers)
{
	int id = chan_open(self->dev, "list/counts", 4096, 2,
			   RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL);
	struct relaytest_pattern p = { .id = id, .cpu = 0, .count = 10, .len = 1000 };
	char data[4096];
	int fd, observer;

	ASSERT_GE(id, 0);
	/* Four records fit a sub-buffer, eight the buffer. */
	ASSERT_EQ(0, chan_pattern(self->dev, &p));
	ASSERT_EQ(8u, p.written);
	EXPECT_EQ(8, number("list/counts", "produced"));
	EXPECT_EQ(8, number("list/counts", "unread"));
	EXPECT_EQ(8000, number("list/counts", "unread_bytes"));
	EXPECT_EQ(2, number("list/counts", "lost"));
	EXPECT_EQ(0, number("list/counts", "read"));
	EXPECT_EQ(0, number("list/counts", "readers"));
	EXPECT_EQ(0, number("list/counts", "observers"));

	fd = file_open("list/counts", O_RDONLY);
	EXPECT_EQ(1, number("list/counts", "readers"));
	ASSERT_EQ(4000, read(fd, data, 4000));
	observer = observer_open("list/counts.d/cpu0", O_RDONLY);
	ASSERT_GE(observer, 0);
	EXPECT_EQ(2, number("list/counts", "readers"));
	EXPECT_EQ(1, number("list/counts", "observers"));
	EXPECT_EQ(4, number("list/counts", "read"));
	EXPECT_EQ(4, number("list/counts", "unread"));
	EXPECT_EQ(4000, number("list/counts", "unread_bytes"));
	close(fd);
	close(observer);
	EXPECT_EQ(0, number("list/counts", "readers"));
	EXPECT_EQ(0, number("list/counts", "observers"));

	/* What a reset throws away is overwritten. */
	ASSERT_EQ(0, chan_reset(self->dev, id));
	EXPECT_EQ(4, number("list/counts", "overwritten"));
	EXPECT_EQ(0, number("list/counts", "unread"));
}

TEST_F(list, has_a_channel_as_long_as_that_is_open)
{
	int id = chan_open(self->dev, "list/life", 4096, 2, 0);
	int fd;

	ASSERT_GE(id, 0);
	EXPECT_NE(NULL, line_of("list/life"));
	fd = file_open("list/life", O_RDONLY);
	ASSERT_EQ(0, chan_close(self->dev, id));
	EXPECT_EQ(NULL, line_of("list/life"));
	close(fd);
	/* One that could not be opened is not in it. */
	EXPECT_EQ(-EINVAL, chan_open(self->dev, "list/none", 4097, 2, 0));
	EXPECT_EQ(NULL, line_of("list/none"));
}

TEST_F(list, escapes_what_would_not_be_one_word)
{
	int unnamed = chan_open(self->dev, NULL, 4096, 2, 0);

	ASSERT_GE(unnamed, 0);
	EXPECT_NE(NULL, line_of("-"));
	ASSERT_EQ(0, chan_close(self->dev, unnamed));
	EXPECT_EQ(NULL, line_of("-"));
	ASSERT_GE(chan_open(self->dev, "-", 4096, 2, 0), 0);
	EXPECT_EQ(NULL, line_of("-"));
	EXPECT_NE(NULL, line_of("\\055"));
	ASSERT_GE(chan_open(self->dev, "list/a b\tc\nd\\e#\033\303\244", 4096, 2, 0), 0);
	EXPECT_NE(NULL, line_of("list/a\\040b\\011c\\012d\\134e\\043\\033\303\244"));
}

TEST_F(list, is_the_same_however_it_is_read)
{
	static const size_t steps[] = { 1, 7, 100, 4095, 4096, 4097 };
	static char other[sizeof(text)];
	char path[1024], name[250];
	size_t len;
	int fd;

	memset(name, '#', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < MANY; i++) {
		/* Some lines are longer than a page. */
		if (i % 16 == 3)
			snprintf(path, sizeof(path), "list/%d/%s/%s/%s/%s", i, name, name, name,
				 name);
		else
			snprintf(path, sizeof(path), "list/%d", i);
		ASSERT_GE(chan_open(self->dev, path, 4096, 2, RELAY_USAGE_GLOBAL), 0);
	}
	len = list_read(text, sizeof(text), sizeof(text));
	ASSERT_LT(strlen(HEADER) + MANY * 60, len);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		ASSERT_EQ(len, list_read(other, sizeof(other), steps[i]));
		ASSERT_EQ(0, memcmp(text, other, len));
	}
	fd = file_open(LIST, O_RDONLY);
	for (size_t at = len; at >= 1000; at -= 1000) {
		ssize_t n = pread(fd, other, 1000, at - 1000);

		ASSERT_LT(0, n);
		ASSERT_EQ(0, memcmp(text + at - 1000, other, n));
	}
	ASSERT_EQ(3000, lseek(fd, 3000, SEEK_SET));
	ASSERT_LT(0, read(fd, other, 100));
	EXPECT_EQ(0, memcmp(text + 3000, other, 100));
	close(fd);
}

struct churn {
	int dev;
	bool end;
};

/* Channels come and go. */
static void *churn(void *arg)
{
	struct churn *c = arg;
	char path[32];

	for (unsigned int i = 0; !__atomic_load_n(&c->end, __ATOMIC_ACQUIRE); i++) {
		int id;

		snprintf(path, sizeof(path), "gone/%u", i);
		id = chan_open(c->dev, path, 4096, 2, RELAY_USAGE_GLOBAL);
		if (id >= 0)
			chan_close(c->dev, id);
	}
	return NULL;
}

TEST_F(list, misses_none_that_stays_and_shows_none_twice)
{
	struct churn c = { .dev = self->dev };
	pthread_t thread;
	char path[32];

	/* Among those that stay, those that go: so each look goes on at another line. */
	for (int i = 0; i < 2 * (MANY / 3); i++) {
		snprintf(path, sizeof(path), "list/%d", i);
		ASSERT_EQ(i, chan_open(self->dev, path, 4096, 2, RELAY_USAGE_GLOBAL));
	}
	for (int i = 1; i < 2 * (MANY / 3); i += 2)
		ASSERT_EQ(0, chan_close(self->dev, i));
	ASSERT_EQ(0, pthread_create(&thread, NULL, churn, &c));
	for (unsigned int round = 0; round < scaled(50); round++) {
		int next, expected = 0;
		char *save, *line;

		list_read(text, sizeof(text), 1 + round * 37 % 300);
		ASSERT_EQ(0, strncmp(text, HEADER, strlen(HEADER)));
		line = strtok_r(text + strlen(HEADER), "\n", &save);
		for (; line; line = strtok_r(NULL, "\n", &save)) {
			const char *last = strrchr(line, ' ');

			ASSERT_NE(NULL, last);
			if (sscanf(last, " list/%d", &next) == 1) {
				snprintf(path, sizeof(path), " list/%d", next);
				ASSERT_STREQ(path, last);
				/* Each once, in the order in which they were opened. */
				ASSERT_EQ(expected, next);
				expected += 2;
				continue;
			}
			ASSERT_EQ(0, strncmp(last, " gone/", 6));
		}
		ASSERT_EQ(2 * (MANY / 3), expected);
	}
	__atomic_store_n(&c.end, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

TEST_F(list, belongs_to_the_mount)
{
	char data[] = "/tmp/relayXXXXXX";
	struct stat st;
	int fd;

	ASSERT_EQ(0, stat(MOUNT "/" LIST, &st));
	EXPECT_EQ(0100400u, st.st_mode);
	EXPECT_EQ(-1, unlink(MOUNT "/" LIST));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-EEXIST, chan_open(self->dev, LIST, 4096, 2, 0));
	EXPECT_FALSE(file_exists(LIST ".d"));
	EXPECT_EQ(-ENOTDIR, chan_open(self->dev, LIST "/x", 4096, 2, 0));
	fd = file_open(LIST, O_RDWR);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EINVAL, errno);
	close(fd);

	ASSERT_EQ(0, mount("relayfs", MOUNT, "relayfs", MS_REMOUNT, "mode=0755,gid=7"));
	ASSERT_EQ(0, stat(MOUNT "/" LIST, &st));
	EXPECT_EQ(0100444u, st.st_mode);
	EXPECT_EQ(7u, st.st_gid);
	ASSERT_EQ(0, mount("relayfs", MOUNT, "relayfs", MS_REMOUNT, "mode=0700,gid=0"));

	ASSERT_NE(NULL, mkdtemp(data));
	ASSERT_EQ(0, mount("relayfs", data, "relayfs", 0, NULL));
	ASSERT_GE(chan_open(self->dev, "list/there", 4096, 2, 0), 0);
	snprintf(text, sizeof(text), "grep -q ' list/there$' %s/" LIST, data);
	EXPECT_EQ(0, system(text));
	EXPECT_EQ(0, umount(data));
	rmdir(data);
}

TEST_F(list, waits_for_no_reader_that_is_in_a_page_fault)
{
	int id = chan_open(self->dev, "list/stuck", 4096, 4, RELAY_USAGE_GLOBAL);
	struct relaytest_pattern p = { .id = id, .cpu = 0, .count = 3, .len = 100 };
	int fd = file_open("list/stuck", O_RDONLY), ret;
	struct stuck s;
	ssize_t got;

	ASSERT_EQ(0, chan_pattern(self->dev, &p));
	ret = stuck_begin(&s, fd);
	if (ret == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);

	/* It is in the middle of the read now. */
	ASSERT_EQ(0, chan_pattern(self->dev, &p));
	EXPECT_EQ(6, number("list/stuck", "produced"));
	EXPECT_EQ(0, number("list/stuck", "read"));
	EXPECT_EQ(6, info("list/stuck", "total", "unread", false));

	got = stuck_end(&s);
	EXPECT_LT(0, got);
	EXPECT_EQ(got / 100, number("list/stuck", "read"));
	close(fd);
}

TEST_HARNESS_MAIN
