// SPDX-License-Identifier: GPL-2.0
/*
 * Writers on all CPUs, with every function there is, beside readers in the kernel and in user
 * space; and any order of calls, after each of which all must add up.
 */

#include <pthread.h>

#include "readers.h"

#define MAX_CPUS	8
#define MAX_LEN		200

FIXTURE(stress)
{
	int dev;
	int id;
};

FIXTURE_VARIANT(stress)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(stress, smp) { .flags = SMP };
FIXTURE_VARIANT_ADD(stress, smp_keep) { .flags = SMP | KEEP };
FIXTURE_VARIANT_ADD(stress, global) { .flags = GLOBAL };
FIXTURE_VARIANT_ADD(stress, global_keep) { .flags = GLOBAL | KEEP };
FIXTURE_VARIANT_ADD(stress, smp_locking) { .flags = SMP | LOCKING };
FIXTURE_VARIANT_ADD(stress, global_locking_keep) { .flags = GLOBAL | LOCKING | KEEP };

FIXTURE_SETUP(stress)
{
	self->dev = calls_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->id = calls_open(self->dev, "s", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags,
		.flush_interval_ms = 10 });
	ASSERT_GE(self->id, 0);
}

FIXTURE_TEARDOWN(stress)
{
	close(self->dev);
}

struct writer {
	pthread_t thread;
	int dev;
	int id;
	int cpu;
	bool wait;
	uint32_t count;		/* to write */
	long written;
};

static void *write_records(void *arg)
{
	struct writer *w = arg;
	uint32_t number = 0;

	pin_to_cpu(w->cpu);
	for (; number < w->count; number += 10) {
		uint32_t len = 20 + (number * 7 + w->cpu * 31) % (MAX_LEN - 20);

		w->written += pattern_write(w->dev, w->id, w->cpu, number, 10, len, w->wait);
	}
	return NULL;
}

/* What a reader has seen. */
struct seen {
	unsigned char data[3 * SUBBUF + MAX_LEN];
	size_t left;		/* an unfinished record */
	uint64_t records;
	uint64_t bytes;
	int64_t next[MAX_CPUS];	/* lowest number that may come */
	bool gaps;		/* there were some */
	const char *wrong;
};

/* Checks n more bytes behind those that are left. */
static void check(struct seen *s, size_t n)
{
	size_t at = 0, len = s->left + n;
	struct relaytest_record r;

	while (len - at >= sizeof(r)) {
		memcpy(&r, s->data + at, sizeof(r));
		if (r.magic != RELAYTEST_MAGIC || r.len > MAX_LEN || r.writer >= MAX_CPUS) {
			s->wrong = "no record";
			return;
		}
		if (r.len > len - at)
			break;
		if (!record_check(s->data + at, len - at))
			s->wrong = "a byte is wrong";
		if (r.number < s->next[r.writer])
			s->wrong = "twice, or in the wrong order";
		s->gaps |= r.number > s->next[r.writer];
		s->next[r.writer] = r.number + 1;
		s->records++;
		s->bytes += r.len;
		at += r.len;
	}
	s->left = len - at;
	memmove(s->data, s->data + at, s->left);
}

struct reader {
	pthread_t thread;
	int dev;
	int reader;		/* -1: a file */
	int fd;
	uint32_t consume;	/* says that it has consumed about so much at a time */
	bool shares;		/* gets only a part of the stream */
	struct seen seen;
};

static void *read_records(void *arg)
{
	struct reader *r = arg;
	struct seen *s = &r->seen;
	uint64_t unsaid = 0;
	uint32_t turn = 0;
	long n;

	do {
		size_t want = 1 + turn++ * 397 % (3 * SUBBUF - 1);

		n = r->fd >= 0 ? read(r->fd, s->data + s->left, want) :
				 reader_read(r->dev, r->reader, s->data + s->left, want, 1);
		if (n < 0) {
			s->wrong = "an error";
			break;
		}
		if (r->shares)
			s->bytes += n;
		else
			check(s, n);
		unsaid += n;
		if (r->consume && (unsaid >= r->consume || !n)) {
			consume_bytes(r->dev, r->reader, unsaid);
			unsaid = 0;
		}
	} while (n && !s->wrong);
	return NULL;
}

