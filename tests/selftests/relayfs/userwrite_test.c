// SPDX-License-Identifier: GPL-2.0
/* What users write: one record each, whole or not at all; and the user_deliver callback. */

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "callbacks.h"

#define SUBBUF	4096
#define BUFFER	(2 * SUBBUF)

FIXTURE(userwrite)
{
	int dev;
	int fd;
};

FIXTURE_VARIANT(userwrite)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(userwrite, smp) { .flags = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(userwrite, global) { .flags = RELAY_USAGE_GLOBAL };
FIXTURE_VARIANT_ADD(userwrite, smp_locking) { .flags = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING };
FIXTURE_VARIANT_ADD(userwrite, global_locking)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
};

FIXTURE_SETUP(userwrite)
{
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->dev = callbacks_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(cb_open(self->dev, "w", (struct cb_open){
		.subbuf_size = SUBBUF, .n_subbufs = 2, .mode = 0666,
		.flags = variant->flags | RELAY_MODE_NO_OVERWRITE,
		.wanted = 1 << CB_USER_DELIVER }), 0);
	self->fd = file_open("w", O_RDWR | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(userwrite)
{
	close(self->fd);
	close(self->dev);
}

static char record[BUFFER];
static char in[2 * BUFFER];

/* Fills the buffer of this CPU. */
static int fill(int fd)
{
	int n = 0;

	while (write(fd, record, 512) == 512)
		n++;
	return n;
}

TEST_F(userwrite, each_write_is_a_record_and_the_client_is_told)
{
	for (int i = 1; i <= 5; i++) {
		struct cb_event event;

		memset(record, i, sizeof(record));
		ASSERT_EQ(write(self->fd, record, 100 * i), 100 * i);
		EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), i);
		event = cb_event(self->dev, CB_USER_DELIVER, i - 1);
		EXPECT_EQ(event.arg[2], 100 * i);
		EXPECT_EQ(event.context, CB_IN_TASK | CB_MAY_SLEEP);
		EXPECT_EQ(event.chan, 1);
		ASSERT_GE(cb_delivered(self->dev, in, sizeof(in)), 100 * i);
		EXPECT_EQ(memcmp(in + event.arg[1], record, 100 * i), 0);
		EXPECT_EQ(info("w", "cpu0", "produced", false), i);
		EXPECT_EQ(read(self->fd, in, sizeof(in)), 100 * i);
		EXPECT_EQ(memcmp(in, record, 100 * i), 0);
	}
}

TEST_F(userwrite, nothing_is_nothing)
{
	EXPECT_EQ(write(self->fd, record, 0), 0);
	EXPECT_EQ(write(self->fd, NULL, 0), 0);
	EXPECT_EQ(writev(self->fd, &(struct iovec){ record, 0 }, 1), 0);
	EXPECT_EQ(cb(self->dev, CB_COUNT), 0);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 0);
}

TEST_F(userwrite, parts_are_gathered)
{
	struct iovec parts[] = { { "one", 3 }, { record, 0 }, { " and ", 5 }, { "two", 3 } };

	EXPECT_EQ(writev(self->fd, parts, 4), 11);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 1);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), 1);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 11);
	EXPECT_EQ(memcmp(in, "one and two", 11), 0);
}

TEST_F(userwrite, the_longest_and_one_more)
{
	EXPECT_EQ(write(self->fd, record, SUBBUF + 1), -1);
	EXPECT_EQ(errno, EMSGSIZE);
	EXPECT_EQ(write(self->fd, record, SUBBUF), SUBBUF);
	EXPECT_EQ(info("w", "cpu0", "produced", true), SUBBUF);
	EXPECT_EQ(info("w", "cpu0", "too_big", false), 0);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), 1);
}

TEST_F(userwrite, a_bad_address_writes_nothing)
{
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);

	ASSERT_NE(map, MAP_FAILED);
	munmap(map + PAGE, PAGE);
	EXPECT_EQ(write(self->fd, map + PAGE - 50, 100), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(write(self->fd, map + PAGE, 100), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 0);
	EXPECT_EQ(cb(self->dev, CB_COUNT), 0);
	munmap(map, PAGE);
}

