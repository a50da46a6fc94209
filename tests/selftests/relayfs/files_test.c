// SPDX-License-Identifier: GPL-2.0
/* Files and directories that clients make: where, what their operations are given, how they end. */

#include "filestest.h"
#include <pthread.h>
#include <signal.h>

FIXTURE(files)
{
	int dev;
};

FIXTURE_SETUP(files)
{
	self->dev = files_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(files_count(self->dev, FILES_COUNT_OPEN), 0);
}

FIXTURE_TEARDOWN(files)
{
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_LATE), 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_INSIDE), 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_OPEN), 0);
	close(self->dev);
}

static int text_of(const char *name, char *text, size_t size)
{
	int fd = file_open(name, O_RDONLY), n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	text[n < 0 ? 0 : n] = 0;
	n = n < 0 ? -errno : n;
	close(fd);
	return n;
}

TEST_F(files, in_the_root_and_in_directories)
{
	char text[64];

	ASSERT_EQ(files_make(self->dev, 0, "f_file", FILES_IN_ROOT, FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 1, "f_dir", FILES_IN_ROOT, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 2, "sub", 1, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 3, "deep", 2, FILES_TEXT), 0);
	EXPECT_EQ(text_of("f_file", text, sizeof(text)), 6);
	EXPECT_STREQ(text, "f_file");
	EXPECT_EQ(text_of("f_dir/sub/deep", text, sizeof(text)), 4);
	EXPECT_STREQ(text, "deep");

	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_FALSE(file_exists("f_dir"));
	EXPECT_TRUE(file_exists("f_file"));
	/* What went with the directory is nothing now; nor is it when there is something new. */
	ASSERT_EQ(files_make(self->dev, 4, "f_new", FILES_IN_ROOT, FILES_TEXT), 0);
	EXPECT_EQ(files_remove(self->dev, 3), 0);
	EXPECT_EQ(files_remove(self->dev, 2), 0);
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_TRUE(file_exists("f_new"));
	EXPECT_EQ(files_make(self->dev, 5, "x", 2, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_remove(self->dev, 4), 0);
	EXPECT_EQ(files_remove(self->dev, 0), 0);
	EXPECT_FALSE(file_exists("f_file"));
}

TEST_F(files, every_error)
{
	struct files_make m = { .name = (uintptr_t)"f_mode", .parent = FILES_IN_ROOT, .entry = 9,
				.mode = 0755, .kind = FILES_TEXT };
	static const char * const bad[] = { "", ".", "..", "a/b", "/" };
	char name[300];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_EQ(files_make(self->dev, 9, bad[i], FILES_IN_ROOT, FILES_TEXT), -EINVAL);
		EXPECT_EQ(files_make(self->dev, 9, bad[i], FILES_IN_ROOT, FILES_DIR), -EINVAL);
	}
	memset(name, 'n', sizeof(name));
	name[256] = 0;
	EXPECT_EQ(files_make(self->dev, 9, name, FILES_IN_ROOT, FILES_TEXT), -ENAMETOOLONG);
	name[255] = 0;
	ASSERT_EQ(files_make(self->dev, 0, name, FILES_IN_ROOT, FILES_TEXT), 0);
	EXPECT_EQ(files_make(self->dev, 9, name, FILES_IN_ROOT, FILES_TEXT), -EEXIST);
	EXPECT_EQ(files_make(self->dev, 9, name, FILES_IN_ROOT, FILES_DIR), -EEXIST);
	EXPECT_EQ(files_make(self->dev, 9, "x", 0, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_make(self->dev, 9, "x", FILES_IN_DENTRY, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_make(self->dev, 9, "x", FILES_IN_ERROR, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_make(self->dev, 9, "x", FILES_IN_ROOT, FILES_NOTHING), -EINVAL);
	EXPECT_EQ(files_do(self->dev, FILES_MAKE, &m), -EINVAL);
	EXPECT_FALSE(file_exists("x"));
	EXPECT_FALSE(file_exists("f_mode"));
}

TEST_F(files, in_a_channels_directory_go_with_it)
{
	char text[64];
	int fd;

	ASSERT_EQ(files_chan(self->dev, 0, "f_chan", 0), 0);
	ASSERT_EQ(files_make(self->dev, 0, "control", FILES_IN_CHANNEL(0), FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 1, "more", FILES_IN_CHANNEL(0), FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 2, "deep", 1, FILES_TEXT), 0);
	EXPECT_EQ(files_make(self->dev, 9, "cpu0", FILES_IN_CHANNEL(0), FILES_TEXT), -EEXIST);
	EXPECT_EQ(files_make(self->dev, 9, "info", FILES_IN_CHANNEL(0), FILES_DIR), -EEXIST);
	EXPECT_EQ(text_of("f_chan.d/more/deep", text, sizeof(text)), 4);
	/* No channel below a channel. */
	EXPECT_EQ(files_chan(self->dev, 1, "f_chan.d/more/x", 0), -ENOTDIR);
	fd = file_open("f_chan.d/control", O_RDONLY);
	ASSERT_GE(fd, 0);

	EXPECT_EQ(files_chan_close(self->dev, 0), 0);
	EXPECT_FALSE(file_exists("f_chan.d"));
	EXPECT_EQ(read(fd, text, 1), -1);
	EXPECT_EQ(errno, EIO);
	close(fd);
	/* Another in its place is not touched by old handles. */
	ASSERT_EQ(files_chan(self->dev, 0, "f_chan", 0), 0);
	ASSERT_EQ(files_make(self->dev, 3, "control", FILES_IN_CHANNEL(0), FILES_TEXT), 0);
	EXPECT_EQ(files_remove(self->dev, 0), 0);
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_TRUE(file_exists("f_chan.d/control"));
	EXPECT_EQ(files_make(self->dev, 9, "x", 1, FILES_TEXT), -ENOTDIR);
}

TEST_F(files, channels_in_a_clients_directory_outlive_it)
{
	ASSERT_EQ(files_make(self->dev, 0, "f_home", FILES_IN_ROOT, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 1, "in", 0, FILES_DIR), 0);
	ASSERT_EQ(files_chan(self->dev, 0, "f_home/in/chan", 0), 0);
	ASSERT_EQ(files_chan(self->dev, 1, "f_home/other", 0), 0);
	ASSERT_EQ(files_make(self->dev, 2, "control", 0, FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 3, "kept", FILES_IN_CHANNEL(0), FILES_TEXT), 0);
	/* It is held, so it does not vanish with its last channel. */
	EXPECT_EQ(files_chan_close(self->dev, 1), 0);
	EXPECT_TRUE(file_exists("f_home/control"));

	EXPECT_EQ(files_remove(self->dev, 0), 0);
	EXPECT_FALSE(file_exists("f_home/control"));
	EXPECT_TRUE(file_exists("f_home/in/chan"));
	EXPECT_TRUE(file_exists("f_home/in/chan.d/kept"));
	EXPECT_EQ(files_make(self->dev, 9, "x", 0, FILES_TEXT), -ENOTDIR);
	EXPECT_EQ(files_chan_close(self->dev, 0), 0);
	EXPECT_FALSE(file_exists("f_home"));
}

TEST_F(files, an_empty_directory_stays_until_removed)
{
	ASSERT_EQ(files_make(self->dev, 0, "f_empty", FILES_IN_ROOT, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 1, "inner", 0, FILES_DIR), 0);
	ASSERT_EQ(files_make(self->dev, 2, "x", 1, FILES_TEXT), 0);
	EXPECT_EQ(files_remove(self->dev, 2), 0);
	EXPECT_TRUE(file_exists("f_empty/inner"));
	ASSERT_EQ(files_chan(self->dev, 0, "f_empty/inner/c", 0), 0);
	EXPECT_EQ(files_chan_close(self->dev, 0), 0);
	EXPECT_TRUE(file_exists("f_empty/inner"));
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_TRUE(file_exists("f_empty"));
	EXPECT_FALSE(file_exists("f_empty/inner"));
}

TEST_F(files, names_clash_with_channels)
{
	ASSERT_EQ(files_make(self->dev, 0, "f_name", FILES_IN_ROOT, FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 1, "f_other.d", FILES_IN_ROOT, FILES_DIR), 0);
	EXPECT_EQ(files_chan(self->dev, 0, "f_name", 0), -EEXIST);
	EXPECT_EQ(files_chan(self->dev, 0, "f_other", 0), -EEXIST);
	EXPECT_EQ(files_chan(self->dev, 0, "f_name/x", 0), -ENOTDIR);
	EXPECT_FALSE(file_exists("f_name.d"));
	EXPECT_FALSE(file_exists("f_other"));
	ASSERT_EQ(files_chan(self->dev, 0, "f_dir/chan", 0), 0);
	EXPECT_EQ(files_make(self->dev, 9, "f_dir", FILES_IN_ROOT, FILES_DIR), -EEXIST);
	ASSERT_EQ(files_chan(self->dev, 1, "f_chan", 0), 0);
	EXPECT_EQ(files_make(self->dev, 9, "f_chan", FILES_IN_ROOT, FILES_TEXT), -EEXIST);
	EXPECT_EQ(files_make(self->dev, 9, "f_chan.d", FILES_IN_ROOT, FILES_DIR), -EEXIST);
	/* A channel's directory is not the client's to remove. */
	EXPECT_EQ(files_make(self->dev, 9, "x", FILES_IN_ERROR, FILES_DIR), -ENOTDIR);
}

TEST_F(files, operations_are_passed_on)
{
	char text[64];
	int fd;

	ASSERT_EQ(files_make(self->dev, 0, "f_text", FILES_IN_ROOT, FILES_TEXT), 0);
	fd = file_open("f_text", O_RDWR | O_TRUNC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "0123456789", 10), 10);
	EXPECT_EQ(lseek(fd, 4, SEEK_SET), 4);
	EXPECT_EQ(read(fd, text, sizeof(text)), 6);
	EXPECT_EQ(memcmp(text, "456789", 6), 0);
	EXPECT_EQ(ioctl(fd, FILES_TEXT_LENGTH), 10);
	EXPECT_EQ(ioctl(fd, _IO('x', 1)), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_EQ(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0), 1);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
	close(fd);

	ASSERT_EQ(files_make(self->dev, 1, "f_iter", FILES_IN_ROOT, FILES_ITER), 0);
	fd = file_open("f_iter", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "iterated", 8), 8);
	EXPECT_EQ(read(fd, text, sizeof(text)), 8);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), -1);
	EXPECT_EQ(errno, ESPIPE);
	EXPECT_EQ(ioctl(fd, FILES_TEXT_LENGTH), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(poll(&(struct pollfd){ .fd = fd, .events = POLLIN | POLLOUT }, 1, 0), 1);
	EXPECT_EQ(fsync(fd), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);

	ASSERT_EQ(files_make(self->dev, 2, "f_seq", FILES_IN_ROOT, FILES_SEQ), 0);
	EXPECT_EQ(text_of("f_seq", text, sizeof(text)), 6);
	EXPECT_STREQ(text, "f_seq\n");
	fd = file_open("f_seq", O_RDWR);
	EXPECT_EQ(write(fd, "x", 1), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);

	ASSERT_EQ(files_make(self->dev, 3, "f_refuse", FILES_IN_ROOT, FILES_REFUSE), 0);
	EXPECT_EQ(text_of("f_refuse", text, sizeof(text)), -EXDEV);
	ASSERT_EQ(files_make(self->dev, 4, "f_swap", FILES_IN_ROOT, FILES_SWAP), 0);
	EXPECT_EQ(text_of("f_swap", text, sizeof(text)), -EINVAL);
}

