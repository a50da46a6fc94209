// SPDX-License-Identifier: GPL-2.0
/* What clients are told of buffers: each callback with its arguments, its context, its number. */

#include "callbacks_rig.h"

/* What a writer's callbacks find in a context of its own. */
static uint32_t context_of(const FIXTURE_DATA(callbacks) * self, enum cb_context context)
{
	switch (context) {
	case CB_HARDIRQ:
		return CB_IN_HARDIRQ | CB_IRQS_OFF;
	case CB_NMI:
		return CB_IN_NMI | CB_IN_HARDIRQ | CB_IRQS_OFF;
	default:
		return CB_IN_TASK | (self->locking ? CB_IRQS_OFF : 0);
	}
}

/* Sub-buffers of records of 1000 bytes, from all contexts. */
TEST_F(callbacks, start_and_end_of_each_subbuffer)
{
	int fd, at = 0;
	ssize_t len;

	open_(4, CB_ALL, 0, .start_reserve = START, .end_reserve = END,
	      .channel_start_reserve = FIRST);
	behave_(.mark = MARK);
	fd = observer_open("c", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(fd, 0);
	/* 3, then 4 each: the last of which is ended by the flush. */
	ASSERT_EQ(cb_write(self->dev, 3, 1000, .byte = 1), 1000);
	ASSERT_EQ(cb_write(self->dev, 4, 1000, .byte = 2, .context = CB_HARDIRQ), 1000);
	ASSERT_EQ(cb_write(self->dev, 4, 1000, .byte = 3, .context = CB_NMI),
		  self->locking ? -EAGAIN : 1000);
	if (self->locking)
		ASSERT_EQ(cb_write(self->dev, 4, 1000, .byte = 3), 1000);
	ASSERT_EQ(cb_write(self->dev, 4, 1000, .byte = 4), 1000);
	EXPECT_EQ(count_(CB_BUFFER_START), 4);
	EXPECT_EQ(count_(CB_BUFFER_END), 3);
	flush_();
	EXPECT_EQ(count_(CB_BUFFER_END), 4);
	/* There is nothing to end. */
	flush_();
	EXPECT_EQ(count_(CB_BUFFER_START), 4);
	EXPECT_EQ(count_(CB_BUFFER_END), 4);
	len = read(fd, in, sizeof(in));
	for (int seq = 0; seq < 4; seq++) {
		struct cb_event start = cb_event(self->dev, CB_BUFFER_START, seq);
		struct cb_event end = cb_event(self->dev, CB_BUFFER_END, seq);
		uint64_t head = START + (seq ? 0 : FIRST);
		uint64_t records = seq ? 4 : 3;
		/* A sub-buffer is ended by who begins the next. */
		static const enum cb_context by[] = { CB_TASK, CB_HARDIRQ, CB_NMI, CB_TASK };
		enum cb_context begun = self->locking && by[seq] == CB_NMI ? CB_TASK : by[seq];

		EXPECT_EQ(start.chan, 1);
		EXPECT_EQ(start.cpu, 0);
		EXPECT_EQ(start.context, context_of(self, begun));
		EXPECT_EQ(start.arg[0], seq);
		EXPECT_EQ(start.arg[2], head);
		EXPECT_EQ(start.arg[3], END);
		EXPECT_EQ((uint32_t)start.arg[4], self->cpu);
		EXPECT_EQ(start.arg[5], 1);
		EXPECT_EQ(end.chan, 1);
		EXPECT_EQ(end.arg[0], seq);
		EXPECT_EQ(end.arg[1], head + 1000 * records);
		EXPECT_EQ(end.arg[2], records);
		EXPECT_EQ(end.arg[3], SUBBUF - END - head - 1000 * records);
		EXPECT_EQ((uint32_t)end.arg[4], self->cpu);
		EXPECT_EQ(end.arg[5], 1);
		/* Readers see what was put there. */
		ASSERT_GE(len - at, (ssize_t)(head + 1000 * records + END));
		for (uint64_t i = 0; i < head; i++)
			ASSERT_EQ(in[at + i], MARK);
		at += head;
		for (uint64_t i = 0; i < 1000 * records; i++)
			ASSERT_EQ(in[at + i], seq + 1);
		at += 1000 * records;
		for (int i = 0; i < END; i++)
			ASSERT_EQ(in[at + i], MARK);
		at += END;
	}
	EXPECT_EQ(at, len);
	close(fd);
}

TEST_F(callbacks, they_may_write_to_the_channel)
{
	uint64_t calls;

	open_(64, CB_ALL, 0, .start_reserve = START);
	behave_(.write = 1 << CB_BUFFER_START | 1 << CB_BUFFER_END | 1 << CB_DELIVER);
	for (int i = 0; i < 30; i++)
		ASSERT_EQ(cb_write(self->dev, 1, 1000, .context = i % 3), self->locking &&
			  i % 3 == CB_NMI ? -EAGAIN : 1000);
	flush_();
	calls = count_(CB_BUFFER_START) + count_(CB_BUFFER_END) + count_(CB_DELIVER);
	EXPECT_GE(calls, 3 * (self->locking ? 5 : 7));
	EXPECT_EQ(info("c", "total", "produced", false), (self->locking ? 20 : 30) + calls);
	/* Those that are told of the end write no more. */
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
}

/* Waits until that many were told. */
static void await_count(int dev, enum cb_what what, int count)
{
	while (cb_count(dev, what) < count)
		usleep(1000);
}

TEST_F(callbacks, complete_subbuffers_are_delivered)
{
	int fd;
	ssize_t len;

	open_(4, CB_ALL, 0);
	fd = observer_open("c", O_RDONLY | O_NONBLOCK);
	for (int i = 1; i <= 12; i++) {
		ASSERT_EQ(cb_write(self->dev, 1, 1024, .byte = i), 1024);
		await_count(self->dev, CB_DELIVER, i / 4);
	}
	ASSERT_EQ(cb_write(self->dev, 1, 100, .byte = 13), 100);
	flush_();
	await_count(self->dev, CB_DELIVER, 4);
	len = read(fd, in, sizeof(in));
	EXPECT_EQ(len, 3 * SUBBUF + 100);
	EXPECT_EQ(cb_delivered(self->dev, told, sizeof(told)), len);
	EXPECT_EQ(memcmp(in, told, len), 0);
	for (int i = 0; i < 4; i++) {
		struct cb_event event = cb_event(self->dev, CB_DELIVER, i);

		EXPECT_EQ(event.chan, 1);
		EXPECT_EQ(event.context, CB_IN_HARDIRQ | CB_IRQS_OFF);
		EXPECT_EQ(event.arg[0], i);
		EXPECT_EQ(event.arg[1], i * SUBBUF);
		EXPECT_EQ(event.arg[2], i < 3 ? SUBBUF : 100);
		EXPECT_EQ(event.arg[3], 0);
		EXPECT_EQ((uint32_t)event.arg[4], self->cpu);
		EXPECT_EQ(event.arg[5], 1);
	}
	close(fd);
}

TEST_F(callbacks, a_watermark_does_not_cut_what_is_delivered)
{
	open_(4, CB_ALL, 0, .watermark = 1, .watermark_unit = RELAY_WATERMARK_BYTES);
	ASSERT_EQ(cb_write(self->dev, 7, 1024, .byte = 1), 1024);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(count_(CB_DELIVER), 2);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, 0).arg[2], SUBBUF);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, 1).arg[2], 3 * 1024);
}