TEST_F(userwrite, a_bad_part_behind_good_ones_leaves_nothing_behind)
{
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
	struct iovec parts[] = { { "good", 4 }, { map + PAGE - 8, 16 }, { "good", 4 } };

	ASSERT_NE(map, MAP_FAILED);
	munmap(map + PAGE, PAGE);
	EXPECT_EQ(writev(self->fd, parts, 3), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 0);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), 0);
	EXPECT_EQ(write(self->fd, "next", 4), 4);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 4);
	EXPECT_EQ(memcmp(in, "next", 4), 0);
	munmap(map, PAGE);
}

TEST_F(userwrite, pages_of_a_pipe_are_no_records)
{
	int pipes[2], file = open("/proc/self/exe", O_RDONLY);
	char left[16];

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(write(pipes[1], "in a pipe", 9), 9);
	EXPECT_EQ(splice(pipes[0], NULL, self->fd, NULL, 9, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	/* It is still there, for who reads and writes it. */
	EXPECT_EQ(read(pipes[0], left, sizeof(left)), 9);
	EXPECT_EQ(write(self->fd, left, 9), 9);
	EXPECT_EQ(sendfile(self->fd, file, NULL, 16), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(info("w", "cpu0", "produced", false), 1);
	close(file);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(userwrite, observers_and_who_is_alone_write_as_well)
{
	int observer = observer_open("w", O_RDWR | O_NONBLOCK), alone;

	ASSERT_GE(observer, 0);
	EXPECT_EQ(write(observer, "one", 3), 3);
	EXPECT_EQ(read(observer, in, sizeof(in)), 3);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 3);
	close(self->fd);
	self->fd = -1;
	alone = file_open("w", O_RDWR | O_EXCL | O_NONBLOCK);
	ASSERT_GE(alone, 0);
	EXPECT_EQ(write(observer, "two", 3), 3);
	EXPECT_EQ(write(alone, "three", 5), 5);
	EXPECT_EQ(read(alone, in, sizeof(in)), 8);
	EXPECT_EQ(memcmp(in, "twothree", 8), 0);
	close(observer);
	close(alone);
}

TEST_F(userwrite, positions_of_a_write_do_not_matter)
{
	EXPECT_EQ(pwrite(self->fd, "x", 1, 0), -1);
	EXPECT_EQ(errno, ESPIPE);
	EXPECT_EQ(pwritev2(self->fd, &(struct iovec){ "here", 4 }, 1, -1, 0), 4);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 4);
}

TEST_F(userwrite, only_the_whole_file_of_a_channel_that_wants_it)
{
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = { { "w", 0666 }, { "w.d/cpu0", 0444 }, { "w.d/info", 0444 }, { "w.d", 0555 } };
	int dev = callbacks_device(), fd;
	struct stat st;

	for (int i = 0; i < 4; i++) {
		fd = file_open(files[i].name, O_RDONLY);
		ASSERT_EQ(fstat(fd, &st), 0);
		EXPECT_EQ(st.st_mode & 0777, files[i].mode);
		close(fd);
	}
	/* Root may open what it may not write. */
	fd = file_open("w.d/cpu0", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, record, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);
	ASSERT_EQ(cb_open(dev, "r", (struct cb_open){ .subbuf_size = SUBBUF }), 0);
	fd = file_open("r", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, record, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);
	EXPECT_EQ(cb_open(dev, "x", (struct cb_open){ .mode = 0777 }), -EBUSY);
	close(dev);
	dev = callbacks_device();
	EXPECT_EQ(cb_open(dev, "x", (struct cb_open){ .mode = 0777 }), -EINVAL);
	close(dev);
}

TEST_F(userwrite, a_shell_can_redirect_to_it)
{
	int fd = file_open("w", O_WRONLY | O_TRUNC | O_CREAT);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "hello\n", 6), 6);
	close(fd);
	fd = file_open("w", O_WRONLY | O_TRUNC | O_APPEND);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "world\n", 6), 6);
	EXPECT_EQ(ftruncate(fd, 0), -1);
	close(fd);
	EXPECT_EQ(truncate(MOUNT "/w", 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(read(self->fd, in, sizeof(in)), 12);
	EXPECT_EQ(memcmp(in, "hello\nworld\n", 12), 0);
}

TEST_F(userwrite, who_must_not_wait_is_told_to_try_again)
{
	int n = fill(self->fd), fd = file_open("w", O_WRONLY);

	EXPECT_EQ(n, BUFFER / 512);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(pwritev2(fd, &(struct iovec){ record, 512 }, 1, -1, RWF_NOWAIT), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), n);
	/* They were told, so nothing is lost. */
	EXPECT_EQ(info("w", "cpu0", "full", false), 0);
	EXPECT_EQ(read(self->fd, in, SUBBUF), SUBBUF);
	EXPECT_EQ(pwritev2(fd, &(struct iovec){ record, 512 }, 1, -1, RWF_NOWAIT), 512);
	close(fd);
}

