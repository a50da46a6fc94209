// SPDX-License-Identifier: GPL-2.0
/* Clients' files are removed: that waits for what runs, wakes who sleeps, leaves nothing usable. */

#include "files_rig.h"
#include <pthread.h>

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
