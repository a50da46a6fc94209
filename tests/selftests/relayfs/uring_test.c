// SPDX-License-Identifier: GPL-2.0
/* io_uring on a file: reads of all kinds, polls, cancelling. See also wake_matrix_test. */

#include <sys/wait.h>
#include "waiters.h"

FIXTURE(uring)
{
	struct stream s;
	struct io_uring ring;
};

FIXTURE_VARIANT(uring)
{
	const struct stream_kind *kind;
};

FIXTURE_VARIANT_ADD(uring, buffer) { .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(uring, whole) { .kind = &stream_whole };
FIXTURE_VARIANT_ADD(uring, global) { .kind = &stream_global };

FIXTURE_SETUP(uring)
{
	ASSERT_EQ(stream_open_as(&self->s, variant->kind, O_RDONLY), 0);
	ASSERT_EQ(io_uring_queue_init(8, &self->ring, 0), 0);
}

FIXTURE_TEARDOWN(uring)
{
	io_uring_queue_exit(&self->ring);
	stream_close(&self->s);
}

#define NOTHING	12345
/* RWF_NOWAIT, but the header that comes with liburing says it in the kernel's own words. */
#define NOWAIT	8

/* The next result, waiting for it; NOTHING if none comes. */
static int result(struct io_uring *ring, uint64_t *whose, unsigned int *flags)
{
	struct __kernel_timespec t = { .tv_sec = WAIT_SECONDS };
	struct io_uring_cqe *cqe;
	int res;

	if (io_uring_wait_cqe_timeout(ring, &cqe, &t))
		return NOTHING;
	res = cqe->res;
	if (whose)
		*whose = cqe->user_data;
	if (flags)
		*flags = cqe->flags;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

/* The same, if there is one now. */
static int result_now(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	/* Also runs what is due in this task. */
	io_uring_get_events(ring);
	return io_uring_peek_cqe(ring, &cqe) ? NOTHING : result(ring, NULL, NULL);
}

static struct io_uring_sqe *next_read(struct io_uring *ring, int fd, void *to, unsigned int len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read(sqe, fd, to, len, -1);
	return sqe;
}

static void deliver(const struct stream *s, const char *text)
{
	stream_put(s, text);
	chan_flush(s->dev, s->id);
}

TEST_F(uring, a_read_gives_what_there_is_however_short)
{
	char b[SUBBUF];

	stream_put(&self->s, "short");
	next_read(&self->ring, self->s.fd, b, sizeof(b));
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result(&self->ring, NULL, NULL), 5);
	EXPECT_EQ(memcmp(b, "short", 5), 0);
	/* And one that waited. */
	next_read(&self->ring, self->s.fd, b, sizeof(b));
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result_now(&self->ring), NOTHING);
	deliver(&self->s, "later");
	EXPECT_EQ(result(&self->ring, NULL, NULL), 5);
	EXPECT_EQ(memcmp(b, "later", 5), 0);
}

TEST_F(uring, offsets_do_not_matter)
{
	char b[8];

	stream_put(&self->s, "abcdef");
	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->s.fd, b, 2, 0);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result(&self->ring, NULL, NULL), 2);
	EXPECT_EQ(memcmp(b, "ab", 2), 0);
	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->s.fd, b, 2, 4096);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result(&self->ring, NULL, NULL), 2);
	EXPECT_EQ(memcmp(b, "cd", 2), 0);
}

TEST_F(uring, only_a_read_that_says_so_does_not_wait)
{
	char b[8];

	next_read(&self->ring, self->s.fd, b, 8)->rw_flags = NOWAIT;
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result(&self->ring, NULL, NULL), -EAGAIN);
	/* The file's flag is for who sleeps, which nobody does here. */
	fcntl(self->s.fd, F_SETFL, O_NONBLOCK);
	next_read(&self->ring, self->s.fd, b, 8);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result_now(&self->ring), NOTHING);
	deliver(&self->s, "abc");
	EXPECT_EQ(result(&self->ring, NULL, NULL), 3);
}