static bool fdinfo_says(int fd, const char *what)
{
	char path[64], line[128];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		found |= !strcmp(line, what);
	if (f)
		fclose(f);
	return found;
}

TEST_F(files, rare_operations_are_passed_on)
{
	int fd;

	ASSERT_EQ(files_make(self->dev, 0, "f_rare", FILES_IN_ROOT, FILES_RARE), 0);
	fd = file_open("f_rare", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(fdinfo_says(fd, "item:\tf_rare\n"));
	EXPECT_EQ(fallocate(fd, 0, 0, 7), 0);
	EXPECT_EQ(fallocate(fd, 0, 0, 8), -1);
	EXPECT_EQ(errno, EXDEV);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EXFULL);
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL) != ENOSYS) {
		EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
		EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL), EDOM);
	}
	EXPECT_EQ(fcntl(fd, F_SETFL, O_ASYNC | O_RDWR), 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_ASYNC), 1);
	EXPECT_EQ(fcntl(fd, F_SETFL, O_RDWR), 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_ASYNC), 0);
	EXPECT_EQ(fcntl(fd, F_SETFL, O_ASYNC | O_RDWR), 0);

	EXPECT_EQ(files_remove(self->dev, 0), 0);
	EXPECT_FALSE(fdinfo_says(fd, "item:\tf_rare\n"));
	EXPECT_EQ(fallocate(fd, 0, 0, 7), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EIO);
	/* The client does not keep a file that is closed. */
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_ASYNC), 1);
	close(fd);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_ASYNC), 0);
	ASSERT_EQ(files_make(self->dev, 1, "f_dead", FILES_IN_ROOT, FILES_RARE), 0);
	fd = file_open("f_dead", O_RDWR);
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_EQ(fcntl(fd, F_SETFL, O_ASYNC | O_RDWR), -1);
	EXPECT_EQ(errno, EIO);
	close(fd);
}