/* Starts writers on all CPUs, waits for them, and ends the channel; how much was written. */
static long write_all(int dev, int id, uint32_t count, bool wait)
{
	static struct writer writers[MAX_CPUS];
	int n = cpus() < MAX_CPUS ? cpus() : MAX_CPUS;
	long written = 0;

	for (int i = 0; i < n; i++) {
		writers[i] = (struct writer){ .dev = dev, .id = id, .cpu = i, .wait = wait,
					      .count = count };
		pthread_create(&writers[i].thread, NULL, write_records, &writers[i]);
	}
	for (int i = 0; i < n; i++) {
		pthread_join(writers[i].thread, NULL);
		written += writers[i].written;
	}
	return written;
}

static void start(struct reader *r, struct reader how)
{
	*r = how;
	pthread_create(&r->thread, NULL, read_records, r);
}

/* Two observers that consume, one that only looks, each of all buffers. */
TEST_F(stress, observers_beside_writers)
{
	bool keep = variant->flags & KEEP;
	static struct reader readers[3];
	struct rchan_info info;
	long written;

	for (int i = 0; i < 3; i++)
		start(&readers[i], (struct reader){
			.dev = self->dev, .fd = -1,
			.reader = reader_add(self->dev, self->id, RELAY_CPU_ALL, 0),
			.consume = i == 0 ? 1 : i == 1 ? 3 * SUBBUF : 0 });
	written = write_all(self->dev, self->id, scaled(4000), keep);
	ASSERT_EQ(calls(self->dev, CALLS_GET, self->id), 0);
	ASSERT_EQ(calls(self->dev, CALLS_CLOSE, self->id), 0);
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.produced.records, written);
	for (int i = 0; i < 3; i++) {
		struct seen *s = &readers[i].seen;

		pthread_join(readers[i].thread, NULL);
		ASSERT_STREQ(s->wrong ? : "nothing", "nothing");
		EXPECT_EQ(s->left, 0);
		EXPECT_EQ(s->records + reader_lost(self->dev, readers[i].reader), written);
	}
	info = calls_info(self->dev, self->id);
	EXPECT_TRUE(adds_up(&info));
	if (keep) {
		/* Somebody was fast enough for nothing to be lost, to the last byte. */
		EXPECT_EQ(info.read.records, written);
		EXPECT_EQ(info.unread.records, 0);
		EXPECT_EQ(info.full.records, 0);
	} else {
		EXPECT_LE(info.read.bytes, readers[0].seen.bytes + readers[1].seen.bytes);
	}
	EXPECT_EQ(calls(self->dev, CALLS_PUT, self->id), 0);
}

/* Those who consume get each byte once, all of them together. */
TEST_F(stress, consumers_share)
{
	bool keep = variant->flags & KEEP;
	static struct reader readers[2];
	struct rchan_info info;
	uint64_t bytes = 0;
	long written;

	start(&readers[0], (struct reader){
		.dev = self->dev, .fd = -1, .shares = true,
		.reader = reader_add(self->dev, self->id, RELAY_CPU_ALL, 1) });
	start(&readers[1], (struct reader){ .fd = file_open("s", O_RDONLY), .shares = true });
	written = write_all(self->dev, self->id, scaled(2000), keep);
	ASSERT_EQ(calls(self->dev, CALLS_GET, self->id), 0);
	ASSERT_EQ(calls(self->dev, CALLS_CLOSE, self->id), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(readers[i].thread, NULL);
		EXPECT_EQ(readers[i].seen.wrong, NULL);
		bytes += readers[i].seen.bytes;
	}
	info = calls_info(self->dev, self->id);
	EXPECT_TRUE(adds_up(&info));
	EXPECT_EQ(info.unread.records, 0);
	EXPECT_EQ(info.produced.records, written);
	EXPECT_EQ(info.read.bytes, bytes);
	close(readers[1].fd);
	EXPECT_EQ(calls(self->dev, CALLS_PUT, self->id), 0);
}

