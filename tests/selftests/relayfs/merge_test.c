// SPDX-License-Identifier: GPL-2.0
/* The whole-channel file: in which order it gives what CPUs write at the same time. */

#include <sys/resource.h>
#include <sys/uio.h>

#include "mergetest.h"

#define N		8

static const char channel[] = "merge";

FIXTURE(merge)
{
	int dev;
	int id;
	int fd;
};

FIXTURE_VARIANT(merge)
{
	uint32_t flags;
};

#define RAW	RELAY_FORMAT_RAW
#define RECORDS	RELAY_FORMAT_RECORDS
#define KEEP	RELAY_MODE_NO_OVERWRITE
#define LAP	RELAY_MODE_CONTINUOUS

FIXTURE_VARIANT_ADD(merge, raw_mono_keep) { RAW | RELAY_TIMESTAMP_MONO | KEEP };
FIXTURE_VARIANT_ADD(merge, raw_mono_lap) { RAW | RELAY_TIMESTAMP_MONO | LAP };
FIXTURE_VARIANT_ADD(merge, raw_tsc_keep) { RAW | RELAY_TIMESTAMP_TSC | KEEP };
FIXTURE_VARIANT_ADD(merge, raw_tsc_lap) { RAW | RELAY_TIMESTAMP_TSC | LAP };
FIXTURE_VARIANT_ADD(merge, records_mono_keep) { RECORDS | RELAY_TIMESTAMP_MONO | KEEP };
FIXTURE_VARIANT_ADD(merge, records_mono_lap) { RECORDS | RELAY_TIMESTAMP_MONO | LAP };
FIXTURE_VARIANT_ADD(merge, records_tsc_keep) { RECORDS | RELAY_TIMESTAMP_TSC | KEEP };
FIXTURE_VARIANT_ADD(merge, records_tsc_lap) { RECORDS | RELAY_TIMESTAMP_TSC | LAP };