TEST_F(files, operations_there_are_not_are_refused)
{
	EXPECT_EQ(files_make(self->dev, 0, "f_foreign", FILES_IN_ROOT, FILES_FOREIGN), -EINVAL);
	EXPECT_FALSE(file_exists("f_foreign"));
}

TEST_F(files, splice_and_mmap)
{
	int fd, pipes[2];
	char text[64];
	char *page;

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(files_make(self->dev, 0, "f_iter", FILES_IN_ROOT, FILES_ITER), 0);
	fd = file_open("f_iter", O_RDONLY);
	EXPECT_EQ(splice(fd, NULL, pipes[1], NULL, 64, 0), 6);
	EXPECT_EQ(read(pipes[0], text, sizeof(text)), 6);
	EXPECT_EQ(memcmp(text, "f_iter", 6), 0);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);

	ASSERT_EQ(files_make(self->dev, 1, "f_map", FILES_IN_ROOT, FILES_MAP), 0);
	fd = file_open("f_map", O_RDONLY);
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(page, MAP_FAILED);
	EXPECT_STREQ(page, "f_map");
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	EXPECT_STREQ(page, "f_map");
	EXPECT_EQ(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EIO);
	munmap(page, PAGE);
	close(fd);
}

TEST_F(files, after_the_removal_an_open_file_is_dead)
{
	struct pollfd p = { .events = POLLIN };
	char c;
	int fd;

	ASSERT_EQ(files_make(self->dev, 0, "f_text", FILES_IN_ROOT, FILES_TEXT), 0);
	fd = file_open("f_text", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_OPEN), 1);
	EXPECT_EQ(files_remove(self->dev, 0), 0);
	EXPECT_EQ(read(fd, &c, 1), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(write(fd, &c, 1), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(ioctl(fd, FILES_TEXT_LENGTH), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(fd), -1);
	EXPECT_EQ(errno, EIO);
	p.fd = fd;
	EXPECT_EQ(poll(&p, 1, -1), 1);
	EXPECT_EQ(p.revents, POLLHUP | POLLERR);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_OPEN), 1);
	EXPECT_EQ(close(fd), 0);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_OPEN), 0);
}

