// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits is woken: each way to wait, for each file, by all that is to wake it. The flush
 * interval is a minute where it is not what is tested, and nobody waits as long: the clock saves
 * nobody.
 */

#include "waiters.h"

FIXTURE(wake)
{
	struct stream s;
	struct waiter w;
};

FIXTURE_VARIANT(wake)
{
	const struct way *way;
	const struct stream_kind *kind;
};

static const struct stream_kind records = {
	.file = "s.d/cpu0", .flags = RELAY_MODE_NO_OVERWRITE | RELAY_FORMAT_RECORDS,
};

/* Packets are made of what is there. */
static const struct stream_kind records_whole = {
	.file = "s", .flags = RELAY_MODE_NO_OVERWRITE | RELAY_FORMAT_RECORDS,
};

static const struct stream_kind observed = {
	.file = "s", .flags = RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_VARIANT_ADD(wake, read_of_a_buffer) { .way = &by_read, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(wake, read_of_the_whole) { .way = &by_read, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(wake, read_of_a_global_one) { .way = &by_read, .kind = &stream_global };
FIXTURE_VARIANT_ADD(wake, read_of_records) { .way = &by_read, .kind = &records };
FIXTURE_VARIANT_ADD(wake, read_of_all_records) { .way = &by_read, .kind = &records_whole };
FIXTURE_VARIANT_ADD(wake, read_of_an_observer) { .way = &by_read, .kind = &observed };

FIXTURE_VARIANT_ADD(wake, splice_of_a_buffer) { .way = &by_splice, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(wake, splice_of_the_whole) { .way = &by_splice, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(wake, splice_of_a_global_one) { .way = &by_splice, .kind = &stream_global };
FIXTURE_VARIANT_ADD(wake, splice_of_records) { .way = &by_splice, .kind = &records };
FIXTURE_VARIANT_ADD(wake, splice_of_all_records) { .way = &by_splice, .kind = &records_whole };
FIXTURE_VARIANT_ADD(wake, splice_of_an_observer) { .way = &by_splice, .kind = &observed };

FIXTURE_VARIANT_ADD(wake, poll_of_a_buffer) { .way = &by_poll, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(wake, poll_of_the_whole) { .way = &by_poll, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(wake, poll_of_a_global_one) { .way = &by_poll, .kind = &stream_global };
FIXTURE_VARIANT_ADD(wake, poll_of_records) { .way = &by_poll, .kind = &records };
FIXTURE_VARIANT_ADD(wake, poll_of_all_records) { .way = &by_poll, .kind = &records_whole };
FIXTURE_VARIANT_ADD(wake, poll_of_an_observer) { .way = &by_poll, .kind = &observed };

FIXTURE_VARIANT_ADD(wake, epoll_of_a_buffer) { .way = &by_epoll, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(wake, epoll_of_the_whole) { .way = &by_epoll, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(wake, epoll_of_a_global_one) { .way = &by_epoll, .kind = &stream_global };
FIXTURE_VARIANT_ADD(wake, epoll_of_records) { .way = &by_epoll, .kind = &records };
FIXTURE_VARIANT_ADD(wake, epoll_of_all_records) { .way = &by_epoll, .kind = &records_whole };
FIXTURE_VARIANT_ADD(wake, epoll_of_an_observer) { .way = &by_epoll, .kind = &observed };

FIXTURE_VARIANT_ADD(wake, epoll_edge_of_a_buffer) { .way = &by_epoll_edge, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(wake, epoll_edge_of_the_whole) { .way = &by_epoll_edge, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(wake, epoll_edge_of_a_global_one)
{
	.way = &by_epoll_edge, .kind = &stream_global,
};

FIXTURE_VARIANT_ADD(wake, epoll_edge_of_records) { .way = &by_epoll_edge, .kind = &records };

FIXTURE_VARIANT_ADD(wake, epoll_edge_of_all_records)
{
	.way = &by_epoll_edge, .kind = &records_whole,
};

FIXTURE_VARIANT_ADD(wake, epoll_edge_of_an_observer) { .way = &by_epoll_edge, .kind = &observed };

FIXTURE_VARIANT_ADD(wake, uring_read_of_a_buffer) { .way = &by_uring_read, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(wake, uring_read_of_the_whole) { .way = &by_uring_read, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(wake, uring_read_of_a_global_one)
{
	.way = &by_uring_read, .kind = &stream_global,
};

FIXTURE_VARIANT_ADD(wake, uring_read_of_records) { .way = &by_uring_read, .kind = &records };

FIXTURE_VARIANT_ADD(wake, uring_read_of_all_records)
{
	.way = &by_uring_read, .kind = &records_whole,
};

FIXTURE_VARIANT_ADD(wake, uring_read_of_an_observer) { .way = &by_uring_read, .kind = &observed };

FIXTURE_VARIANT_ADD(wake, uring_thread_of_a_buffer)
{
	.way = &by_uring_thread, .kind = &stream_buffer,
};

FIXTURE_VARIANT_ADD(wake, uring_thread_of_the_whole)
{
	.way = &by_uring_thread, .kind = &stream_whole,
};

FIXTURE_VARIANT_ADD(wake, uring_thread_of_a_global_one)
{
	.way = &by_uring_thread, .kind = &stream_global,
};

FIXTURE_VARIANT_ADD(wake, uring_thread_of_records) { .way = &by_uring_thread, .kind = &records };

FIXTURE_VARIANT_ADD(wake, uring_thread_of_all_records)
{
	.way = &by_uring_thread, .kind = &records_whole,
};

FIXTURE_VARIANT_ADD(wake, uring_thread_of_an_observer)
{
	.way = &by_uring_thread, .kind = &observed,
};

FIXTURE_VARIANT_ADD(wake, uring_poll_of_a_buffer) { .way = &by_uring_poll, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(wake, uring_poll_of_the_whole) { .way = &by_uring_poll, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(wake, uring_poll_of_a_global_one)
{
	.way = &by_uring_poll, .kind = &stream_global,
};

FIXTURE_VARIANT_ADD(wake, uring_poll_of_records) { .way = &by_uring_poll, .kind = &records };

FIXTURE_VARIANT_ADD(wake, uring_poll_of_all_records)
{
	.way = &by_uring_poll, .kind = &records_whole,
};

FIXTURE_VARIANT_ADD(wake, uring_poll_of_an_observer) { .way = &by_uring_poll, .kind = &observed };

FIXTURE_VARIANT_ADD(wake, signal_of_a_buffer) { .way = &by_signal, .kind = &stream_buffer };
FIXTURE_VARIANT_ADD(wake, signal_of_the_whole) { .way = &by_signal, .kind = &stream_whole };
FIXTURE_VARIANT_ADD(wake, signal_of_a_global_one) { .way = &by_signal, .kind = &stream_global };
FIXTURE_VARIANT_ADD(wake, signal_of_records) { .way = &by_signal, .kind = &records };
FIXTURE_VARIANT_ADD(wake, signal_of_all_records) { .way = &by_signal, .kind = &records_whole };
FIXTURE_VARIANT_ADD(wake, signal_of_an_observer) { .way = &by_signal, .kind = &observed };

/* Where little is to be done: each way to wait, and each file, but not each with each. */
FIXTURE_SETUP(wake)
{
	if (scaled(100) < 50 && variant->way != &by_read && variant->kind != &stream_buffer)
		SKIP(return, "this way and this file are tried with others");
}

FIXTURE_TEARDOWN(wake)
{
	stream_close(&self->s);
}

/* Opens the channel, with what is to be different; true if the waiter waits. */
static bool begin(FIXTURE_DATA(wake) * self, const FIXTURE_VARIANT(wake) * variant,
		  struct stream_kind other)
{
	struct stream_kind kind = *variant->kind;

	kind.flags |= other.flags;
	kind.watermark = other.watermark;
	kind.watermark_unit = other.watermark_unit;
	kind.flush_interval_ms = other.flush_interval_ms;
	if (stream_open_as(&self->s, &kind, O_RDONLY))
		return false;
	if (variant->kind == &observed && ioctl(self->s.fd, RELAY_IOC_OBSERVE))
		return false;
	return waiter_start(&self->w, variant->way, self->s.fd);
}

/* The waiter was told of data, and has got it; @text, if the stream is bytes. */
#define EXPECT_TOLD(TEXT) do {							\
	const char *text_ = TEXT;						\
										\
	ASSERT_TRUE(waiter_ends(&self->w));					\
	if (!self->w.way->takes)						\
		EXPECT_EQ(self->w.events & (POLLIN | POLLHUP), POLLIN);		\
	if (variant->kind->flags & RELAY_FORMAT_RECORDS) {			\
		struct relayfs_packet *packet = (void *)self->w.text;		\
										\
		EXPECT_GT(self->w.got, (ssize_t)sizeof(*packet));		\
		EXPECT_EQ(packet->magic, RELAYFS_PACKET_MAGIC);			\
	} else {								\
		EXPECT_EQ(self->w.got, (ssize_t)strlen(text_));			\
		EXPECT_STREQ(self->w.text, text_);				\
	}									\
} while (0)

TEST_F(wake, by_a_full_sub_buffer)
{
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ .flags = RELAY_DELIVERY_BULK }));
	stream_fill(&self->s, 0, 512);
	EXPECT_TRUE(waiter_sleeps(&self->w));
	for (int i = 1; i < SUBBUF / 512; i++)
		stream_fill(&self->s, i * 512, 512);
	if (variant->kind->flags & RELAY_FORMAT_RECORDS)
		stream_fill(&self->s, 0, 512);
	ASSERT_TRUE(waiter_ends(&self->w));
	if (!variant->way->takes)
		EXPECT_EQ(self->w.events & (POLLIN | POLLHUP), POLLIN);
	if (!(variant->kind->flags & RELAY_FORMAT_RECORDS)) {
		EXPECT_EQ(self->w.got, SUBBUF);
		EXPECT_EQ(stream_wrong(self->w.text, 0, SUBBUF), (size_t)SUBBUF);
	}
	EXPECT_GT(self->w.got, 0);
}

TEST_F(wake, by_each_write)
{
	if (variant->kind->flags & RELAY_FORMAT_RECORDS)
		SKIP(return, "complete sub-buffers wake readers of records");
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ .flags = RELAY_DELIVERY_PACKET }));
	stream_put(&self->s, "x");
	EXPECT_TOLD("x");
}

TEST_F(wake, by_the_watermark_to_the_byte)
{
	if (variant->kind->flags & RELAY_FORMAT_RECORDS)
		SKIP(return, "complete sub-buffers wake readers of records");
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){
		.watermark = 6, .watermark_unit = RELAY_WATERMARK_BYTES }));
	stream_put(&self->s, "hello");
	EXPECT_TRUE(waiter_sleeps(&self->w));
	stream_put(&self->s, "!");
	EXPECT_TOLD("hello!");
}

TEST_F(wake, by_a_watermark_of_its_own)
{
	uint64_t bytes = 3;

	if (variant->kind->flags & RELAY_FORMAT_RECORDS)
		SKIP(return, "complete sub-buffers wake readers of records");
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ }));
	/* Set while it waits. */
	ASSERT_EQ(ioctl(self->s.fd, RELAY_IOC_SET_WATERMARK, &bytes), 0);
	ASSERT_TRUE(waiter_waits(&self->w));
	stream_put(&self->s, "ab");
	EXPECT_TRUE(waiter_sleeps(&self->w));
	stream_put(&self->s, "c");
	EXPECT_TOLD("abc");
}

TEST_F(wake, by_the_flush_interval)
{
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ .flush_interval_ms = 10 }));
	stream_put(&self->s, "late");
	EXPECT_TOLD("late");
}