TEST_F(callbacks, with_packet_delivery_each_record_is)
{
	int fd, count;
	ssize_t len;

	/* Whatever the watermark: that is for those who wait. */
	open_(4, CB_ALL, RELAY_DELIVERY_PACKET, .start_reserve = START,
	      .watermark = 3, .watermark_unit = RELAY_WATERMARK_SUBBUFS);
	fd = observer_open("c", O_RDONLY | O_NONBLOCK);
	for (int i = 1; i <= 10; i++) {
		ASSERT_EQ(cb_write(self->dev, 1, 1000, .byte = i), 1000);
		await_count(self->dev, CB_DELIVER, i);
		ASSERT_EQ(cb_count(self->dev, CB_DELIVER), i);
	}
	len = read(fd, in, sizeof(in));
	EXPECT_EQ(cb_delivered(self->dev, told, sizeof(told)), len);
	EXPECT_EQ(memcmp(in, told, len), 0);
	/* There is nothing more to tell. */
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	count = count_(CB_DELIVER);
	EXPECT_EQ(count, 10);
	close(fd);
}

TEST_F(callbacks, holes_and_end_reserves_are_stepped_over)
{
	struct cb_event event;

	open_(4, CB_ALL, 0, .end_reserve = END);
	behave_(.mark = MARK);
	ASSERT_EQ(cb_write(self->dev, 2, 1000, .byte = 1), 1000);
	flush_();
	await_count(self->dev, CB_DELIVER, 2);
	event = cb_event(self->dev, CB_DELIVER, 0);
	EXPECT_EQ(event.arg[2], 2000);
	EXPECT_EQ(event.arg[5], 0);
	event = cb_event(self->dev, CB_DELIVER, 1);
	EXPECT_EQ(event.arg[2], END);
	EXPECT_EQ(event.arg[5], 1);
	ASSERT_EQ(cb_delivered(self->dev, told, sizeof(told)), 2000 + END);
	for (int i = 0; i < END; i++)
		ASSERT_EQ(told[2000 + i], MARK);
}

