// SPDX-License-Identifier: GPL-2.0
/*
 * The whole channel of records, for which packets are made, when its buffers change: others take
 * their place, a CPU comes up.
 */

#include "packets.h"
#include "resizetest.h"

static unsigned char buf[1 << 20];

/* Who reads it: what comes next. */
struct reader {
	int fd;
	uint64_t packets, time;
	uint32_t next[2];	/* of two writers */
};

/* Reads all there is now, @step bytes at most at once; events, or -1 if they are not the next. */
static int read_all(struct reader *r, size_t step, event_check *check)
{
	ssize_t got;
	int n = 0;

	while ((got = read(r->fd, buf, step)) > 0) {
		int events = packets_check(buf, got, check, r);

		if (events <= 0)
			return -1;
		n += events;
		for (size_t at = 0; at < (size_t)got; at += packet_len(buf + at, got - at)) {
			struct relayfs_packet p;

			memcpy(&p, buf + at, PACKET);
			if (p.packet_seq_num != r->packets++ || p.timestamp_begin < r->time ||
			    p.timestamp_end < p.timestamp_begin || p.events_discarded)
				return -1;
			r->time = p.timestamp_end;
		}
	}
	return got < 0 && errno == EAGAIN ? n : -1;
}

static bool is_resized_record(void *arg, const unsigned char *fields, size_t len)
{
	struct reader *r = arg;

	return are_records(fields, len, r->next[0]++, 1);
}

FIXTURE(resized)
{
	int dev;
};

FIXTURE_VARIANT(resized)
{
	uint32_t mode;
};

FIXTURE_VARIANT_ADD(resized, keep) { RELAY_MODE_NO_OVERWRITE };
FIXTURE_VARIANT_ADD(resized, lap) { RELAY_MODE_CONTINUOUS };

FIXTURE_SETUP(resized)
{
	struct resize_open o = { .subbuf_size = 4096, .n_subbufs = 4,
				 .flags = variant->mode | 0x2000 /* RELAY_FORMAT_RECORDS */ };

	self->dev = resize_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(resized_open(self->dev, o), 0);
}

FIXTURE_TEARDOWN(resized)
{
	close(self->dev);
}

TEST_F(resized, events_go_on_in_order)
{
	static const struct { uint64_t size; uint32_t n; } sizes[] = {
		{ 4096, 8 }, { 16384, 2 }, { 4096, 2 }, { 65536, 4 },
	};
	struct reader r = { .fd = file_open(NAME, O_RDONLY | O_NONBLOCK) };
	uint32_t next = 0;

	ASSERT_GE(r.fd, 0);
	for (int i = 0; i < 4; i++) {
		int before = r.next[0];

		ASSERT_EQ(resized_write(self->dev, next, 25), 25);
		next += 25;
		/* Stops in the middle of a sub-buffer that is not complete. */
		ASSERT_GT(read(r.fd, buf, PACKET + 2 * EVENT_WITH(RECORD)), 0);
		ASSERT_LT(0, packets_check(buf, packet_len(buf, sizeof(buf)), is_resized_record,
					   &r));
		r.packets++;
		r.time = ((struct relayfs_packet *)buf)->timestamp_end;
		ASSERT_EQ(resized_to(self->dev, sizes[i].size, sizes[i].n), 0);
		ASSERT_EQ(resized_write(self->dev, next, 15), 15);
		next += 15;
		ASSERT_LT(0, read_all(&r, i % 2 ? sizeof(buf) : 300, is_resized_record));
		EXPECT_EQ(r.next[0], next);
		EXPECT_EQ(r.next[0] - before, 40u);
		EXPECT_BALANCE(resized_state(self->dev));
		EXPECT_EQ(resized_state(self->dev).read, next);
	}
	close(r.fd);
}