struct writer {
	pthread_t thread;
	int fd;
	long result;
	int error;
	int done;
	pid_t tid;
};

static void *write_one(void *arg)
{
	struct writer *w = arg;

	pin_to_cpu(0);
	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	w->result = write(w->fd, record, 512);
	w->error = errno;
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void start_writing(struct writer *w)
{
	*w = (struct writer){ .fd = file_open("w", O_WRONLY) };
	pthread_create(&w->thread, NULL, write_one, w);
	while (!__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE))
		usleep(1000);
}

/* A writer that has to wait. */
static struct writer *start_waiting(struct writer *w)
{
	start_writing(w);
	if (!await_sleep(w->tid, 'S'))
		abort();
	return w;
}

TEST_F(userwrite, a_full_buffer_makes_it_wait_for_room)
{
	int n = fill(self->fd);
	struct writer w;

	start_waiting(&w);
	EXPECT_EQ(w.done, 0);
	EXPECT_EQ(read(self->fd, in, SUBBUF), SUBBUF);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, 512);
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), n + 1);
	EXPECT_EQ(info("w", "cpu0", "produced", false), n + 1);
	EXPECT_EQ(info("w", "cpu0", "full", false), 0);
	close(w.fd);
}

static void nothing(int signal)
{
	(void)signal;
}

TEST_F(userwrite, a_signal_ends_the_wait)
{
	struct sigaction action = { .sa_handler = nothing };
	int n = fill(self->fd);
	struct writer w;

	sigaction(SIGUSR1, &action, NULL);
	start_waiting(&w);
	pthread_kill(w.thread, SIGUSR1);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, -1);
	EXPECT_EQ(w.error, EINTR);
	close(w.fd);
	/* Or it goes on, and writes once. */
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	start_waiting(&w);
	pthread_kill(w.thread, SIGUSR1);
	usleep(50000);
	EXPECT_EQ(w.done, 0);
	EXPECT_EQ(read(self->fd, in, SUBBUF), SUBBUF);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, 512);
	EXPECT_EQ(info("w", "cpu0", "produced", false), n + 1);
	close(w.fd);
}

static void *do_close(void *arg)
{
	return (void *)cb(*(int *)arg, CB_CLOSE);
}

TEST_F(userwrite, the_end_of_the_channel_ends_it)
{
	struct writer w;
	pthread_t closer;

	fill(self->fd);
	start_waiting(&w);
	/* A signal would be the end of this test. */
	signal(SIGPIPE, SIG_DFL);
	ASSERT_EQ(pthread_create(&closer, NULL, do_close, &self->dev), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, -1);
	EXPECT_EQ(w.error, EPIPE);
	pthread_join(closer, NULL);
	EXPECT_EQ(write(self->fd, record, 1), -1);
	EXPECT_EQ(errno, EPIPE);
	EXPECT_EQ(write(self->fd, record, 0), 0);
	close(w.fd);
}

TEST_F(userwrite, the_end_waits_for_the_client_to_be_told)
{
	struct writer w;
	pthread_t closer;

	ASSERT_EQ(cb_behave(self->dev, (struct cb_behave){ .hold = 1 << CB_USER_DELIVER }), 0);
	start_writing(&w);
	while (cb(self->dev, CB_INSIDE) != 1)
		usleep(1000);
	ASSERT_EQ(pthread_create(&closer, NULL, do_close, &self->dev), 0);
	while (file_exists("w"))
		usleep(1000);
	usleep(50000);
	EXPECT_EQ(pthread_tryjoin_np(closer, NULL), EBUSY);
	EXPECT_EQ(w.done, 0);
	ASSERT_EQ(cb_behave(self->dev, (struct cb_behave){}), 0);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(w.result, 512);
	pthread_join(closer, NULL);
	close(w.fd);
}

static int events_of(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) < 0 ? -1 : p.revents;
}