TEST_F(callbacks, what_was_overwritten_before_is_counted)
{
	struct cb_event event;

	/* The interrupt that tells comes after the one that writes. */
	open_(4, CB_ALL, 0);
	cb_write(self->dev, 40, 1024, .byte = 1, .context = CB_HARDIRQ);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(count_(CB_DELIVER), 4);
	event = cb_event(self->dev, CB_DELIVER, 0);
	EXPECT_EQ(event.arg[0], self->overwrite ? 6 : 0);
	EXPECT_EQ(event.arg[3], self->overwrite ? 24 : 0);
	event = cb_event(self->dev, CB_DELIVER, 3);
	EXPECT_EQ(event.arg[0], self->overwrite ? 9 : 3);
	EXPECT_EQ(event.arg[3], self->overwrite ? 24 : 0);
}

TEST_F(callbacks, a_reset_ends_a_subbuffer_and_what_is_gone_counts_as_lost)
{
	open_(4, CB_ALL, 0);
	ASSERT_EQ(cb_write(self->dev, 2, 1024, .byte = 1), 1024);
	ASSERT_EQ(cb(self->dev, CB_RESET), 0);
	EXPECT_EQ(count_(CB_BUFFER_END), 1);
	ASSERT_EQ(cb_write(self->dev, 4, 1024, .byte = 2), 1024);
	await_count(self->dev, CB_DELIVER, 1);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, 0).arg[0], 1);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, 0).arg[3], 2);
}

TEST_F(callbacks, all_is_told_before_the_end_and_nothing_after)
{
	int fd, events;

	open_(4, CB_ALL, 0, .mode = 0666);
	fd = file_open("c", O_RDWR);
	ASSERT_EQ(cb_write(self->dev, 5, 1000, .byte = 1), 1000);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(count_(CB_BUFFER_START), 2);
	EXPECT_EQ(count_(CB_BUFFER_END), 2);
	EXPECT_EQ(cb_delivered(self->dev, told, sizeof(told)), 5000);
	events = cb(self->dev, CB_COUNT);
	EXPECT_EQ(events, 1 + 2 + 2 + 2);
	EXPECT_EQ(read(fd, in, sizeof(in)), 5000);
	EXPECT_EQ(ioctl(fd, 42), -1);
	EXPECT_EQ(write(fd, in, 1), -1);
	close(fd);
	EXPECT_EQ(cb(self->dev, CB_COUNT), 0);
}

TEST_F(callbacks, a_full_buffer_is_told_once)
{
	struct cb_event event;
	ssize_t len;
	int fd;

	open_(4, CB_ALL, 0);
	fd = file_open("c.d/cpu0", O_RDONLY | O_NONBLOCK);
	for (int i = 1; i <= 3; i++) {
		/* Room for 16; the last of these are refused, in each context. */
		cb_write(self->dev, 17, 1024);
		cb_write(self->dev, 3, 1024, .context = CB_HARDIRQ);
		cb_write(self->dev, 3, 1024, .context = CB_NMI);
		if (!self->overwrite) {
			await_count(self->dev, CB_BUFFERS_FULL, i);
			event = cb_event(self->dev, CB_BUFFERS_FULL, i - 1);
			EXPECT_EQ(event.chan, 1);
			EXPECT_EQ(event.context, CB_IN_HARDIRQ | CB_IRQS_OFF);
			EXPECT_EQ((uint32_t)event.arg[0], self->cpu);
		}
		len = read(fd, in, sizeof(in));
		if (!self->overwrite)
			EXPECT_EQ(len, 4 * SUBBUF);
		EXPECT_EQ(count_(CB_BUFFERS_FULL), self->overwrite ? 0 : i);
	}
	close(fd);
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(count_(CB_BUFFERS_FULL), self->overwrite ? 0 : 3);
}

TEST_F(callbacks, delivery_goes_on_across_a_resize)
{
	int fd;
	ssize_t len;

	open_(4, CB_ALL, 0);
	fd = observer_open("c", O_RDONLY | O_NONBLOCK);
	ASSERT_EQ(cb_write(self->dev, 3, 1000, .byte = 1), 1000);
	ASSERT_EQ(cb(self->dev, CB_RESIZE, .len = 2 * SUBBUF, .count = 8), 0);
	ASSERT_EQ(cb_write(self->dev, 20, 1000, .byte = 2), 1000);
	len = read(fd, in, sizeof(in));
	EXPECT_EQ(len, 23000);
	/* In overwrite mode nothing is in the way of another one. */
	while (read(fd, in + len, sizeof(in) - len) > 0)
		;
	if (self->overwrite) {
		ASSERT_EQ(cb(self->dev, CB_RESIZE, .len = SUBBUF, .count = 16), 0);
		ASSERT_EQ(cb_write(self->dev, 10, 1000, .byte = 3), 1000);
		len += read(fd, in + len, sizeof(in) - len);
		EXPECT_EQ(len, 33000);
	}
	ASSERT_EQ(cb(self->dev, CB_CLOSE), 0);
	EXPECT_EQ(cb_delivered(self->dev, told, sizeof(told)), len);
	EXPECT_EQ(memcmp(in, told, len), 0);
	EXPECT_EQ(cb_event(self->dev, CB_DELIVER, count_(CB_DELIVER) - 1).arg[3], 0);
	close(fd);
}

TEST_HARNESS_MAIN
