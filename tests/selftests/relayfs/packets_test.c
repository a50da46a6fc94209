// SPDX-License-Identifier: GPL-2.0
/*
 * Channels of records: read(2) gives whole packets whatever happens, splice(2) and sendfile(2) move
 * bytes, FIONREAD says how long the memory must be.
 */

#include <sys/sendfile.h>
#include "packets.h"
#include "streamtest.h"

#define LEN		1000		/* of the fields of an event */
#define STEP		EVENT_WITH(LEN)
#define LARGE		(4 * SUBBUF)
#define PER_SUBBUF	((LARGE - PACKET) / STEP)

static unsigned char buf[1 << 20];

FIXTURE(packets)
{
	struct stream s;
	int in, out;		/* of a pipe */
	uint32_t next;		/* event to be written, and to be read */
	uint32_t seen;
};

FIXTURE_VARIANT(packets)
{
	const char *file;
	uint32_t flags;
	bool made;		/* packets are made for the reader */
};

#define RECORDS	(RELAY_FORMAT_RECORDS | RELAY_MODE_NO_OVERWRITE)

FIXTURE_VARIANT_ADD(packets, buffer) { .file = "s.d/cpu0", .flags = RECORDS };
FIXTURE_VARIANT_ADD(packets, whole) { .file = "s", .flags = RECORDS, .made = true };
FIXTURE_VARIANT_ADD(packets, global) { .file = "s", .flags = RECORDS | RELAY_USAGE_GLOBAL };

