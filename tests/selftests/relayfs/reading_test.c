// SPDX-License-Identifier: GPL-2.0
/* What is read in parts, what only as a whole, and what two files of a channel share. */

#include "streamtest.h"

FIXTURE(reading)
{
	struct stream s;
};

FIXTURE_VARIANT(reading)
{
	const char *file, *other;
};

FIXTURE_VARIANT_ADD(reading, buffer) { .file = "s.d/cpu0", .other = "s" };
FIXTURE_VARIANT_ADD(reading, whole) { .file = "s", .other = "s.d/cpu0" };

FIXTURE_SETUP(reading)
{
}

FIXTURE_TEARDOWN(reading)
{
	stream_close(&self->s);
}

static int begin(FIXTURE_DATA(reading) * self, const FIXTURE_VARIANT(reading) * variant,
		 uint32_t flags)
{
	struct stream_kind kind = { .file = variant->file, .flags = flags };

	return stream_open_as(&self->s, &kind, O_RDONLY | O_NONBLOCK);
}

static size_t read_all(int fd, unsigned char *b, size_t size)
{
	size_t at = 0;
	ssize_t n;

	while (at < size && (n = read(fd, b + at, size - at)) > 0)
		at += n;
	return at;
}

/* How many records of 64 bytes these are, or -1 if they are something else. */
static long count_records(const unsigned char *b, size_t len)
{
	for (size_t at = 0; at < len; at += 64)
		if (record_check(b + at, len - at) != 64)
			return -1;
	return len / 64;
}

/* Writes records of 64 bytes, three times round the buffer; how many were written. */
static uint32_t lap(const struct stream *s)
{
	struct relaytest_pattern p = {
		.id = s->id, .cpu = 0, .len = 64, .count = 3 * N_SUBBUFS * SUBBUF / 64,
	};

	return chan_pattern(s->dev, &p) ? 0 : p.written;
}

TEST_F(reading, the_rest_of_a_record_is_kept_from_writers_that_lap)
{
	unsigned char b[N_SUBBUFS * SUBBUF];
	struct relayfs_lost lost;
	uint32_t written;
	size_t len;
	long count;

	ASSERT_EQ(begin(self, variant, RELAY_MODE_CONTINUOUS), 0);
	ASSERT_EQ(stream_put(&self->s, "0123456789"), 10);
	ASSERT_EQ(read(self->s.fd, b, 3), 3);
	written = lap(&self->s);
	ASSERT_GT(written, 0);
	len = read_all(self->s.fd, b, sizeof(b));
	ASSERT_GT(len, 7);
	EXPECT_EQ(memcmp(b, "3456789", 7), 0);
	count = count_records(b + 7, len - 7);
	ASSERT_GT(count, 0);
	ASSERT_EQ(ioctl(self->s.fd, RELAY_IOC_GET_LOST, &lost), 0);
	EXPECT_GT(lost.records, 0);
	EXPECT_EQ(count + lost.records, written);
	EXPECT_EQ(7 + 64 * count, (long)len);
}

TEST_F(reading, the_last_who_closes_gives_the_rest_up)
{
	unsigned char b[N_SUBBUFS * SUBBUF];
	uint32_t written;
	size_t len;
	int other;

	ASSERT_EQ(begin(self, variant, RELAY_MODE_CONTINUOUS), 0);
	other = file_open(variant->other, O_RDONLY | O_NONBLOCK);
	ASSERT_EQ(stream_put(&self->s, "0123456789"), 10);
	ASSERT_EQ(read(self->s.fd, b, 3), 3);
	close(self->s.fd);
	close(other);
	written = lap(&self->s);
	self->s.fd = file_open(variant->file, O_RDONLY | O_NONBLOCK);
	len = read_all(self->s.fd, b, sizeof(b));
	EXPECT_GT(count_records(b, len), 0);
	/* It counts as lost. */
	EXPECT_EQ(info("s", "total", "read", false), (int64_t)len / 64);
	EXPECT_EQ(info("s", "total", "overwritten", false), 1 + written - (int64_t)len / 64);
}

TEST_F(reading, a_channel_and_its_buffers_share_a_position)
{
	char b[8] = "";
	int other;

	ASSERT_EQ(begin(self, variant, RELAY_MODE_NO_OVERWRITE), 0);
	other = file_open(variant->other, O_RDONLY | O_NONBLOCK);
	ASSERT_EQ(stream_put(&self->s, "abcdef"), 6);
	EXPECT_EQ(read(self->s.fd, b, 2), 2);
	EXPECT_EQ(read(other, b + 2, 2), 2);
	EXPECT_EQ(read(self->s.fd, b + 4, 4), 2);
	EXPECT_STREQ(b, "abcdef");
	EXPECT_EQ(read(other, b, 1), -1);
	EXPECT_EQ(errno, EAGAIN);
	close(other);
}

TEST_F(reading, a_packet_is_read_as_a_whole)
{
	struct relayfs_packet *packet;
	struct pollfd p = { .events = POLLIN };
	char b[SUBBUF];
	int n = 0, again = 0;

	ASSERT_EQ(begin(self, variant, RELAY_MODE_NO_OVERWRITE | RELAY_FORMAT_RECORDS), 0);
	ASSERT_EQ(stream_put(&self->s, "hello"), 5);
	ASSERT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	ASSERT_EQ(ioctl(self->s.fd, FIONREAD, &n), 0);
	ASSERT_GT(n, (int)sizeof(*packet));
	EXPECT_EQ(read(self->s.fd, b, n - 1), -1);
	EXPECT_EQ(errno, EMSGSIZE);
	/* Nothing was taken. */
	p.fd = self->s.fd;
	EXPECT_EQ(poll(&p, 1, 0), 1);
	EXPECT_EQ(ioctl(self->s.fd, FIONREAD, &again), 0);
	EXPECT_EQ(again, n);
	EXPECT_EQ(read(self->s.fd, b, SUBBUF), n);
	packet = (void *)b;
	EXPECT_EQ(packet->magic, RELAYFS_PACKET_MAGIC);
	EXPECT_EQ(packet->packet_size, 8ull * n);
	EXPECT_EQ(memcmp(b + sizeof(*packet) + sizeof(struct relayfs_event), "hello", 5), 0);
}

TEST_HARNESS_MAIN