TEST_F(uring, fixed_files_and_buffers_and_parts)
{
	char b[8], c[4];
	struct iovec fixed = { b, sizeof(b) }, parts[] = { { b, 2 }, { c, 4 } };
	struct io_uring_sqe *sqe;

	ASSERT_EQ(io_uring_register_buffers(&self->ring, &fixed, 1), 0);
	ASSERT_EQ(io_uring_register_files(&self->ring, &self->s.fd, 1), 0);
	stream_put(&self->s, "abcdefghij");
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_read_fixed(sqe, 0, b, 4, -1, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result(&self->ring, NULL, NULL), 4);
	EXPECT_EQ(memcmp(b, "abcd", 4), 0);
	io_uring_prep_readv(io_uring_get_sqe(&self->ring), self->s.fd, parts, 2, -1);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result(&self->ring, NULL, NULL), 6);
	EXPECT_EQ(memcmp(b, "ef", 2), 0);
	EXPECT_EQ(memcmp(c, "ghij", 4), 0);
}

TEST_F(uring, a_fault_loses_nothing)
{
	char *map = half_mapped(), b[16];

	stream_put(&self->s, "0123456789");
	next_read(&self->ring, self->s.fd, map + PAGE, 10);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result(&self->ring, NULL, NULL), -EFAULT);
	next_read(&self->ring, self->s.fd, map + PAGE - 4, 10);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result(&self->ring, NULL, NULL), 4);
	EXPECT_EQ(memcmp(map + PAGE - 4, "0123", 4), 0);
	EXPECT_EQ(read(self->s.fd, b, 16), 6);
	EXPECT_EQ(memcmp(b, "456789", 6), 0);
	munmap(map, PAGE);
}

TEST_F(uring, reads_that_wait_together_get_each_byte_once)
{
	char b[4][8];
	int seen = 0;

	for (int i = 0; i < 4; i++)
		io_uring_sqe_set_data64(next_read(&self->ring, self->s.fd, b[i], 8), i);
	ASSERT_EQ(io_uring_submit(&self->ring), 4);
	for (int i = 0; i < 4; i++) {
		char text[2] = { (char)('a' + i) };
		uint64_t whose = 9;

		/* One of them. */
		deliver(&self->s, text);
		ASSERT_EQ(result(&self->ring, &whose, NULL), 1);
		ASSERT_LT(whose, 4u);
		EXPECT_EQ(b[whose][0], 'a' + i);
		EXPECT_EQ(seen & 1 << whose, 0);
		seen |= 1 << whose;
	}
	EXPECT_EQ(info("s", "total", "read", false), 4);
}

static void cancel_read(struct __test_metadata *_metadata, FIXTURE_DATA(uring) * self, int flags)
{
	struct io_uring_sqe *sqe;
	int results[2];
	char b[8];

	sqe = next_read(&self->ring, self->s.fd, b, 8);
	sqe->flags |= flags;
	io_uring_sqe_set_data64(sqe, 1);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	usleep(20000);
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_cancel64(sqe, 1, 0);
	io_uring_sqe_set_data64(sqe, 0);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	for (int i = 0; i < 2; i++) {
		uint64_t whose = 9;
		int res = result(&self->ring, &whose, NULL);

		ASSERT_LT(whose, 2u);
		results[whose] = res;
	}
	/* In a thread of the kernel it is a signal that ends it. */
	EXPECT_TRUE(results[1] == -ECANCELED || results[1] == -EINTR);
	EXPECT_TRUE(results[0] == 0 || results[0] == -EALREADY);
	/* It takes nothing any more. */
	deliver(&self->s, "abc");
	EXPECT_EQ(result_now(&self->ring), NOTHING);
	EXPECT_EQ(read(self->s.fd, b, 8), 3);
}

TEST_F(uring, a_read_that_waits_can_be_cancelled)
{
	cancel_read(_metadata, self, 0);
}

TEST_F(uring, one_that_waits_in_a_thread_can_be_cancelled)
{
	cancel_read(_metadata, self, IOSQE_ASYNC);
}

TEST_F(uring, a_linked_timeout_ends_it)
{
	struct __kernel_timespec t = { .tv_nsec = 10000000 };
	struct io_uring_sqe *sqe;
	uint64_t whose = 9;
	char b[8];

	sqe = next_read(&self->ring, self->s.fd, b, 8);
	sqe->flags |= IOSQE_IO_LINK;
	io_uring_sqe_set_data64(sqe, 1);
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_link_timeout(sqe, &t, 0);
	io_uring_sqe_set_data64(sqe, 0);
	ASSERT_EQ(io_uring_submit(&self->ring), 2);
	for (int i = 0; i < 2; i++) {
		int res = result(&self->ring, &whose, NULL);

		EXPECT_EQ(res, whose ? -ECANCELED : -ETIME);
	}
	deliver(&self->s, "abc");
	EXPECT_EQ(read(self->s.fd, b, 8), 3);
}