TEST_F(wake, by_an_interval_of_its_own)
{
	uint32_t ms = 10;

	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ }));
	ASSERT_EQ(ioctl(self->s.fd, RELAY_IOC_SET_FLUSH_INTERVAL, &ms), 0);
	stream_put(&self->s, "late");
	EXPECT_TOLD("late");
}

TEST_F(wake, by_a_flush_of_the_client)
{
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ }));
	stream_put(&self->s, "hello");
	EXPECT_TRUE(waiter_sleeps(&self->w));
	EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	EXPECT_TOLD("hello");
}

TEST_F(wake, by_a_flush_of_a_user)
{
	uint64_t clock;
	int other;

	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ }));
	other = file_open("s.d/cpu0", O_RDONLY);
	stream_put(&self->s, "hello");
	EXPECT_TRUE(waiter_sleeps(&self->w));
	EXPECT_EQ(ioctl(other, RELAY_IOC_FLUSH, &clock), 0);
	EXPECT_TOLD("hello");
	close(other);
}

TEST_F(wake, by_a_record_that_finds_no_room)
{
	static char big[3 * SUBBUF / 4];

	/* The watermark is never reached. */
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){
		.watermark = 100, .watermark_unit = RELAY_WATERMARK_PERCENT }));
	for (int i = 0; i < N_SUBBUFS; i++)
		EXPECT_EQ(chan_write(self->s.dev, self->s.id, big, sizeof(big)), sizeof(big));
	EXPECT_TRUE(waiter_sleeps(&self->w));
	EXPECT_EQ(chan_write(self->s.dev, self->s.id, big, sizeof(big)), -ENOSPC);
	ASSERT_TRUE(waiter_ends(&self->w));
	EXPECT_GE(self->w.got, (ssize_t)(N_SUBBUFS - 1) * (ssize_t)sizeof(big));
}

