// SPDX-License-Identifier: GPL-2.0
/* splice(2), tee(2), vmsplice(2) and sendfile(2) from a file. */

#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "streamtest.h"

FIXTURE(splice)
{
	struct stream s;
	int in, out;		/* of a pipe */
};

FIXTURE_VARIANT(splice)
{
	const struct stream_kind *kind;
};

FIXTURE_VARIANT_ADD(splice, buffer) { .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(splice, whole) { .kind = &stream_whole };
FIXTURE_VARIANT_ADD(splice, global) { .kind = &stream_global };
FIXTURE_VARIANT_ADD(splice, overwrite) { .kind = &stream_overwrite };

FIXTURE_SETUP(splice)
{
	int ends[2];

	ASSERT_EQ(stream_open_as(&self->s, variant->kind, O_RDONLY), 0);
	ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
	self->in = ends[1];
	self->out = ends[0];
}

FIXTURE_TEARDOWN(splice)
{
	close(self->in);
	close(self->out);
	stream_close(&self->s);
}

static void set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

TEST_F(splice, gives_what_a_read_would)
{
	struct relaytest_pattern p = { .id = self->s.id, .cpu = 0, .len = 64, .count = 6,
				       .discard_every = 2 };
	char b[4 * SUBBUF];

	/* Over padding, the end of a sub-buffer, and holes. */
	ASSERT_EQ(stream_fill(&self->s, 0, 3000), 3000);
	ASSERT_EQ(stream_fill(&self->s, 3000, 3000), 3000);
	EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	ASSERT_EQ(chan_pattern(self->s.dev, &p), 0);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 100, 0), 100);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 1 << 20, 0), 5900 + 3 * 64);
	EXPECT_EQ(read(self->out, b, sizeof(b)), 6000 + 3 * 64);
	EXPECT_EQ(stream_wrong(b, 0, 6000), 6000u);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(record_check((void *)(b + 6000 + i * 64), 64), 64u);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 1 << 20, SPLICE_F_NONBLOCK), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(info("s", "total", "read", true), 6000 + 3 * 64);
}

TEST_F(splice, who_must_not_wait_is_told_to_try_again)
{
	loff_t off = 0;

	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8, SPLICE_F_NONBLOCK), -1);
	EXPECT_EQ(errno, EAGAIN);
	set_nonblocking(self->s.fd, true);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8, 0), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 0, 0), 0);
	stream_put(&self->s, "abc");
	EXPECT_EQ(splice(self->s.fd, &off, self->in, NULL, 8, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8, 0), 3);
}

TEST_F(splice, a_full_pipe_takes_nothing)
{
	int size = fcntl(self->in, F_SETPIPE_SZ, PAGE);
	char b[PAGE];

	ASSERT_EQ(size, PAGE);
	ASSERT_EQ(stream_fill(&self->s, 0, 4000), 4000);
	ASSERT_EQ(stream_fill(&self->s, 4000, 4000), 4000);
	/* One page has room for one page. */
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8000, 0), PAGE);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8000, SPLICE_F_NONBLOCK), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(read(self->out, b, PAGE), PAGE);
	EXPECT_EQ(stream_wrong(b, 0, PAGE), (size_t)PAGE);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8000, 0), 8000 - PAGE);
	EXPECT_EQ(read(self->out, b, PAGE), 8000 - PAGE);
	EXPECT_EQ(stream_wrong(b, PAGE, 8000 - PAGE), 8000u - PAGE);
}

struct splicer {
	pthread_t thread;
	int from, to;
	size_t len;
	pid_t tid;
	ssize_t result;
	int error;
};

static void *splice_there(void *arg)
{
	struct splicer *s = arg;

	__atomic_store_n(&s->tid, gettid(), __ATOMIC_RELEASE);
	s->result = splice(s->from, NULL, s->to, NULL, s->len, 0);
	s->error = errno;
	return NULL;
}

static bool start_splicing(struct splicer *s, int from, int to, size_t len)
{
	*s = (struct splicer){ .from = from, .to = to, .len = len };
	if (pthread_create(&s->thread, NULL, splice_there, s))
		return false;
	while (!__atomic_load_n(&s->tid, __ATOMIC_ACQUIRE))
		usleep(1000);
	return wait_until_in(s->tid, SYS_splice);
}