FIXTURE_SETUP(merge)
{
	self->dev = calls_device();
	ASSERT_GE(self->dev, 0);
	if (lacks_clock(variant->flags))
		SKIP(return, "the kernel does not know how fast the counter runs");
	self->id = calls_open(self->dev, channel, (struct calls_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags });
	ASSERT_GE(self->id, 0);
	self->fd = file_open(channel, O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(merge)
{
	close(self->fd);
	close(self->dev);
}

#define is_records()	(variant->flags & RECORDS)

TEST_F(merge, events_of_all_cpus_are_in_their_order)
{
	struct judge j = {};
	int n = cpus();

	/* Nothing ends a sub-buffer here: between the records of each lie those of the others. */
	stream_len = 0;
	for (int i = 0; i < 12; i++) {
		ASSERT_EQ(0, pin_to_cpu((i * 3 + 1) % n));
		next_moment();
		ASSERT_EQ(64, mark_write(self->dev, self->id, 0, i, 64));
		/* Runs have the order of their beginnings only. */
		if (!is_records())
			ASSERT_EQ(true, drain(self->fd, 0));
	}
	ASSERT_EQ(true, drain(self->fd, 0));
	EXPECT_EQ(NULL, judge_all(&j, stream, stream_len, is_records())) {
		TH_LOG("%s", j.wrong);
	}
	EXPECT_EQ(12, j.count);
	EXPECT_EQ(0, attribute(channel, "late"));
}

TEST_F(merge, idle_cpus_hold_nothing_up)
{
	int n = cpus();

	/* All have a sub-buffer, and nothing to say after that but one. */
	stream_len = 0;
	for (int cpu = 0; cpu < n; cpu++) {
		ASSERT_EQ(0, pin_to_cpu(cpu));
		ASSERT_EQ(64, mark_write(self->dev, self->id, cpu % THREADS, cpu, 64));
	}
	ASSERT_EQ(true, drain(self->fd, 0));
	for (int i = 0; i < 20; i++) {
		struct pollfd p = { .fd = self->fd, .events = POLLIN };
		struct judge j = {};

		ASSERT_EQ(0, poll(&p, 1, 0));
		ASSERT_EQ(64, mark_write(self->dev, self->id, 0, 1000 + i, 64));
		ASSERT_EQ(1, poll(&p, 1, 0));
		stream_len = 0;
		ASSERT_EQ(true, drain(self->fd, 0));
		j.packets = is_records() ? ((struct relayfs_packet *)stream)->packet_seq_num : 0;
		ASSERT_EQ(NULL, judge_all(&j, stream, stream_len, is_records()));
		ASSERT_EQ(1, j.count);
	}
	EXPECT_EQ(0, attribute(channel, "late"));
}

static bool write_on_all(int dev, int id, uint32_t count)
{
	for (int cpu = 0; cpu < cpus() && cpu < THREADS; cpu++) {
		if (pin_to_cpu(cpu))
			return false;
		for (uint32_t i = 0; i < count; i++)
			mark_write(dev, id, cpu, i, 64);
	}
	return true;
}

/* What was gone before is missing before the first packet; what is lost later, between two. */
TEST_F(merge, who_comes_late_has_lost_nothing_in_the_stream)
{
	const struct relayfs_packet *first = (const void *)stream;
	int64_t gone, refused;
	struct judge j = {};

	if (!is_records())
		SKIP(return, "its stream does not tell of losses");
	stream_len = 0;
	ASSERT_TRUE(write_on_all(self->dev, self->id, 1500));
	gone = info(channel, "total", "overwritten", false);
	refused = info(channel, "total", "full", false);
	ASSERT_GT(gone + refused, 0);
	ASSERT_TRUE(drain(self->fd, 0));
	EXPECT_EQ(first->events_discarded, gone);
	ASSERT_EQ(NULL, judge_all(&j, stream, stream_len, true));
	EXPECT_EQ(j.discarded, gone + refused);
	stream_len = 0;
	memset(j.seen, 0, sizeof(j.seen));
	ASSERT_TRUE(write_on_all(self->dev, self->id, 1500));
	ASSERT_TRUE(drain(self->fd, 0));
	ASSERT_EQ(NULL, judge_all(&j, stream, stream_len, true));
	gone = info(channel, "total", "overwritten", false);
	refused = info(channel, "total", "full", false);
	EXPECT_EQ(j.discarded, gone + refused);
}

/* Whatever is accepted is given away once, in order, whole; what is missing is counted. */
static void check_storm(struct __test_metadata *_metadata, bool records, struct judge *j,
			uint64_t written, bool ordered)
{
	uint64_t late = attribute(channel, "late");
	uint64_t lost = info(channel, "total", "overwritten", false);

	EXPECT_EQ(NULL, judge_all(j, stream, stream_len, records)) {
		TH_LOG("%s after %llu records", j->wrong, (unsigned long long)j->count);
	}
	EXPECT_EQ(written, j->count + lost);
	EXPECT_EQ(0, info(channel, "total", "unread", false));
	TH_LOG("%llu records, %llu lost, %llu late, %llu swapped", (unsigned long long)j->count,
	       (unsigned long long)lost, (unsigned long long)late,
	       (unsigned long long)j->swapped);
	/* One late run or event may be behind many. */
	if (ordered && !late)
		EXPECT_EQ(0, j->swapped);
	if (ordered)
		EXPECT_LE(late, j->count / 10);
}

TEST_F(merge, a_storm_on_all_cpus_is_put_in_order)
{
	struct reader r = { .fd = self->fd };
	struct judge j = { .done = done };
	struct writer w[THREADS];
	int n;

	ASSERT_EQ(true, reader_begin(&r));
	/* Of bytes: each record is a sub-buffer, and so a run. */
	n = storm_begin(w, self->dev, self->id, scaled(400), is_records() ? 0 : SUBBUF, NULL);
	ASSERT_LT(0, n);
	check_storm(_metadata, is_records(), &j,
		    ({ uint64_t written = storm_end(w, n);
		       ASSERT_EQ(true, reader_end(&r)); written; }), true);
}

TEST_F(merge, short_records_never_mix_whatever_the_reads)
{
	struct reader r = { .fd = self->fd, .size = is_records() ? 0 : 37 };
	struct judge j = {};
	struct writer w[THREADS];
	int n;

	ASSERT_EQ(true, reader_begin(&r));
	n = storm_begin(w, self->dev, self->id, scaled(400), 0, NULL);
	ASSERT_LT(0, n);
	check_storm(_metadata, is_records(), &j,
		    ({ uint64_t written = storm_end(w, n);
		       ASSERT_EQ(true, reader_end(&r)); written; }), false);
}

TEST_F(merge, observers_get_the_same_in_the_same_order)
{
	int observer = observer_open(channel, O_RDONLY | O_NONBLOCK);
	static unsigned char other[1 << 20];
	struct judge j = {};
	struct writer w[THREADS];
	size_t len = 0;
	uint64_t written;
	ssize_t got;
	int n;

	ASSERT_GE(observer, 0);
	n = storm_begin(w, self->dev, self->id, 40, 0, NULL);
	ASSERT_LT(0, n);
	written = storm_end(w, n);
	while ((got = read(observer, other + len, 1000)) > 0)
		len += got;
	stream_len = 0;
	ASSERT_EQ(true, drain(self->fd, 1000));
	ASSERT_EQ(len, stream_len);
	ASSERT_EQ(0, memcmp(stream, other, len));
	EXPECT_EQ(NULL, judge_all(&j, stream, len, is_records()));
	EXPECT_EQ(written, j.count);
	close(observer);
}

TEST_F(merge, a_cpu_that_never_stops_starves_nobody)
{
	bool end = false;
	struct writer w = { .dev = self->dev, .id = self->id, .cpu = 0, .number = 7, .end = &end };
	int n = cpus();

	if (n < 2)
		SKIP(return, "one CPU");
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, write_marks, &w));
	ASSERT_EQ(0, pin_to_cpu(1));
	for (int i = 0; i < 5; i++) {
		struct judge j = {};
		size_t kept = 0;
		int reads = 0;

		ASSERT_EQ(64, mark_write(self->dev, self->id, 1, i, 64));
		/* However much the other writes: in as many reads as its buffer has of it now. */
		while (j.seen[1] != (uint64_t)i + 1) {
			ssize_t got = read(self->fd, stream + kept, SUBBUF);

			if (got < 0 && errno == EAGAIN)
				continue;
			ASSERT_LT(0, got);
			if (is_records())
				j.packets = ((struct relayfs_packet *)stream)->packet_seq_num;
			/* Reads may cut a record of bytes, also ours, which alone matters. */
			if (!is_records()) {
				got += kept;
				for (ssize_t at = 0; at + 64 <= got; at++) {
					struct mark m;

					memcpy(&m, stream + at, sizeof(m));
					if (m.magic == MAGIC && m.writer == 1)
						j.seen[1] = m.number + 1;
				}
				kept = got < 64 ? got : 63;
				memmove(stream, stream + got - kept, kept);
			} else {
				ASSERT_EQ(NULL, judge_all(&j, stream, got, true));
			}
			ASSERT_LT(++reads, 2000);
		}
	}
	__atomic_store_n(&end, true, __ATOMIC_RELAXED);
	pthread_join(w.thread, NULL);
}