struct sleeper {
	int fd;
	long got;
};

static void *sleep_in_read(void *argument)
{
	struct sleeper *s = argument;
	char c;

	s->got = read(s->fd, &c, 1);
	return NULL;
}

static void *sleep_in_poll(void *argument)
{
	struct sleeper *s = argument;
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	poll(&p, 1, -1);
	s->got = p.revents;
	return NULL;
}

static void *remove_first(void *argument)
{
	files_remove(*(int *)argument, 0);
	return NULL;
}

TEST_F(files, a_removal_waits_for_what_runs)
{
	pthread_t reader, remover;
	struct sleeper s;

	ASSERT_EQ(files_make(self->dev, 0, "f_sleep", FILES_IN_ROOT, FILES_SLEEP), 0);
	s.fd = file_open("f_sleep", O_RDONLY);
	ASSERT_GE(s.fd, 0);
	ASSERT_EQ(pthread_create(&reader, NULL, sleep_in_read, &s), 0);
	while (!files_count(self->dev, FILES_COUNT_INSIDE))
		usleep(1000);
	ASSERT_EQ(pthread_create(&remover, NULL, remove_first, &self->dev), 0);
	while (file_exists("f_sleep"))
		usleep(1000);
	/* Others do not wait for that. */
	EXPECT_EQ(files_make(self->dev, 1, "f_other", FILES_IN_ROOT, FILES_TEXT), 0);
	EXPECT_EQ(files_remove(self->dev, 1), 0);
	usleep(20000);
	EXPECT_EQ(pthread_tryjoin_np(remover, NULL), EBUSY);
	EXPECT_EQ(files_count(self->dev, FILES_COUNT_INSIDE), 1);
	EXPECT_EQ(files_do(self->dev, FILES_WAKE, NULL), 0);
	pthread_join(remover, NULL);
	pthread_join(reader, NULL);
	EXPECT_EQ(s.got, 0);
	close(s.fd);
}

