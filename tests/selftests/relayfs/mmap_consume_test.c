// SPDX-License-Identifier: GPL-2.0
/* The consumer page: what a position that is stored there means to everybody else. */

#include <pthread.h>
#include "mapped.h"

#define SUBBUF	4096
#define N	4

FIXTURE(consume)
{
	struct mapped m;
	int dev, id;
};

FIXTURE_VARIANT(consume)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(consume, per_cpu)
{
	.flags = RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_VARIANT_ADD(consume, global)
{
	.flags = RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL,
};

FIXTURE_VARIANT_ADD(consume, locking)
{
	.flags = RELAY_MODE_NO_OVERWRITE | RELAY_SCHEME_LOCKING,
};

FIXTURE_SETUP(consume)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	/* An hour, nearly: nothing is done at intervals. */
	self->id = chan_open_attr(self->dev, "c", (struct relaytest_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags,
		.flush_interval_ms = 60000 });
	ASSERT_GE(self->id, 0);
	ASSERT_TRUE(mapped_open(&self->m, "c.d/cpu0"));
}

FIXTURE_TEARDOWN(consume)
{
	mapped_close(&self->m);
	close(self->dev);
}

static short poll_now(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

TEST_F(consume, writers_get_the_room)
{
	uint32_t lap;

	for (lap = 0; lap < 10; lap++) {
		ASSERT_EQ(write_records(self->dev, self->id, 0, N, SUBBUF), N);
		ASSERT_EQ(mapped_read(&self->m, false), N);
	}
	EXPECT_EQ(self->m.pos, 10 * N * SUBBUF);
	/* Nobody has told the kernel but the page. */
	EXPECT_LT(self->m.meta->consumed, self->m.pos);
}

TEST_F(consume, without_it_the_channel_is_full)
{
	struct relayfs_info i;

	ASSERT_EQ(write_records(self->dev, self->id, 0, N + 3, SUBBUF), N);
	i = info_of(self->m.fd);
	EXPECT_EQ(i.lost[RELAYFS_LOST_FULL].records, 3);
	EXPECT_EQ(poll_now(self->m.fd, POLLPRI), POLLPRI);
	STORE(self->m.page->position, SUBBUF);
	EXPECT_EQ(poll_now(self->m.fd, POLLPRI), 0);
	EXPECT_EQ(write_records(self->dev, self->id, 0, 2, SUBBUF), 1);
}

TEST_F(consume, room_is_made_by_whole_sub_buffers)
{
	ASSERT_EQ(write_records(self->dev, self->id, 0, N, SUBBUF), N);
	STORE(self->m.page->position, SUBBUF - 1);
	EXPECT_EQ(write_records(self->dev, self->id, 0, 1, SUBBUF), 0);
	STORE(self->m.page->position, SUBBUF);
	EXPECT_EQ(write_records(self->dev, self->id, 0, 1, SUBBUF), 1);
	STORE(self->m.page->position, 2 * SUBBUF + SUBBUF / 2);
	EXPECT_EQ(write_records(self->dev, self->id, 0, 2, SUBBUF), 1);
}

TEST_F(consume, it_counts_as_read)
{
	struct relayfs_info i;

	/* 40 records and 96 bytes of padding in each. */
	ASSERT_EQ(write_records(self->dev, self->id, 0, 100, 100), 100);
	ASSERT_EQ(mapped_read(&self->m, false), 80);
	i = info_of(self->m.fd);
	EXPECT_EQ(i.produced.records, 100);
	EXPECT_EQ(i.read.records, 80);
	EXPECT_EQ(i.read.bytes, 8000);
	EXPECT_EQ(i.unread.records, 20);
	EXPECT_EQ(i.overwritten.records, 0);
	EXPECT_EQ(i.subbufs_consumed, 2);
	/* And is in the head from now on. */
	EXPECT_EQ(self->m.meta->consumed, 2 * SUBBUF);
	EXPECT_EQ(self->m.meta->read_records, 80);
	EXPECT_EQ(info("c", "cpu0", "read", false), 80);
}

/* Each millisecond the kernel looks where it is, too; 10 seconds are many of them. */
TEST_F(consume, it_counts_at_once_whoever_looks_besides)
{
	struct relaytest_open o = {
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags,
		.flush_interval_ms = 1 };
	const double end = seconds() + 10;
	unsigned int rounds = scaled(50000), late = 0;
	struct mapped m;
	int id;

	id = chan_open_attr(self->dev, "looked_at", o);
	ASSERT_GE(id, 0);
	ASSERT_TRUE(mapped_open(&m, "looked_at.d/cpu0"));
	for (unsigned int n = 1; n <= rounds && seconds() < end; n++) {
		ASSERT_EQ(write_records(self->dev, id, 0, 1, SUBBUF), 1);
		STORE(m.page->position, (uint64_t)n * SUBBUF);
		late += info_of(m.fd).read.records != n;
	}
	EXPECT_EQ(late, 0);
	mapped_close(&m);
}

TEST_F(consume, it_counts_as_read_after_writers_came_round_again)
{
	struct relayfs_info i;
	int lap;

	for (lap = 0; lap < 5; lap++) {
		ASSERT_EQ(write_records(self->dev, self->id, 0, 120, 100), 120);
		ASSERT_EQ(mapped_read(&self->m, true), 120);
	}
	i = info_of(self->m.fd);
	EXPECT_EQ(i.read.records, 600);
	EXPECT_EQ(i.read.bytes, 60000);
	EXPECT_EQ(i.overwritten.records, 0);
	EXPECT_EQ(i.unread.records, 0);
}

TEST_F(consume, parts_of_the_current_sub_buffer_can_be_read)
{
	char b[SUBBUF];
	int n;

	for (n = 0; n < 90; n++) {
		ASSERT_EQ(write_records(self->dev, self->id, 0, 1, 100), 1);
		ASSERT_EQ(mapped_read(&self->m, true), 1);
		ASSERT_EQ(poll_now(self->m.fd, POLLIN), 0);
	}
	EXPECT_EQ(read(self->m.fd, b, sizeof(b)), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(info_of(self->m.fd).read.records, 90);
}

TEST_F(consume, poll_sees_only_what_is_beyond)
{
	EXPECT_EQ(poll_now(self->m.fd, POLLIN), 0);
	ASSERT_EQ(write_records(self->dev, self->id, 0, 45, 100), 45);
	EXPECT_EQ(poll_now(self->m.fd, POLLIN), POLLIN);
	/* All of the first one, up to its padding. */
	STORE(self->m.page->position, 4000);
	EXPECT_EQ(poll_now(self->m.fd, POLLIN), POLLIN);
	STORE(self->m.page->position, SUBBUF + 400);
	EXPECT_EQ(poll_now(self->m.fd, POLLIN), POLLIN);
	STORE(self->m.page->position, SUBBUF + 500);
	EXPECT_EQ(poll_now(self->m.fd, POLLIN), 0);
	ASSERT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_EQ(poll_now(self->m.fd, POLLIN), POLLHUP);
}

static void *write_later(void *arg)
{
	int *of = arg;

	usleep(100000);
	return (void *)(intptr_t)write_records(of[0], of[1], 0, N, SUBBUF);
}

TEST_F(consume, poll_sleeps_until_there_is_more)
{
	struct pollfd p = { .fd = self->m.fd, .events = POLLIN };
	int of[2] = { self->dev, self->id };
	pthread_t writer;
	void *written;

	ASSERT_EQ(write_records(self->dev, self->id, 0, N, SUBBUF), N);
	ASSERT_EQ(mapped_read(&self->m, false), N);
	ASSERT_EQ(pthread_create(&writer, NULL, write_later, of), 0);
	EXPECT_EQ(poll(&p, 1, -1), 1);
	EXPECT_EQ(p.revents, POLLIN);
	pthread_join(writer, &written);
	EXPECT_EQ((intptr_t)written, N);
	EXPECT_EQ(mapped_read(&self->m, false), N);
}

TEST_F(consume, read_goes_on_behind_it)
{
	char b[SUBBUF];

	ASSERT_EQ(write_records(self->dev, self->id, 0, 3, 100), 3);
	STORE(self->m.page->position, 200);
	EXPECT_EQ(read(self->m.fd, b, sizeof(b)), 100);
	EXPECT_EQ(record_check((void *)b, 100), 100);
	/* In the middle of a record, as it was said. */
	ASSERT_EQ(write_records(self->dev, self->id, 0, 2, 100), 2);
	STORE(self->m.page->position, 330);
	EXPECT_EQ(read(self->m.fd, b, sizeof(b)), 170);
	EXPECT_EQ(record_check((void *)(b + 70), 100), 100);
	EXPECT_EQ(info_of(self->m.fd).read.records, 5);
	EXPECT_EQ(info_of(self->m.fd).read.bytes, 500);
}

TEST_F(consume, it_does_not_go_back_behind_what_was_read)
{
	char b[SUBBUF];

	ASSERT_EQ(write_records(self->dev, self->id, 0, 5, 100), 5);
	ASSERT_EQ(read(self->m.fd, b, 350), 350);
	STORE(self->m.page->position, 100);
	EXPECT_EQ(info_of(self->m.fd).read.bytes, 350);
	/* Over the rest of what was begun. */
	STORE(self->m.page->position, 400);
	EXPECT_EQ(read(self->m.fd, b, sizeof(b)), 100);
	EXPECT_EQ(record_check((void *)b, 100), 100);
	EXPECT_EQ(info_of(self->m.fd).read.records, 5);
}

static void *consume_later(void *arg)
{
	struct mapped *m = arg;

	usleep(100000);
	STORE(m->page->position, SUBBUF);
	return NULL;
}

TEST_F(consume, writers_that_wait_go_on)
{
	pthread_t consumer;

	ASSERT_EQ(write_records(self->dev, self->id, 0, N, SUBBUF), N);
	ASSERT_EQ(pthread_create(&consumer, NULL, consume_later, &self->m), 0);
	EXPECT_EQ(chan_write_wait(self->dev, self->id, "x", 1, -1), 1);
	pthread_join(consumer, NULL);
}

TEST_F(consume, a_reset_goes_ahead_of_it)
{
	struct relayfs_info i;

	ASSERT_EQ(write_records(self->dev, self->id, 0, 10, 100), 10);
	STORE(self->m.page->position, 300);
	ASSERT_EQ(chan_reset(self->dev, self->id), 0);
	EXPECT_EQ(self->m.meta->consumed, SUBBUF);
	EXPECT_EQ(poll_now(self->m.fd, POLLIN), 0);
	ASSERT_EQ(write_records(self->dev, self->id, 0, 5, 100), 5);
	self->m.pos = LOAD(self->m.meta->consumed);
	EXPECT_EQ(mapped_read(&self->m, true), 5);
	i = info_of(self->m.fd);
	/* Records count when all that could be read at a time is consumed; bytes at once. */
	EXPECT_EQ(i.read.records, 5);
	EXPECT_EQ(i.read.bytes, 800);
	EXPECT_EQ(i.overwritten.records, 10);
	EXPECT_EQ(i.unread.records, 0);
	EXPECT_TRUE(adds_up(&i));
}

TEST_F(consume, after_the_close_the_rest_can_be_read)
{
	ASSERT_EQ(write_records(self->dev, self->id, 0, 50, 100), 50);
	ASSERT_EQ(mapped_read(&self->m, false), 40);
	ASSERT_EQ(chan_close(self->dev, self->id), 0);
	EXPECT_EQ(poll_now(self->m.fd, POLLIN), POLLIN);
	EXPECT_EQ(mapped_read(&self->m, false), 10);
	EXPECT_EQ(poll_now(self->m.fd, POLLIN), POLLHUP);
	EXPECT_EQ(info_of(self->m.fd).read.records, 50);
}

TEST_F(consume, who_comes_next_goes_on_there)
{
	char b[SUBBUF];
	int fd;

	ASSERT_EQ(write_records(self->dev, self->id, 0, 50, 100), 50);
	ASSERT_EQ(mapped_read(&self->m, false), 40);
	fd = file_open("c.d/cpu0", O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(read(fd, b, sizeof(b)), -1);
	EXPECT_EQ(errno, EBUSY);
	/* The mapping of the page keeps the file, and with it the claim. */
	close(self->m.fd);
	EXPECT_EQ(read(fd, b, sizeof(b)), -1);
	EXPECT_EQ(errno, EBUSY);
	munmap(self->m.page, PAGE);
	mapped_unmap(&self->m);
	EXPECT_EQ(read(fd, b, sizeof(b)), 1000);
	close(fd);
	ASSERT_TRUE(mapped_open(&self->m, "c.d/cpu0"));
	EXPECT_EQ(self->m.page->position, 0);
	EXPECT_EQ(self->m.pos, SUBBUF + 1000);
}

TEST_F(consume, the_last_position_counts_when_the_page_is_unmapped)
{
	ASSERT_EQ(write_records(self->dev, self->id, 0, N, SUBBUF), N);
	STORE(self->m.page->position, 2 * SUBBUF);
	ASSERT_EQ(munmap(self->m.page, PAGE), 0);
	EXPECT_EQ(write_records(self->dev, self->id, 0, N, SUBBUF), 2);
	self->m.page = map_consumer(self->m.fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(self->m.page, MAP_FAILED);
	EXPECT_EQ(self->m.page->position, 2 * SUBBUF);
}

TEST_F(consume, two_mappings_are_one_page)
{
	int fd = dup(self->m.fd);
	struct relayfs_consumer *other = map_consumer(fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	ASSERT_NE(other, MAP_FAILED);
	ASSERT_EQ(write_records(self->dev, self->id, 0, 2, SUBBUF), 2);
	STORE(other->position, SUBBUF);
	EXPECT_EQ(self->m.page->position, SUBBUF);
	EXPECT_EQ(info_of(self->m.fd).read.records, 1);
	munmap(other, PAGE);
	close(fd);
}

TEST_F(consume, observers_are_where_they_were)
{
	int observer = observer_open("c.d/cpu0", O_RDONLY | O_NONBLOCK);
	char b[SUBBUF];

	ASSERT_GE(observer, 0);
	ASSERT_EQ(write_records(self->dev, self->id, 0, 10, 100), 10);
	ASSERT_EQ(mapped_read(&self->m, true), 10);
	EXPECT_EQ(poll_now(observer, POLLIN), POLLIN);
	EXPECT_EQ(read(observer, b, sizeof(b)), 1000);
	close(observer);
}

/* Waits for the flush timer to end what there is of the sub-buffer of another CPU. */
static bool wait_for_the_timer(int dev, int id, const struct relayfs_meta *other)
{
	uint64_t before = LOAD(other->delivered);

	if (write_records(dev, id, 1, 1, 100) != 1)
		return false;
	while (LOAD(other->delivered) == before)
		usleep(1000);
	return true;
}

/* Who is behind has complete sub-buffers to read; who is not sees the newest at intervals. */
TEST(the_timer_leaves_a_consumer_that_is_behind_alone)
{
	struct mapped m, other;
	int dev, id;
	uint64_t pos;

	if (cpus() < 2)
		SKIP(return, "needs two CPUs");
	dev = test_device();
	ASSERT_EQ(pin_to_cpu(0), 0);
	id = chan_open_attr(dev, "t", (struct relaytest_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = RELAY_MODE_NO_OVERWRITE,
		.flush_interval_ms = 10 });
	ASSERT_GE(id, 0);
	ASSERT_TRUE(mapped_open(&m, "t.d/cpu0"));
	ASSERT_TRUE(mapped_open(&other, "t.d/cpu1"));
	/* Two that are full and a part of the next. */
	ASSERT_EQ(write_records(dev, id, 0, 2, SUBBUF), 2);
	ASSERT_EQ(write_records(dev, id, 0, 1, 100), 1);
	pos = LOAD(m.meta->write_pos);
	EXPECT_EQ(pos, 2 * SUBBUF + 100);
	/* Whichever buffer is looked at first: once in between it was this one's turn. */
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(wait_for_the_timer(dev, id, other.meta));
		/* Or that one would be behind, too. */
		STORE(other.page->position, LOAD(other.meta->delivered) * SUBBUF);
	}
	EXPECT_EQ(LOAD(m.meta->write_pos), pos);
	STORE(m.page->position, SUBBUF);
	while (LOAD(m.meta->delivered) < 3)
		usleep(1000);
	EXPECT_EQ(LOAD(m.meta->write_pos), 3 * SUBBUF);
	mapped_close(&m);
	mapped_close(&other);
	close(dev);
}

TEST_HARNESS_MAIN