TEST_F(uring, a_multishot_read_gives_each_delivery)
{
	struct io_uring_buf_ring *bufs;
	static char memory[4][64];
	unsigned int flags;
	int error;

	bufs = io_uring_setup_buf_ring(&self->ring, 4, 0, 0, &error);
	ASSERT_NE(bufs, NULL);
	for (int i = 0; i < 4; i++)
		io_uring_buf_ring_add(bufs, memory[i], 64, i, io_uring_buf_ring_mask(4), i);
	io_uring_buf_ring_advance(bufs, 4);
	io_uring_prep_read_multishot(io_uring_get_sqe(&self->ring), self->s.fd, 0, -1, 0);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	for (int i = 0; i < 3; i++) {
		char text[4] = { 'a', 'b', (char)('0' + i) };

		deliver(&self->s, text);
		ASSERT_EQ(result(&self->ring, NULL, &flags), 3);
		EXPECT_TRUE(flags & IORING_CQE_F_MORE);
		EXPECT_EQ(memcmp(memory[flags >> IORING_CQE_BUFFER_SHIFT], text, 3), 0);
	}
	/* The end of the channel is its end. */
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	EXPECT_EQ(result(&self->ring, NULL, &flags), 0);
	EXPECT_FALSE(flags & IORING_CQE_F_MORE);
	io_uring_free_buf_ring(&self->ring, bufs, 4, 0);
}

TEST_F(uring, a_poll_tells_all_bits_and_can_be_removed)
{
	char b[SUBBUF];

	stream_put(&self->s, "x");
	io_uring_prep_poll_add(io_uring_get_sqe(&self->ring), self->s.fd, POLLIN | POLLRDNORM);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result(&self->ring, NULL, NULL), POLLIN | POLLRDNORM);
	EXPECT_EQ(read(self->s.fd, b, sizeof(b)), 1);
	io_uring_prep_poll_add(io_uring_get_sqe(&self->ring), self->s.fd, POLLPRI);
	ASSERT_EQ(io_uring_submit(&self->ring), 1);
	EXPECT_EQ(result_now(&self->ring), NOTHING);
	while (stream_fill(&self->s, 0, SUBBUF / 2) > 0)
		;
	EXPECT_EQ(result(&self->ring, NULL, NULL), POLLPRI);
	while (ioctl(self->s.fd, FIONREAD, &b[0]) == 0 && *(int *)b > 0)
		ASSERT_GT(read(self->s.fd, b, sizeof(b)), 0);
	io_uring_sqe_set_data64(next_read(&self->ring, self->s.fd, b, 8), 3);
	io_uring_prep_poll_add(io_uring_get_sqe(&self->ring), self->s.fd, POLLIN);
	ASSERT_EQ(io_uring_submit(&self->ring), 2);
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	for (int i = 0; i < 2; i++) {
		uint64_t whose = 9;
		int res = result(&self->ring, &whose, NULL);

		EXPECT_EQ(res, whose == 3 ? 0 : POLLHUP);
	}
}

/* Always in a thread of io_uring's, which may come to it when a part is there. */
TEST_F(uring, splices_to_a_pipe)
{
	int ends[2], n = 0;
	char b[8];

	ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
	for (bool delivered = false; n < 3; delivered = true) {
		int got;

		io_uring_prep_splice(io_uring_get_sqe(&self->ring), self->s.fd, -1, ends[1], -1,
				     8, 0);
		ASSERT_EQ(io_uring_submit(&self->ring), 1);
		if (!delivered)
			deliver(&self->s, "abc");
		got = result(&self->ring, NULL, NULL);
		ASSERT_GT(got, 0);
		n += got;
	}
	EXPECT_EQ(read(ends[0], b, 8), 3);
	EXPECT_EQ(memcmp(b, "abc", 3), 0);
	close(ends[0]);
	close(ends[1]);
}