TEST_F(wake, by_the_end)
{
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ }));
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	ASSERT_TRUE(waiter_ends(&self->w));
	if (!variant->way->takes)
		EXPECT_EQ(self->w.events & (POLLIN | POLLHUP), POLLHUP);
	EXPECT_EQ(self->w.got, 0);
}

TEST_F(wake, by_the_end_with_something_left)
{
	char c;

	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ }));
	stream_put(&self->s, "the last");
	EXPECT_TRUE(waiter_sleeps(&self->w));
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	EXPECT_TOLD("the last");
	EXPECT_EQ(read(self->s.fd, &c, 1), 0);
}

TEST_F(wake, by_what_follows_a_reset)
{
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ }));
	stream_put(&self->s, "thrown away");
	EXPECT_EQ(chan_reset(self->s.dev, self->s.id), 0);
	/* It may have had a look: there is nothing. */
	ASSERT_TRUE(waiter_waits(&self->w));
	stream_put(&self->s, "new");
	EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
	EXPECT_TOLD("new");
}

TEST_F(wake, by_the_second_delivery_as_by_the_first)
{
	ASSERT_TRUE(begin(self, variant, (struct stream_kind){ }));
	for (int i = 0; i < 3; i++) {
		stream_put(&self->s, "again");
		EXPECT_EQ(chan_flush(self->s.dev, self->s.id), 0);
		EXPECT_TOLD("again");
		fcntl(self->s.fd, F_SETFL, 0);
		ASSERT_TRUE(waiter_start(&self->w, variant->way, self->s.fd));
	}
	EXPECT_EQ(chan_close(self->s.dev, self->s.id), 0);
	ASSERT_TRUE(waiter_ends(&self->w));
}

TEST_HARNESS_MAIN