static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 20) % below;
}

struct play {
	int observers[2];
	uint64_t read[2];	/* bytes each has read */
	uint64_t said[2];
	int consumer;
	int map;
	bool others;		/* there are other consumers than the observers */
};

/* One call of any kind. */
static void move(int dev, int id, struct play *p, uint64_t *state)
{
	static unsigned char buffer[5 * SUBBUF];
	int who = draw(state, 2), observer = p->observers[who];
	uint64_t n = draw(state, 3) ? draw(state, 300) : draw(state, 3 * SUBBUF);
	long ret;

	switch (draw(state, p->others ? 12 : 7)) {
	case 0:
	case 1:
	case 2:
		pin_to_cpu(p->others ? draw(state, cpus()) : 0);
		calls_write(dev, id, buffer, n % SUBBUF);
		break;
	case 3:
	case 4:
		ret = reader_read(dev, observer, buffer, n, 0);
		p->read[who] += ret > 0 ? ret : 0;
		break;
	case 5:
		consume_bytes(dev, observer, n);
		p->said[who] += n;
		if (p->said[who] > p->read[who])
			p->said[who] = p->read[who];
		break;
	case 6:
		calls(dev, CALLS_FLUSH, id);
		break;
	case 7:
		consume_subbufs(dev, observer, draw(state, 3));
		break;
	case 8:
		reader_read(dev, p->consumer, buffer, n, 0);
		break;
	case 9:
		consume_bytes(dev, p->map, n);
		break;
	case 10:
		consume_subbufs(dev, p->map, draw(state, 3));
		break;
	case 11:
		if (!draw(state, 10))
			calls(dev, CALLS_RESET, id);
		break;
	}
}

TEST_F(stress, any_order_adds_up)
{
	uint64_t state = 0x1234567 + variant->flags;
	uint32_t exact = 0;

	uint32_t cpu = variant->flags & GLOBAL ? RELAY_CPU_NONE : 0;

	/* The first times with observers of one buffer only, until one of them has lost some. */
	for (int game = 0; game < 21; game++) {
		bool others = game == 20;
		int id = calls_open(self->dev, "any", (struct calls_open){
			.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags });
		struct play p = { .others = others };

		ASSERT_GE(id, 0);
		for (int i = 0; i < 2; i++)
			p.observers[i] = reader_add(self->dev, id, others ? RELAY_CPU_ALL : cpu, 0);
		if (others) {
			p.consumer = reader_add(self->dev, id, RELAY_CPU_ALL, 1);
			p.map = map_reader_add(self->dev, id, cpu);
		}
		for (uint32_t i = 0; i < scaled(others ? 4000 : 500); i++) {
			struct rchan_info info;
			uint64_t most;

			move(self->dev, id, &p, &state);
			info = calls_info(self->dev, id);
			ASSERT_TRUE(adds_up(&info));
			if (others)
				continue;
			most = p.said[0] > p.said[1] ? p.said[0] : p.said[1];
			/* What was said is what is consumed, unless one was too slow for all. */
			if (reader_lost(self->dev, p.observers[0]) ||
			    reader_lost(self->dev, p.observers[1]) || info.overwritten.records)
				break;
			ASSERT_EQ(info.read.bytes, most);
			exact++;
		}
		EXPECT_EQ(calls(self->dev, CALLS_CLOSE, id), 0);
		for (int i = 0; i < 2; i++)
			calls(self->dev, CALLS_REMOVE_READER, p.observers[i]);
		if (others) {
			calls(self->dev, CALLS_REMOVE_READER, p.consumer);
			calls(self->dev, CALLS_REMOVE_MAP_READER, p.map);
		}
	}
	EXPECT_GT(exact, 200);
}

TEST_HARNESS_MAIN