TEST_F(splice, waits_for_data_and_the_pipe_can_be_used_meanwhile)
{
	struct splicer s;
	char b[8];

	ASSERT_TRUE(start_splicing(&s, self->s.fd, self->in, 8));
	/* These would hang if the pipe were locked. */
	EXPECT_EQ(write(self->in, "xy", 2), 2);
	EXPECT_EQ(read(self->out, b, 8), 2);
	stream_put(&self->s, "abc");
	EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	pthread_join(s.thread, NULL);
	EXPECT_EQ(s.result, 3);
	EXPECT_EQ(read(self->out, b, 8), 3);
	EXPECT_EQ(memcmp(b, "abc", 3), 0);
}

TEST_F(splice, a_pipe_that_was_filled_meanwhile_is_waited_for)
{
	char b[PAGE] = "";
	struct splicer s;

	ASSERT_EQ(fcntl(self->in, F_SETPIPE_SZ, PAGE), PAGE);
	ASSERT_TRUE(start_splicing(&s, self->s.fd, self->in, 8));
	EXPECT_EQ(write(self->in, b, PAGE), PAGE);
	stream_put(&self->s, "abc");
	EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	/* It has data now, and no room. */
	usleep(50000);
	ASSERT_TRUE(wait_until_in(s.tid, SYS_splice));
	EXPECT_EQ(info("s", "total", "unread", true), 3);
	EXPECT_EQ(read(self->out, b, PAGE), PAGE);
	pthread_join(s.thread, NULL);
	EXPECT_EQ(s.result, 3);
	EXPECT_EQ(read(self->out, b, PAGE), 3);
	EXPECT_EQ(memcmp(b, "abc", 3), 0);
}

static void on_signal(int sig)
{
	(void)sig;
}

TEST_F(splice, a_signal_ends_the_wait)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct splicer s;

	sigaction(SIGUSR1, &action, NULL);
	ASSERT_TRUE(start_splicing(&s, self->s.fd, self->in, 8));
	pthread_kill(s.thread, SIGUSR1);
	pthread_join(s.thread, NULL);
	EXPECT_EQ(s.result, -1);
	EXPECT_EQ(s.error, EINTR);
}

TEST_F(splice, to_a_pipe_nobody_reads_consumes_nothing)
{
	struct splicer s;
	char b[8];

	signal(SIGPIPE, SIG_IGN);
	ASSERT_TRUE(start_splicing(&s, self->s.fd, self->in, 8));
	close(self->out);
	stream_put(&self->s, "abc");
	EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	pthread_join(s.thread, NULL);
	EXPECT_EQ(s.result, -1);
	EXPECT_EQ(s.error, EPIPE);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8, 0), -1);
	EXPECT_EQ(errno, EPIPE);
	EXPECT_EQ(read(self->s.fd, b, 8), 3);
	self->out = -1;
}

TEST_F(splice, the_end_is_0_when_all_is_read)
{
	struct splicer s;
	char b[8];

	stream_put(&self->s, "abc");
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 2, 0), 2);
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8, 0), 1);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8, 0), 0);
	EXPECT_EQ(read(self->out, b, 8), 3);
	/* And for who waits. */
	stream_close(&self->s);
	ASSERT_EQ(stream_open_as(&self->s, variant->kind, O_RDONLY), 0);
	ASSERT_TRUE(start_splicing(&s, self->s.fd, self->in, 8));
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	pthread_join(s.thread, NULL);
	EXPECT_EQ(s.result, 0);
}

TEST_F(splice, what_is_in_a_pipe_stays_what_it_was)
{
	struct iovec v;
	int copy[2];
	char b[PAGE], c[PAGE];

	ASSERT_EQ(pipe2(copy, O_CLOEXEC), 0);
	ASSERT_EQ(stream_fill(&self->s, 0, 3000), 3000);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 3000, 0), 3000);
	EXPECT_EQ(tee(self->out, copy[1], 3000, 0), 3000);
	/* Writers come around and use the same memory. */
	for (int i = 1; i < 3 * N_SUBBUFS; i++) {
		ASSERT_EQ(stream_fill(&self->s, i * 3000 + 7, 3000), 3000);
		ASSERT_EQ(read(self->s.fd, b, PAGE), 3000);
	}
	EXPECT_EQ(read(copy[0], c, PAGE), 3000);
	EXPECT_EQ(stream_wrong(c, 0, 3000), 3000u);
	/* The rest of the chain: from the pipe to memory. */
	v = (struct iovec){ b, PAGE };
	EXPECT_EQ(vmsplice(self->out, &v, 1, 0), 3000);
	EXPECT_EQ(stream_wrong(b, 0, 3000), 3000u);
	close(copy[0]);
	close(copy[1]);
}