FIXTURE_SETUP(packets)
{
	int ends[2];

	self->s.dev = test_device();
	ASSERT_GE(self->s.dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->s.id = chan_open_attr(self->s.dev, "s", (struct relaytest_open){
		.subbuf_size = LARGE, .n_subbufs = 4, .flags = variant->flags,
		.flush_interval_ms = 60000 });
	ASSERT_GE(self->s.id, 0);
	self->s.fd = file_open(variant->file, O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->s.fd, 0);
	ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	self->in = ends[1];
	self->out = ends[0];
}

FIXTURE_TEARDOWN(packets)
{
	close(self->in);
	close(self->out);
	stream_close(&self->s);
}

/* Writes so many events. */
static bool put(FIXTURE_DATA(packets) * self, int n)
{
	for (; n; n--, self->next++)
		if (stream_fill(&self->s, self->next * LEN, LEN) != LEN)
			return false;
	return true;
}

/* Writes them, and ends the sub-buffer. */
static bool deliver(FIXTURE_DATA(packets) * self, int n)
{
	return put(self, n) && !chan_flush(self->s.dev, self->s.id);
}

static bool is_next(void *arg, const unsigned char *fields, size_t len)
{
	uint32_t *seen = arg;

	return len == LEN && stream_wrong(fields, (*seen)++ * LEN, LEN) == LEN;
}

/* How many events there are in whole packets, if they are the next, else -1. */
static int events_in(FIXTURE_DATA(packets) * self, const void *at, ssize_t len)
{
	return packets_check(at, len < 0 ? 1 : len, is_next, &self->seen);
}

/* Reads until all @n were read; false if something else comes. */
static bool take(FIXTURE_DATA(packets) * self, int fd, uint32_t n)
{
	while (self->seen < n)
		if (events_in(self, buf, read(fd, buf, sizeof(buf))) <= 0)
			return false;
	return self->seen == n;
}

/* Writes and reads the first, which is alone in its packet if that is made. */
static bool start(FIXTURE_DATA(packets) * self)
{
	return deliver(self, 1) && events_in(self, buf, read(self->s.fd, buf, sizeof(buf))) == 1;
}

static int unread(int fd)
{
	int n = -1;

	return ioctl(fd, FIONREAD, &n) ? -errno : n;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

/* Moves what goes to the pipe, and from there to @to; how much that was, or -errno. */
static ssize_t through(FIXTURE_DATA(packets) * self, void *to, size_t len)
{
	ssize_t n = splice(self->s.fd, NULL, self->in, NULL, len, 0);

	return n < 0 ? -errno : n ? read(self->out, to, n) : 0;
}

TEST_F(packets, fionread_is_enough_for_a_read)
{
	int n;

	EXPECT_EQ(unread(self->s.fd), 0);
	EXPECT_FALSE(readable(self->s.fd));
	/* Only packets that are made have what is not delivered. */
	ASSERT_TRUE(put(self, 1));
	n = variant->made ? PACKET + EVENT + LEN : 0;
	EXPECT_EQ(unread(self->s.fd), n);
	EXPECT_EQ(readable(self->s.fd), variant->made);
	if (n) {
		EXPECT_EQ(read(self->s.fd, buf, n - 1), -1);
		EXPECT_EQ(errno, EMSGSIZE);
		EXPECT_EQ(unread(self->s.fd), n);
		EXPECT_EQ(read(self->s.fd, buf, n), n);
		EXPECT_EQ(events_in(self, buf, n), 1);
		EXPECT_EQ(unread(self->s.fd), 0);
		EXPECT_FALSE(readable(self->s.fd));
	}
	ASSERT_TRUE(deliver(self, PER_SUBBUF + 2));
	ASSERT_TRUE(put(self, 2));
	while ((n = unread(self->s.fd)) > 0) {
		ssize_t got = read(self->s.fd, buf, n);

		EXPECT_TRUE(readable(self->s.fd) || unread(self->s.fd) == 0);
		ASSERT_GT(got, 0);
		if (!variant->made)
			EXPECT_EQ(got, n);
		ASSERT_GT(events_in(self, buf, got), 0);
	}
	EXPECT_EQ(self->seen, variant->made ? self->next : PER_SUBBUF + 3);
	EXPECT_FALSE(readable(self->s.fd));
}

TEST_F(packets, splice_moves_what_fits)
{
	ASSERT_TRUE(put(self, 3));
	if (!variant->made) {
		EXPECT_EQ(through(self, buf, 1 << 16), -EAGAIN);
		ASSERT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	}
	while (self->seen != 3) {
		ssize_t n = through(self, buf, 1 << 16);

		ASSERT_GT(n, 0);
		ASSERT_GT(events_in(self, buf, n), 0);
	}
	EXPECT_EQ(through(self, buf, 1 << 16), -EAGAIN);
	EXPECT_EQ(info("s", "total", "read", false), 3);
}

TEST_F(packets, a_pipe_that_is_too_small_gets_them_in_parts)
{
	size_t at = 0;
	ssize_t n;

	ASSERT_EQ(fcntl(self->in, F_SETPIPE_SZ, PAGE), PAGE);
	ASSERT_TRUE(deliver(self, PER_SUBBUF));
	while ((n = splice(self->s.fd, NULL, self->in, NULL, LARGE, 0)) > 0) {
		int left = unread(self->s.fd);

		if (!variant->made) {
			EXPECT_EQ(left, PACKET + PER_SUBBUF * STEP - at - n);
			EXPECT_EQ(readable(self->s.fd), left != 0);
		}
		/* Full, as far as pages go; it is waited for. */
		EXPECT_EQ(splice(self->s.fd, NULL, self->in, NULL, LARGE, SPLICE_F_NONBLOCK), -1);
		EXPECT_EQ(errno, EAGAIN);
		ASSERT_EQ(read(self->out, buf + at, PAGE), n);
		at += n;
		if (!left)
			break;
	}
	EXPECT_EQ(events_in(self, buf, at), (int)PER_SUBBUF);
	EXPECT_EQ(through(self, buf, 1), -EAGAIN);
	EXPECT_EQ(info("s", "total", "read", false), (int)PER_SUBBUF);
}

TEST_F(packets, a_read_gives_what_is_left_and_then_whole_ones)
{
	const size_t len = PACKET + 3 * STEP;
	char *map = half_mapped();
	size_t at;

	ASSERT_TRUE(start(self));
	ASSERT_TRUE(deliver(self, 3));
	ASSERT_TRUE(deliver(self, 3));
	ASSERT_EQ(through(self, buf, 100), 100);
	EXPECT_TRUE(readable(self->s.fd));
	/* A fault takes nothing of it. */
	EXPECT_EQ(read(self->s.fd, map + PAGE, 10), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(read(self->s.fd, map + PAGE - 10, 20), 10);
	memcpy(buf + 100, map + PAGE - 10, 10);
	at = 110;
	EXPECT_EQ(read(self->s.fd, buf + at, 50), 50);
	at += 50;
	EXPECT_EQ(through(self, buf + at, 60), 60);
	at += 60;
	EXPECT_EQ(read(self->s.fd, buf + at, sizeof(buf) - at), (ssize_t)(len - at));
	EXPECT_EQ(events_in(self, buf, len), 3);
	EXPECT_EQ(read(self->s.fd, buf, 100), -1);
	EXPECT_EQ(errno, EMSGSIZE);
	EXPECT_EQ(events_in(self, buf, read(self->s.fd, buf, sizeof(buf))), 3);
	munmap(map, PAGE);
}

TEST_F(packets, others_get_whole_ones)
{
	int other = file_open(variant->file, O_RDONLY | O_NONBLOCK);
	const int len = PACKET + 2 * STEP;

	ASSERT_TRUE(start(self));
	ASSERT_TRUE(deliver(self, 2));
	ASSERT_TRUE(deliver(self, 2));
	ASSERT_EQ(through(self, buf, 100), 100);
	self->seen += 2;
	EXPECT_EQ(events_in(self, buf, read(other, buf, sizeof(buf))), 2);
	EXPECT_FALSE(readable(other));
	EXPECT_EQ(unread(other), 0);
	EXPECT_TRUE(readable(self->s.fd));
	EXPECT_EQ(unread(self->s.fd), len - 100);
	/* Also when all is over. */
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	EXPECT_TRUE(readable(self->s.fd));
	EXPECT_EQ(read(self->s.fd, buf, sizeof(buf)), len - 100);
	EXPECT_EQ(read(self->s.fd, buf, sizeof(buf)), 0);
	close(other);
}

/* Who goes and leaves a part of a packet: that was not read by anybody. */
TEST_F(packets, what_nobody_took_is_counted_as_lost)
{
	int other = file_open(variant->file, O_RDONLY | O_NONBLOCK);
	const int part = PACKET + 2 * STEP + 10, left = PER_SUBBUF - 2;
	struct relayfs_lost lost;
	int64_t produced;

	ASSERT_TRUE(start(self));
	ASSERT_TRUE(deliver(self, PER_SUBBUF));
	produced = info("s", "total", "produced", true);
	/* All of two, and something of the third. */
	ASSERT_EQ(through(self, buf, 100), 100);
	ASSERT_EQ(read(self->s.fd, buf, part - 100), part - 100);
	close(self->s.fd);
	self->s.fd = -1;
	EXPECT_EQ(info("s", "total", "overwritten", false), left);
	EXPECT_EQ(info("s", "total", "overwritten", true), (int)(left * STEP - 10));
	EXPECT_EQ(info("s", "total", "read", false), 1 + 2);
	EXPECT_EQ(info("s", "total", "read", true) + info("s", "total", "overwritten", true),
		  produced);
	EXPECT_EQ(info("s", "total", "unread", false), 0);
	ASSERT_EQ(ioctl(other, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_EQ(lost.records, (unsigned int)left);
	close(other);
}

TEST_F(packets, what_an_observer_leaves_is_nothing_to_others)
{
	int other = observer_open(variant->file, O_RDONLY | O_NONBLOCK);

	ASSERT_TRUE(deliver(self, 3));
	ASSERT_EQ(splice(other, NULL, self->in, NULL, 100, 0), 100);
	EXPECT_TRUE(readable(other));
	close(other);
	EXPECT_EQ(info("s", "total", "overwritten", false), 0);
	EXPECT_TRUE(take(self, self->s.fd, 3));
}

TEST_F(packets, a_fault_gives_no_part)
{
	struct relaytest_pattern p = { .id = self->s.id, .cpu = 0, .len = LEN, .count = 1,
				       .discard_every = 1 };
	char *map = half_mapped();
	int n;

	/* Not in one piece: what is discarded lies in between. */
	for (int i = 0; i < 6; i++) {
		ASSERT_TRUE(put(self, 1));
		if (i % 2)
			ASSERT_EQ(chan_pattern(self->s.dev, &p), 0);
	}
	ASSERT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	n = unread(self->s.fd);
	for (int there = 0; there < PAGE; there += 500) {
		if (variant->made && there >= (int)(PACKET + STEP))
			break;
		EXPECT_EQ(read(self->s.fd, map + PAGE - there, LARGE), -1);
		EXPECT_EQ(errno, EFAULT);
	}
	EXPECT_EQ(unread(self->s.fd), n);
	EXPECT_EQ(info("s", "total", "read", true), 0);
	/* Whoever reads next gets all. */
	close(self->s.fd);
	self->s.fd = file_open(variant->flags & RELAY_USAGE_GLOBAL ? "s" : "s.d/cpu0",
			       O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(events_in(self, buf, read(self->s.fd, buf, sizeof(buf))), 6);
	EXPECT_EQ(info("s", "total", "read", false), 6);
	munmap(map, PAGE);
}

TEST_F(packets, after_a_fault_the_whole_channel_has_all)
{
	char *map = half_mapped();
	int whole = file_open("s", O_RDONLY | O_NONBLOCK);

	ASSERT_TRUE(deliver(self, 3));
	EXPECT_EQ(read(self->s.fd, map + PAGE - 200, LARGE), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_TRUE(take(self, whole, 3));
	EXPECT_EQ(info("s", "total", "read", false), 3);
	close(whole);
	munmap(map, PAGE);
}

/* The whole channel's reader stops inside a packet, which goes on with a header of its own. */
TEST_F(packets, a_buffers_reader_goes_on_where_the_whole_stopped)
{
	int whole, cpu, rest = PACKET + 2 * STEP;

	if (!variant->made)
		SKIP(return, "packets that lie in the buffer");
	ASSERT_TRUE(start(self));
	whole = self->s.fd;
	cpu = file_open("s.d/cpu0", O_RDONLY | O_NONBLOCK);
	for (int way = 0; way < 3; way++) {
		ASSERT_TRUE(deliver(self, 3));
		ASSERT_EQ(read(whole, buf, PACKET + STEP), (ssize_t)(PACKET + STEP));
		EXPECT_EQ(events_in(self, buf, PACKET + STEP), 1);
		EXPECT_EQ(unread(whole), rest);
		EXPECT_EQ(unread(cpu), rest);
		EXPECT_TRUE(readable(cpu));
		EXPECT_EQ(read(cpu, buf, rest - 1), -1);
		EXPECT_EQ(errno, EMSGSIZE);
		if (way == 0) {
			EXPECT_EQ(read(cpu, buf, rest), rest);
		} else {
			/* All at once, or one byte first. */
			int first = way == 1 ? rest : 1;

			EXPECT_EQ(splice(cpu, NULL, self->in, NULL, first, 0), first);
			EXPECT_EQ(unread(cpu), rest - first);
			if (first != rest)
				EXPECT_EQ(splice(cpu, NULL, self->in, NULL, LARGE, 0),
					  rest - first);
			EXPECT_EQ(read(self->out, buf, LARGE), rest);
		}
		EXPECT_EQ(events_in(self, buf, rest), 2);
		EXPECT_EQ(unread(cpu), 0);
	}
	close(cpu);
}

/* Through a pipe of 64 KiB, which nobody can change. */
TEST(sendfile_of_long_packets)
{
	struct stream s = { .dev = test_device() };
	int out = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), n = 0;
	uint32_t seen = 0;
	ssize_t len;

	ASSERT_EQ(pin_to_cpu(0), 0);
	s.id = chan_open(s.dev, "s", 256 << 10, 4, RECORDS);
	ASSERT_GE(s.id, 0);
	s.fd = file_open("s.d/cpu0", O_RDONLY);
	ASSERT_GE(s.fd, 0);
	while (n < 300 && stream_fill(&s, n * LEN, LEN) == LEN)
		n++;
	EXPECT_EQ(n, 300);
	EXPECT_EQ(chan_close(s.dev, s.id), 0);
	len = sendfile(out, s.fd, NULL, sizeof(buf));
	EXPECT_EQ(len, (ssize_t)(2 * PACKET + n * STEP));
	ASSERT_EQ(pread(out, buf, sizeof(buf), 0), len);
	EXPECT_EQ(packets_check(buf, len, is_next, &seen), n);
	EXPECT_EQ(sendfile(out, s.fd, NULL, sizeof(buf)), 0);
	close(out);
	stream_close(&s);
}

TEST_HARNESS_MAIN