/* Packets: those of a buffer, and those that are made of what is there. */
TEST(reads_of_records)
{
	static const struct stream_kind kinds[] = {
		{ .file = "s.d/cpu0", .flags = RELAY_MODE_NO_OVERWRITE | RELAY_FORMAT_RECORDS },
		{ .file = "s", .flags = RELAY_MODE_NO_OVERWRITE | RELAY_FORMAT_RECORDS },
	};
	/* Of an event of 8 bytes. */
	const int len = sizeof(struct relayfs_packet) + sizeof(struct relayfs_event) + 8;
	struct io_uring ring;

	ASSERT_EQ(io_uring_queue_init(8, &ring, 0), 0);
	for (int i = 0; i < 2; i++) {
		char b[SUBBUF], *map = half_mapped();
		struct stream s;
		int ends[2];

		ASSERT_EQ(stream_open_as(&s, &kinds[i], O_RDONLY), 0);
		ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
		next_read(&ring, s.fd, b, sizeof(b));
		ASSERT_EQ(io_uring_submit(&ring), 1);
		EXPECT_EQ(result_now(&ring), NOTHING);
		deliver(&s, "waitedfr");
		EXPECT_EQ(result(&ring, NULL, NULL), len);
		EXPECT_EQ(memcmp(b + len - 8, "waitedfr", 8), 0);
		next_read(&ring, s.fd, b, sizeof(b))->rw_flags = NOWAIT;
		ASSERT_EQ(io_uring_submit(&ring), 1);
		EXPECT_EQ(result(&ring, NULL, NULL), -EAGAIN);
		/* Not delivered: only packets that are made have it. */
		stream_put(&s, "is there");
		next_read(&ring, s.fd, b, sizeof(b))->rw_flags = NOWAIT;
		ASSERT_EQ(io_uring_submit(&ring), 1);
		EXPECT_EQ(result(&ring, NULL, NULL), i ? len : -EAGAIN);
		deliver(&s, "complete");
		next_read(&ring, s.fd, b, 8);
		ASSERT_EQ(io_uring_submit(&ring), 1);
		EXPECT_EQ(result(&ring, NULL, NULL), -EMSGSIZE);
		next_read(&ring, s.fd, map + PAGE - 100, SUBBUF);
		ASSERT_EQ(io_uring_submit(&ring), 1);
		EXPECT_EQ(result(&ring, NULL, NULL), -EFAULT);
		/* By bytes, and what is left of it. */
		io_uring_prep_splice(io_uring_get_sqe(&ring), s.fd, -1, ends[1], -1, 8, 0);
		ASSERT_EQ(io_uring_submit(&ring), 1);
		EXPECT_EQ(result(&ring, NULL, NULL), 8);
		next_read(&ring, s.fd, b, sizeof(b))->rw_flags = NOWAIT;
		ASSERT_EQ(io_uring_submit(&ring), 1);
		EXPECT_EQ(result(&ring, NULL, NULL), (i ? len : len + 24) - 8);
		close(ends[0]);
		close(ends[1]);
		munmap(map, PAGE);
		stream_close(&s);
	}
	io_uring_queue_exit(&ring);
}

TEST_F(uring, who_dies_with_requests_leaves_nothing_behind)
{
	int fd, status;
	char b[8];
	pid_t pid;

	close(self->s.fd);
	self->s.fd = -1;
	pid = fork();
	if (!pid) {
		struct io_uring ring;

		fd = file_open(variant->kind->file, O_RDONLY | O_EXCL);
		if (fd < 0 || io_uring_queue_init(8, &ring, 0))
			_exit(1);
		next_read(&ring, fd, b, 8);
		next_read(&ring, fd, b, 8)->flags |= IOSQE_ASYNC;
		io_uring_prep_poll_multishot(io_uring_get_sqe(&ring), fd, POLLIN);
		_exit(io_uring_submit(&ring) == 3 ? 0 : 2);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	/* The last of the file goes a little after the process. */
	for (int i = 0; i < WAIT_SECONDS * 1000; i++) {
		fd = file_open(variant->kind->file, O_RDONLY | O_EXCL);
		if (fd >= 0)
			break;
		usleep(1000);
	}
	ASSERT_GE(fd, 0);
	deliver(&self->s, "abc");
	EXPECT_EQ(read(fd, b, 8), 3);
	close(fd);
}

TEST_HARNESS_MAIN