TEST_F(splice, sendfile_to_files_sockets_and_pipes)
{
	int out = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), sockets[2];
	char b[SUBBUF];

	ASSERT_GE(out, 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	ASSERT_EQ(stream_fill(&self->s, 0, 3000), 3000);
	EXPECT_EQ(sendfile(out, self->s.fd, NULL, 1000), 1000);
	EXPECT_EQ(sendfile(sockets[0], self->s.fd, NULL, 1000), 1000);
	EXPECT_EQ(sendfile(self->in, self->s.fd, NULL, 1000), 1000);
	EXPECT_EQ(pread(out, b, SUBBUF, 0), 1000);
	EXPECT_EQ(stream_wrong(b, 0, 1000), 1000u);
	EXPECT_EQ(read(sockets[1], b, SUBBUF), 1000);
	EXPECT_EQ(stream_wrong(b, 1000, 1000), 1000u);
	EXPECT_EQ(read(self->out, b, SUBBUF), 1000);
	EXPECT_EQ(stream_wrong(b, 2000, 1000), 1000u);
	/* Who must not wait gets what there is; the end of the channel is the end. */
	set_nonblocking(self->s.fd, true);
	stream_put(&self->s, "abc");
	EXPECT_EQ(sendfile(out, self->s.fd, NULL, 1000), 3);
	EXPECT_EQ(sendfile(out, self->s.fd, NULL, 1000), -1);
	EXPECT_EQ(errno, EAGAIN);
	set_nonblocking(self->s.fd, false);
	stream_put(&self->s, "def");
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	EXPECT_EQ(sendfile(out, self->s.fd, NULL, 1 << 20), 3);
	EXPECT_EQ(sendfile(out, self->s.fd, NULL, 1 << 20), 0);
	EXPECT_EQ(pread(out, b, SUBBUF, 1000), 6);
	EXPECT_EQ(memcmp(b, "abcdef", 6), 0);
	close(out);
	close(sockets[0]);
	close(sockets[1]);
}

TEST_F(splice, an_observer_has_its_own_place)
{
	int other = observer_open(variant->kind->file, O_RDONLY | O_NONBLOCK);
	char b[16];

	stream_put(&self->s, "abcdef");
	EXPECT_EQ(splice(other, NULL, self->in, NULL, 4, 0), 4);
	EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, 8, 0), 6);
	EXPECT_EQ(splice(other, NULL, self->in, NULL, 8, 0), 2);
	EXPECT_EQ(splice(other, NULL, self->in, NULL, 8, 0), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(read(self->out, b, 16), 12);
	EXPECT_EQ(memcmp(b, "abcdabcdefef", 12), 0);
	close(other);
	/* And is not in the way of who has it alone; a consumer is. */
	other = file_open(variant->kind->file, O_RDONLY | O_NONBLOCK);
	close(self->s.fd);
	self->s.fd = file_open(variant->kind->file, O_RDONLY | O_EXCL);
	EXPECT_EQ(splice(other, NULL, self->in, NULL, 8, 0), -1);
	EXPECT_EQ(errno, EBUSY);
	close(other);
}

struct writer {
	int dev, id;
	bool stop;
};

static void *write_without_pause(void *arg)
{
	struct writer *w = arg;
	struct relaytest_pattern p = { .id = w->id, .cpu = cpus() - 1, .len = 100, .count = 200 };

	for (; !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); p.first += 200)
		chan_pattern(w->dev, &p);
	return NULL;
}

/* Whole records in the order they were written, whatever is overwritten meanwhile. */
TEST(no_record_is_torn_by_writers)
{
	static unsigned char b[64 * PAGE];
	struct writer w = { .dev = test_device() };
	size_t have = 0, records = 0;
	int ends[2], fd;
	pthread_t thread;
	int64_t last = -1;

	w.id = chan_open(w.dev, "s", SUBBUF, 2, RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL);
	ASSERT_GE(w.id, 0);
	fd = file_open("s", O_RDONLY);
	ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, write_without_pause, &w), 0);
	while (records < scaled(20000)) {
		ssize_t n = splice(fd, NULL, ends[1], NULL, 700 + records % 4000, 0);
		size_t at = 0, len;

		ASSERT_GT(n, 0);
		ASSERT_EQ(read(ends[0], b + have, n), n);
		have += n;
		/* At most one record is cut. */
		for (; have - at >= 100; at += len, records++) {
			struct relaytest_record *r = (void *)(b + at);

			len = record_check(b + at, have - at);
			ASSERT_EQ(len, 100u);
			ASSERT_GT(r->number, last);
			last = r->number;
		}
		memmove(b, b + at, have - at);
		have -= at;
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	close(fd);
	close(w.dev);
}

TEST_HARNESS_MAIN
