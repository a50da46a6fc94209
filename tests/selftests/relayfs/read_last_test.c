// SPDX-License-Identifier: GPL-2.0
/* relay_read_last(): the newest bytes, whoever has read what. */

#include <pthread.h>

#include "readers.h"

#define LEN	64

FIXTURE(last)
{
	int dev;
	int id;
	uint32_t cpu;
};

FIXTURE_VARIANT(last)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(last, smp) { .flags = RELAY_USAGE_SMP };
FIXTURE_VARIANT_ADD(last, global) { .flags = RELAY_USAGE_GLOBAL };
FIXTURE_VARIANT_ADD(last, smp_locking) { .flags = RELAY_USAGE_SMP | RELAY_SCHEME_LOCKING };
FIXTURE_VARIANT_ADD(last, global_locking)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
};

static unsigned char out[64 * SUBBUF], in[64 * SUBBUF];

FIXTURE_SETUP(last)
{
	self->dev = calls_device();
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(pin_to_cpu(0), 0);
	self->cpu = variant->flags & RELAY_USAGE_GLOBAL ? RELAY_CPU_NONE : 0;
	self->id = calls_open(self->dev, "l", (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags });
	ASSERT_GE(self->id, 0);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + i / 251;
}

FIXTURE_TEARDOWN(last)
{
	close(self->dev);
}

static long last(int dev, int id, uint32_t cpu, uint64_t len)
{
	memset(in, 0xee, sizeof(in));
	return calls(dev, CALLS_READ_LAST, id, .cpu = cpu, .data = (uintptr_t)in, .len = len);
}

#define last_(len)	last(self->dev, self->id, self->cpu, len)

/* The last len of written bytes; whatever is asked for, no byte more. */
#define expect_(written, n) \
	({ size_t len = (n); \
	   EXPECT_EQ(last_(len), len); \
	   EXPECT_EQ(memcmp(in, out + (written) - len, len), 0); \
	   EXPECT_EQ(in[len], 0xee); })

TEST_F(last, whatever_was_read)
{
	size_t written = 0;
	struct rchan_info info;
	int fd = file_open("l.d/cpu0", O_RDONLY | O_NONBLOCK);

	EXPECT_EQ(last_(100), 0);
	for (int i = 0; i < 9; i++) {
		/* Padding between them. */
		ASSERT_EQ(calls_write(self->dev, self->id, out + written, 1500), 1500);
		written += 1500;
		for (size_t n = 1; n <= written && n <= 4500; n += 499)
			expect_(written, n);
	}
	info = calls_info(self->dev, self->id);
	EXPECT_EQ(info.read.records, 0);
	/* The five sub-buffers that were begun hold two records each, and one was overwritten. */
	EXPECT_EQ(last_(100000), written - 3000);
	EXPECT_EQ(memcmp(in, out + 3000, written - 3000), 0);
	EXPECT_EQ(read(fd, in, sizeof(in)), written - 3000);
	expect_(written, 1000);
	expect_(written, 7000);
	EXPECT_EQ(last_(0), 0);
	close(fd);
}

TEST_F(last, what_was_thrown_away_is_no_more)
{
	ASSERT_EQ(calls_write(self->dev, self->id, out, 3000), 3000);
	ASSERT_EQ(calls(self->dev, CALLS_RESET, self->id), 0);
	EXPECT_EQ(last_(100), 0);
	ASSERT_EQ(calls_write(self->dev, self->id, out + 3000, 50), 50);
	EXPECT_EQ(last_(100), 50);
	EXPECT_EQ(memcmp(in, out + 3000, 50), 0);
}

TEST_F(last, of_which_buffer)
{
	bool global = variant->flags & RELAY_USAGE_GLOBAL;

	ASSERT_EQ(calls_write(self->dev, self->id, out, 100), 100);
	EXPECT_EQ(last(self->dev, self->id, global ? 0 : RELAY_CPU_NONE, 10), -ENXIO);
	EXPECT_EQ(last(self->dev, self->id, RELAY_CPU_ALL, 10), -ENXIO);
	EXPECT_EQ(last(self->dev, self->id, 100000, 10), -ENXIO);
	ASSERT_EQ(calls(self->dev, CALLS_GET, self->id), 0);
	ASSERT_EQ(calls(self->dev, CALLS_CLOSE, self->id), 0);
	EXPECT_EQ(last_(10), 10);
	EXPECT_EQ(memcmp(in, out + 90, 10), 0);
	EXPECT_EQ(calls(self->dev, CALLS_PUT, self->id), 0);
}

struct writer {
	pthread_t thread;
	int dev;
	int id;
	int cpu;
	bool stop;
	uint32_t written;
};

static void *write_without_end(void *arg)
{
	struct writer *w = arg;

	pin_to_cpu(w->cpu);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		pattern_write(w->dev, w->id, 3, w->written, 500, LEN, false);
		__atomic_store_n(&w->written, w->written + 500, __ATOMIC_RELAXED);
	}
	return NULL;
}

/*
 * The number of records that were read, from the first that is whole on: all are whole but for a
 * first part, and follow one on the other. 0: something is wrong.
 */
static long whole_records(size_t len, uint32_t *newest)
{
	struct relaytest_record r;
	size_t at = 0;
	long n = 0;

	while (at < LEN && at + LEN <= len && !record_check(in + at, len - at))
		at++;
	for (; at + LEN <= len; at += LEN, n++) {
		if (record_check(in + at, len - at) != LEN)
			return 0;
		memcpy(&r, in + at, sizeof(r));
		if (n && r.number != *newest + 1)
			return 0;
		*newest = r.number;
	}
	/* Runs end with a record. */
	return at == len ? n : 0;
}

TEST_F(last, beside_a_writer_that_laps)
{
	static const uint32_t sizes[] = { 64, 100, 1000, SUBBUF, 3 * SUBBUF, 64 * SUBBUF };
	uint32_t rounds = scaled(3000), with_data = 0, newest = 0;
	struct writer w = { .dev = self->dev, .id = self->id };

	w.cpu = variant->flags & RELAY_USAGE_GLOBAL ? cpus() - 1 : 0;
	ASSERT_EQ(pthread_create(&w.thread, NULL, write_without_end, &w), 0);
	pin_to_cpu(cpus() - 1);
	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t size = sizes[i % 6], before = newest;
		long n = last_(size);

		ASSERT_GE(n, 0);
		ASSERT_LE(n, size);
		if (!n)
			continue;
		ASSERT_GE(whole_records(n, &newest), 1);
		/* But for what is in the sub-buffer that is written, it does not become older. */
		ASSERT_GE(newest + SUBBUF / LEN, before);
		with_data++;
	}
	w.stop = true;
	pthread_join(w.thread, NULL);
	/* It is never empty once something was written. */
	EXPECT_GT(with_data, rounds / 2);
	EXPECT_GT(w.written, 2 * N * SUBBUF / LEN);
	EXPECT_GE(last_(LEN), LEN);
	EXPECT_EQ(whole_records(LEN, &newest), 1);
	EXPECT_EQ(newest, w.written - 1);
}

TEST_HARNESS_MAIN