TEST_F(merge, an_unfinished_record_comes_first_if_it_is_finished_soon)
{
	int first = 0;

	if (cpus() < 2)
		SKIP(return, "one CPU");
	ASSERT_EQ(0, pin_to_cpu(0));
	for (int i = 0; i < 10; i++) {
		struct holder h = { .dev = self->dev, .id = self->id, .us = 1000, .number = i };
		struct mark m;

		hold_begin(&h);
		ASSERT_EQ(64, mark_write(self->dev, self->id, 0, i, 64));
		hold_set(2);
		ASSERT_LT(0, read_soon(self->fd));
		memcpy(&m, stream + (is_records() ? PACKET + EVENT : 0), sizeof(m));
		first += m.writer == 1;
		pthread_join(h.thread, NULL);
		stream_len = 0;
		ASSERT_EQ(true, drain(self->fd, 0));
		/* So that the next begin runs of their own. */
		ASSERT_EQ(0, calls(self->dev, CALLS_FLUSH, self->id));
		ASSERT_EQ(true, drain(self->fd, 0));
	}
	TH_LOG("%d of 10", first);
	/* All, but for guests whose CPUs do not always run. */
	EXPECT_LE(3, first);
}

TEST_F(merge, an_unfinished_record_does_not_hold_others_up_for_ever)
{
	struct holder h = { .dev = self->dev, .id = self->id };
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	struct judge j = {};
	uint64_t time;

	if (cpus() < 2)
		SKIP(return, "one CPU");
	ASSERT_EQ(0, pin_to_cpu(0));
	hold_begin(&h);
	next_moment();
	ASSERT_EQ(64, mark_write(self->dev, self->id, 0, 0, 64));
	ASSERT_EQ(1, poll(&p, 1, 0));
	stream_len = read_soon(self->fd);
	EXPECT_EQ(NULL, judge_all(&j, stream, stream_len, is_records()));
	EXPECT_EQ(1, j.count);
	time = j.time;
	EXPECT_EQ(0, attribute(channel, "late"));
	hold_set(2);
	pthread_join(h.thread, NULL);
	stream_len = 0;
	ASSERT_EQ(true, drain(self->fd, 0));
	EXPECT_EQ(NULL, judge_all(&j, stream, stream_len, is_records()));
	EXPECT_EQ(2, j.count);
	/* It is late, counted, and does not turn back the time. */
	EXPECT_EQ(time, j.time);
	EXPECT_EQ(1, attribute(channel, "late"));
}

static long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

TEST_F(merge, who_must_not_wait_does_not_sleep_for_an_unfinished_record)
{
	struct holder h = { .dev = self->dev, .id = self->id };
	struct iovec v = { stream, SUBBUF };
	long before;
	ssize_t n;

	if (cpus() < 2)
		SKIP(return, "one CPU");
	ASSERT_EQ(0, pin_to_cpu(0));
	hold_begin(&h);
	next_moment();
	ASSERT_EQ(64, mark_write(self->dev, self->id, 0, 0, 64));
	before = sleeps();
	/* Until it gets what the other CPU has. */
	ASSERT_LT(0, read_soon(self->fd));
	ASSERT_EQ(64, mark_write(self->dev, self->id, 0, 1, 64));
	fcntl(self->fd, F_SETFL, 0);
	do {
		n = preadv2(self->fd, &v, 1, -1, RWF_NOWAIT);
	} while (n < 0 && errno == EAGAIN);
	ASSERT_LT(0, n);
	EXPECT_EQ(before, sleeps());
	/* Who may sleep gets it at once. */
	ASSERT_EQ(64, mark_write(self->dev, self->id, 0, 2, 64));
	EXPECT_LT(0, read(self->fd, stream, SUBBUF));
	hold_set(2);
	pthread_join(h.thread, NULL);
}

TEST_HARNESS_MAIN