/* One who removes, and which of the operations it is to wait for. */
struct remover {
	pthread_t thread;
	int dev;
	uint32_t entry;		/* FILES_ENTRIES: closes the channel 0 */
	int tid;
	bool over;
};

static void *remove_it(void *argument)
{
	struct remover *r = argument;

	__atomic_store_n(&r->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	if (r->entry == FILES_ENTRIES)
		files_chan_close(r->dev, 0);
	else
		files_remove(r->dev, r->entry);
	return NULL;
}

/* Starts to remove; whether it has to wait. */
static bool has_to_wait(struct remover *r)
{
	pthread_create(&r->thread, NULL, remove_it, r);
	for (;;) {
		int tid = __atomic_load_n(&r->tid, __ATOMIC_ACQUIRE);

		if (tid && task_state(tid) == 'D')
			return true;
		if (!pthread_tryjoin_np(r->thread, NULL)) {
			r->over = true;
			return false;
		}
		usleep(1000);
	}
}

static void read_asleep(int dev, struct sleeper *s, pthread_t *reader, const char *name)
{
	s->fd = file_open(name, O_RDONLY);
	pthread_create(reader, NULL, sleep_in_read, s);
	while (!files_count(dev, FILES_COUNT_INSIDE))
		usleep(1000);
}

/* Whoever removes it, by which of its directories, returns when nothing runs any more. */
TEST_F(files, all_who_remove_wait)
{
	/* The file itself, the directories above, its channel; in this order. */
	static const uint32_t removed[][4] = {
		{ 2, 2, 1, 0 }, { 0, 2, 1, 0 }, { 1, 0, 2, 1 },
		{ FILES_ENTRIES, 2, 1, 2 }, { 2, FILES_ENTRIES, 1, 2 },
	};
	struct remover r[4];
	pthread_t reader;
	struct sleeper s;

	for (int i = 0; i < 5; i++) {
		bool of_channel = i >= 3;

		ASSERT_EQ(of_channel ? files_chan(self->dev, 0, "f_top", 0) :
			  files_make(self->dev, 0, "f_top.d", FILES_IN_ROOT, FILES_DIR), 0);
		ASSERT_EQ(files_make(self->dev, 1, "dir", of_channel ? FILES_IN_CHANNEL(0) : 0,
				     FILES_DIR), 0);
		ASSERT_EQ(files_make(self->dev, 2, "f_sleep", 1, FILES_SLEEP), 0);
		ASSERT_EQ(files_make(self->dev, 3, "other", 1, FILES_TEXT), 0);
		read_asleep(self->dev, &s, &reader, "f_top.d/dir/f_sleep");
		for (int j = 0; j < 4; j++) {
			r[j] = (struct remover){ .dev = self->dev, .entry = removed[i][j] };
			EXPECT_TRUE(has_to_wait(&r[j]));
		}
		/* Who removes what else was there waits for that only. */
		EXPECT_EQ(files_remove(self->dev, 3), 0);
		EXPECT_EQ(files_count(self->dev, FILES_COUNT_INSIDE), 1);
		EXPECT_EQ(files_do(self->dev, FILES_WAKE, NULL), 0);
		for (int j = 0; j < 4; j++)
			if (!r[j].over)
				pthread_join(r[j].thread, NULL);
		pthread_join(reader, NULL);
		close(s.fd);
		EXPECT_FALSE(file_exists("f_top.d"));
		for (int entry = 0; entry < 4; entry++)
			EXPECT_EQ(files_forget(self->dev, entry), 0);
	}
}

TEST_F(files, a_removal_wakes_who_polls)
{
	pthread_t poller;
	struct sleeper s;

	ASSERT_EQ(files_make(self->dev, 0, "f_poll", FILES_IN_ROOT, FILES_TEXT), 0);
	s.fd = file_open("f_poll", O_RDWR);
	ASSERT_GE(s.fd, 0);
	EXPECT_EQ(ftruncate(s.fd, 0), -1);
	EXPECT_EQ(errno, EPERM);
	ASSERT_EQ(write(s.fd, "", 0), 0);
	ASSERT_EQ(pthread_create(&poller, NULL, sleep_in_poll, &s), 0);
	usleep(20000);
	EXPECT_EQ(files_remove(self->dev, 0), 0);
	pthread_join(poller, NULL);
	EXPECT_EQ(s.got, POLLHUP | POLLERR);
	close(s.fd);
}

TEST_F(files, users_change_nothing)
{
	ASSERT_EQ(files_make(self->dev, 0, "f_file", FILES_IN_ROOT, FILES_TEXT), 0);
	ASSERT_EQ(files_make(self->dev, 1, "f_dir", FILES_IN_ROOT, FILES_DIR), 0);
	EXPECT_EQ(unlink(MOUNT "/f_file"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(rmdir(MOUNT "/f_dir"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(rename(MOUNT "/f_file", MOUNT "/f_dir/x"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(link(MOUNT "/f_file", MOUNT "/f_dir/x"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(symlink("x", MOUNT "/f_dir/x"), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(mkdir(MOUNT "/f_dir/x", 0700), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(file_open("f_dir/x", O_RDWR | O_CREAT), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_TRUE(file_exists("f_file"));
}

static bool storm_over;

static void *storm_user(void *argument)
{
	long *reads = argument;
	unsigned int seed = (uintptr_t)argument;
	static const char * const names[] = {
		"f_s0", "f_s1", "f_storm/in", "f_chan.d/own", "f_chan.d/dir/own"
	};

	while (!__atomic_load_n(&storm_over, __ATOMIC_RELAXED)) {
		const char *name = names[rand_r(&seed) % 5];
		int fd = file_open(name, O_RDWR);
		char text[64];
		ssize_t n;

		if (fd < 0)
			continue;
		for (int i = rand_r(&seed) % 4; i >= 0; i--) {
			lseek(fd, 0, SEEK_SET);
			n = read(fd, text, sizeof(text));
			*reads += n > 0;
			poll(&(struct pollfd){ .fd = fd }, 1, 0);
		}
		close(fd);
	}
	return NULL;
}

TEST_F(files, storm)
{
	const char *scale = getenv("RELAYTEST_SCALE");
	int rounds = scale ? atoi(scale) : 100;
	pthread_t users[3];
	long reads[3] = { };

	storm_over = false;
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(pthread_create(&users[i], NULL, storm_user, &reads[i]), 0);
	/* Until each has seen something. */
	for (int i = 0; i < rounds || !reads[0] || !reads[1] || !reads[2]; i++) {
		EXPECT_EQ(files_make(self->dev, 0, "f_s0", FILES_IN_ROOT, FILES_TEXT), 0);
		EXPECT_EQ(files_make(self->dev, 1, "f_storm", FILES_IN_ROOT, FILES_DIR), 0);
		EXPECT_EQ(files_make(self->dev, 2, "in", 1, FILES_TEXT), 0);
		EXPECT_EQ(files_make(self->dev, 3, "f_s1", FILES_IN_ROOT, FILES_ITER), 0);
		EXPECT_EQ(files_chan(self->dev, 0, "f_chan", RELAY_USAGE_GLOBAL), 0);
		EXPECT_EQ(files_make(self->dev, 4, "own", FILES_IN_CHANNEL(0), FILES_TEXT), 0);
		EXPECT_EQ(files_make(self->dev, 5, "dir", FILES_IN_CHANNEL(0), FILES_DIR), 0);
		EXPECT_EQ(files_make(self->dev, 6, "own", 5, FILES_TEXT), 0);
		sched_yield();
		EXPECT_EQ(files_remove(self->dev, 0), 0);
		EXPECT_EQ(files_remove(self->dev, 1), 0);
		EXPECT_EQ(files_chan_close(self->dev, 0), 0);
		EXPECT_EQ(files_remove(self->dev, 3), 0);
		for (int entry = 0; entry < 7; entry++)
			EXPECT_EQ(files_forget(self->dev, entry), 0);
	}
	__atomic_store_n(&storm_over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(users[i], NULL);
}

TEST_HARNESS_MAIN