TEST_F(userwrite, poll_tells_of_room)
{
	int reader = file_open("w", O_RDONLY);

	EXPECT_EQ(events_of(self->fd, POLLOUT | POLLPRI, 0), POLLOUT);
	/* Who cannot write is not told that it could. */
	EXPECT_EQ(events_of(reader, POLLOUT | POLLPRI, 0), 0);
	fill(self->fd);
	EXPECT_EQ(events_of(self->fd, POLLOUT | POLLPRI, 0), POLLPRI);
	EXPECT_EQ(events_of(reader, POLLOUT | POLLPRI | POLLIN, 0), POLLPRI | POLLIN);
	EXPECT_EQ(read(self->fd, in, SUBBUF), SUBBUF);
	EXPECT_EQ(events_of(self->fd, POLLOUT | POLLPRI, 0), POLLOUT);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	/* It would not wait. */
	EXPECT_EQ(events_of(self->fd, POLLOUT, 0), POLLOUT);
	close(reader);
}

struct poller {
	pthread_t thread;
	int fd;
	short events;
	int result;
	bool started;
	bool epoll;
};

static void *wait_for_events(void *arg)
{
	struct poller *p = arg;
	struct epoll_event event = { .events = p->events };
	int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, p->fd, &event);
	__atomic_store_n(&p->started, true, __ATOMIC_RELEASE);
	if (p->epoll)
		p->result = epoll_wait(ep, &event, 1, -1) == 1 ? (int)event.events : -1;
	else
		p->result = events_of(p->fd, p->events, -1);
	close(ep);
	return NULL;
}

static void start_poller(struct poller *p)
{
	pthread_create(&p->thread, NULL, wait_for_events, p);
	while (!__atomic_load_n(&p->started, __ATOMIC_ACQUIRE))
		usleep(1000);
	usleep(20000);
}

TEST_F(userwrite, pollers_are_woken)
{
	for (int i = 0; i < 8; i++) {
		struct poller full = { .fd = self->fd, .events = POLLPRI, .epoll = i & 1 };
		struct poller room = { .fd = self->fd, .events = POLLOUT, .epoll = i & 1 };

		/* Also when there is data, which nobody reads. */
		if (i & 2)
			ASSERT_EQ(write(self->fd, record, 1), 1);
		start_poller(&full);
		fill(self->fd);
		pthread_join(full.thread, NULL);
		EXPECT_EQ(full.result, POLLPRI);
		start_poller(&room);
		while (read(self->fd, in, sizeof(in)) > 0)
			;
		pthread_join(room.thread, NULL);
		EXPECT_EQ(room.result, POLLOUT);
	}
}

#define TASKS	4
#define EACH	400

static void *write_numbers(void *arg)
{
	struct writer *w = arg;

	for (uint32_t i = 0; i < EACH; i++) {
		uint32_t r[64] = { w->done, i };
		size_t len = 8 + (i * 7 + w->done) % 240;

		r[1] |= len << 16;
		memset(r + 2, i, sizeof(r) - 8);
		if (write(w->fd, r, len) == (ssize_t)len)
			w->result++;
	}
	return NULL;
}

TEST_F(userwrite, many_tasks_at_once)
{
	struct writer w[TASKS];
	uint32_t next[TASKS] = {};
	size_t have = 0, at;
	int left = TASKS * EACH;

	for (int i = 0; i < TASKS; i++) {
		w[i] = (struct writer){ .fd = file_open("w", O_WRONLY), .done = i };
		ASSERT_EQ(pthread_create(&w[i].thread, NULL, write_numbers, &w[i]), 0);
	}
	while (left) {
		ssize_t n;

		events_of(self->fd, POLLIN, -1);
		n = read(self->fd, in + have, sizeof(in) - have);
		if (n > 0)
			have += n;
		for (at = 0; at + 8 <= have; left--) {
			uint32_t r[2], len;

			memcpy(r, in + at, 8);
			len = r[1] >> 16;
			if (at + len > have)
				break;
			ASSERT_LT(r[0], TASKS);
			ASSERT_LT(len, 256);
			/* A task may change its CPU, but what is in one buffer is in order. */
			next[r[0]]++;
			for (uint32_t i = 8; i < len; i++)
				ASSERT_EQ(in[at + i], (char)r[1]);
			at += len;
		}
		memmove(in, in + at, have - at);
		have -= at;
	}
	EXPECT_EQ(have, 0);
	for (int i = 0; i < TASKS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(w[i].result, EACH);
		EXPECT_EQ(next[i], EACH);
		close(w[i].fd);
	}
	EXPECT_EQ(cb_count(self->dev, CB_USER_DELIVER), TASKS * EACH);
}

TEST_HARNESS_MAIN