TEST_F(resized, what_is_left_of_a_packet_outlives_its_buffer)
{
	int fd = file_open(NAME ".d/cpu0", O_RDONLY | O_NONBLOCK), ends[2];
	struct reader r = {};
	ssize_t len;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
	/* More than is in a sub-buffer, so that the first is delivered. */
	ASSERT_EQ(resized_write(self->dev, 0, 40), 40);
	ASSERT_EQ(splice(fd, NULL, ends[1], NULL, 1000, 0), 1000);
	ASSERT_EQ(resized_to(self->dev, 16384, 2), 0);
	ASSERT_EQ(resized_write(self->dev, 40, 10), 10);
	ASSERT_EQ(read(ends[0], buf, sizeof(buf)), 1000);
	len = read(fd, buf + 1000, sizeof(buf) - 1000);
	ASSERT_LT(0, len);
	EXPECT_EQ(packet_len(buf, 1000 + len), (size_t)len + 1000);
	EXPECT_LT(0, packets_check(buf, 1000 + len, is_resized_record, &r));
	len = read(fd, buf, sizeof(buf));
	EXPECT_LT(0, packets_check(buf, len, is_resized_record, &r));
	EXPECT_EQ(r.next[0], 40);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

static bool is_pattern(void *arg, const unsigned char *fields, size_t len)
{
	struct reader *r = arg;
	struct relaytest_record head;

	if (record_check(fields, len) != len)
		return false;
	memcpy(&head, fields, sizeof(head));
	return head.number == r->next[head.writer != 0]++;
}

/* Writes so many events on @cpu; how many were written. */
static int write_on(int dev, int id, int cpu, uint32_t first, uint32_t count)
{
	struct relaytest_pattern p = { .id = id, .cpu = cpu, .count = count, .len = 100,
				       .writer = cpu, .first = first };

	return chan_pattern(dev, &p) ? -1 : (int)p.written;
}

TEST(a_cpu_that_comes_up_takes_part)
{
	struct reader r = {};
	int cpu = cpus() - 1, dev = test_device(), id;

	if (cpu < 1)
		SKIP(return, "one CPU");
	if (cpu_set_online(cpu, false))
		SKIP(return, "CPUs cannot be taken away");
	id = chan_open(dev, "plug", 0, 0, 0x2000 | RELAY_MODE_NO_OVERWRITE);
	ASSERT_GE(id, 0);
	r.fd = file_open("plug", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(r.fd, 0);
	EXPECT_EQ(write_on(dev, id, 0, 0, 10), 10);
	/* Some of it was read before. */
	ASSERT_GT(read(r.fd, buf, PACKET + 2 * EVENT_WITH(100)), 0);
	ASSERT_LT(0, packets_check(buf, packet_len(buf, sizeof(buf)), is_pattern, &r));
	r.packets++;
	r.time = ((struct relayfs_packet *)buf)->timestamp_end;

	ASSERT_EQ(cpu_set_online(cpu, true), 0);
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(write_on(dev, id, cpu, i, 1), 1);
		EXPECT_EQ(write_on(dev, id, 0, 10 + i, 1), 1);
	}
	EXPECT_LT(0, read_all(&r, sizeof(buf), is_pattern));
	EXPECT_EQ(r.next[0], 20);
	EXPECT_EQ(r.next[1], 10);
	EXPECT_EQ(attribute("plug", "late"), 0);
	/* And leaves what it has written. */
	EXPECT_EQ(write_on(dev, id, cpu, 10, 5), 5);
	ASSERT_EQ(cpu_set_online(cpu, false), 0);
	EXPECT_EQ(write_on(dev, id, 0, 20, 5), 5);
	EXPECT_EQ(read_all(&r, sizeof(buf), is_pattern), 10);
	ASSERT_EQ(cpu_set_online(cpu, true), 0);
	EXPECT_EQ(write_on(dev, id, cpu, 15, 5), 5);
	EXPECT_EQ(read_all(&r, sizeof(buf), is_pattern), 5);
	EXPECT_EQ(info("plug", "total", "unread", false), 0);
	close(r.fd);
	close(dev);
}

TEST_HARNESS_MAIN
