// SPDX-License-Identifier: GPL-2.0
/*
 * Writers in every context of every CPU, nested in one another, against readers of every kind. Each
 * byte is checked, and at the end each count: what was accepted was read or is counted as
 * overwritten, what was refused is counted by cause. Meanwhile buffers may be flushed, reset or
 * resized.
 *
 * TORTURE_MS: how long each case writes at least, 500 if not set, less on slow kernels; longer, if
 * by then some context has not had its turn.
 */

#include "torture_check.h"

#define MAX_READERS	(4 * MAX_CPUS)
#define ALL_CONTEXTS	((1 << TORTURE_CONTEXTS) - 1)

/* What the fixture sets up. */
struct rig {
	int dev, info_fd, n_readers;
	uint32_t flags;
	bool global;
	uint32_t subbuf_size, max_len, contexts;
	unsigned long meddle;	/* TORTURE_FLUSH, _RESET or _RESIZE, time after time; 0: none */
	unsigned int resizes, busy;
	struct reader *readers;
	unsigned char *numbers;	/* bit map: which were read, where readers share */
};

FIXTURE(torture)
{
	struct rig rig;
};

FIXTURE_VARIANT(torture)
{
	uint32_t flags;
	uint64_t subbuf_size;
	uint32_t n_subbufs;
};

FIXTURE_VARIANT_ADD(torture, overwrite_small)
{
	.flags = RELAY_MODE_CONTINUOUS, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, overwrite_large)
{
	.flags = RELAY_MODE_CONTINUOUS, .subbuf_size = 65536, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, no_overwrite_small)
{
	.flags = RELAY_MODE_NO_OVERWRITE, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, no_overwrite_large)
{
	.flags = RELAY_MODE_NO_OVERWRITE, .subbuf_size = 65536, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, global_overwrite_small)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_CONTINUOUS, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, global_overwrite_large)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_CONTINUOUS, .subbuf_size = 65536, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, global_no_overwrite_small)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, global_no_overwrite_large)
{
	.flags = RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE, .subbuf_size = 65536, .n_subbufs = 8,
};

FIXTURE_VARIANT_ADD(torture, locking_overwrite_small)
{
	.flags = RELAY_SCHEME_LOCKING | RELAY_MODE_CONTINUOUS, .subbuf_size = 4096, .n_subbufs = 2,
};

FIXTURE_VARIANT_ADD(torture, locking_global_no_overwrite)
{
	.flags = RELAY_SCHEME_LOCKING | RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE,
	.subbuf_size = 16384, .n_subbufs = 4,
};

static uint32_t torture_ms(void)
{
	const char *ms = getenv("TORTURE_MS");

	return ms ? strtoul(ms, NULL, 10) : scaled(500);
}

FIXTURE_SETUP(torture)
{
	struct torture_open o = {
		.path = (uintptr_t)"torture", .flags = variant->flags,
		.subbuf_size = variant->subbuf_size, .n_subbufs = variant->n_subbufs,
	};
	struct rig *rig = &self->rig;

	if (access("/dev/relayfs_torture", F_OK))
		load_module("relayfs_torture");
	rig->dev = open("/dev/relayfs_torture", O_RDWR | O_CLOEXEC);
	ASSERT_GE(rig->dev, 0);
	ASSERT_EQ(ioctl(rig->dev, TORTURE_OPEN, &o), 0);
	rig->info_fd = file_open("torture.d/info", O_RDONLY);
	ASSERT_GE(rig->info_fd, 0);
	rig->flags = variant->flags;
	rig->subbuf_size = variant->subbuf_size;
	rig->global = variant->flags & RELAY_USAGE_GLOBAL;
	rig->max_len = 1000;
	rig->readers = calloc(MAX_READERS, sizeof(*rig->readers));
}

FIXTURE_TEARDOWN(torture)
{
	close(self->rig.info_fd);
	close(self->rig.dev);
}

/* Readers. */

#define WHOLE		-1	/* instead of a buffer's number */
#define BLOCKING	0
#define POLLING		1
#define OBSERVING	2
#define ALONE		4	/* O_EXCL */

static void add_reader(struct __test_metadata *_metadata, struct rig *rig, int buffer, int how)
{
	struct reader *r = &rig->readers[rig->n_readers++];
	bool shared = rig->numbers;
	char name[64] = "torture";

	if (buffer != WHOLE)
		snprintf(name, sizeof(name), "torture.d/cpu%d", buffer);
	r->fd = file_open(name, O_RDONLY | (how & POLLING ? O_NONBLOCK : 0) |
				(how & ALONE ? O_EXCL : 0));
	ASSERT_GE(r->fd, 0);
	r->buffer = buffer;
	r->polls = how & POLLING;
	r->observes = how & OBSERVING;
	if (r->observes)
		ASSERT_EQ(ioctl(r->fd, RELAY_IOC_OBSERVE), 0);
	r->numbers = rig->numbers;
	r->step = shared ? SHARED_LEN : 1;
	r->read_size = shared ? 4096 : 1 << (6 + rig->n_readers % 3 * 5);
	r->longest = shared ? SHARED_LEN : rig->subbuf_size;
	if (rig->meddle == TORTURE_RESET) {
		/* All there is each time, so that a reset between two reads cuts no record. */
		r->step = 16 << 20;
		r->read_size = r->step;
	}
	r->random = rig->n_readers * 77;
	stream_init(&r->stream, rig->global, r->longest, r->read_size);
	ASSERT_EQ(pthread_create(&r->thread, NULL, read_all, r), 0);
}

/* A reader per buffer. */
static void add_buffer_readers(struct __test_metadata *_metadata, struct rig *rig, int how)
{
	for (int i = 0; i < (rig->global ? 1 : cpus()); i++)
		add_reader(_metadata, rig, i, how);
}

/* Writers. */

static void add(struct torture_sum *to, struct torture_sum from)
{
	to->records += from.records;
	to->bytes += from.bytes;
}

/* What all CPUs did in one context. */
static struct torture_counts sum_context(struct rig *rig, int context)
{
	struct torture_counts sum = {}, c = { .context = context };

	for (c.cpu = 0; c.cpu < (uint32_t)cpus(); c.cpu++) {
		ioctl(rig->dev, TORTURE_COUNTS, &c);
		add(&sum.accepted, c.accepted);
		for (int i = 0; i < TORTURE_ERRORS; i++)
			add(&sum.refused[0], c.refused[i]);
		sum.discarded += c.discarded;
		sum.nested += c.nested;
		sum.deepest = c.deepest > sum.deepest ? c.deepest : sum.deepest;
	}
	return sum;
}

/* Whether each context wrote, and each that may was brought into another's open slot. */
static bool all_had_their_turn(struct rig *rig)
{
	bool all = true;

	for (int context = 0; context < TORTURE_CONTEXTS; context++) {
		struct torture_counts sum = sum_context(rig, context);

		if (rig->contexts & 1 << context)
			all &= sum.accepted.records && sum.nested;
	}
	return all;
}

static void report(struct __test_metadata *_metadata, struct rig *rig)
{
	static const char * const names[] = { "process", "softirq", "ipi", "irq_work", "hrtimer",
					      "nmi" };

	for (int context = 0; context < TORTURE_CONTEXTS; context++) {
		struct torture_counts sum = sum_context(rig, context);

		TH_LOG("%s: %lu accepted, %lu refused, %lu discarded, %lu in open slots, up to %lu",
		       names[context], (unsigned long)sum.accepted.records,
		       (unsigned long)sum.refused[0].records, (unsigned long)sum.discarded,
		       (unsigned long)sum.nested, (unsigned long)sum.deepest);
	}
}

/* Larger and smaller, more and fewer sub-buffers. */
static void resize(struct __test_metadata *_metadata, struct rig *rig)
{
	unsigned int n = rig->resizes + rig->busy;
	struct torture_resize r = { .n_subbufs = 2 << n * 5 % 4, .subbuf_size = rig->subbuf_size };

	r.subbuf_size >>= n * 7 % 3 * 2;
	if (r.subbuf_size < 4096)
		r.subbuf_size = 4096;
	if (ioctl(rig->dev, TORTURE_RESIZE, &r) == 0) {
		rig->resizes++;
		return;
	}
	/* What was written before the last one is not read yet. */
	ASSERT_EQ(errno, EBUSY);
	ASSERT_TRUE(rig->flags & RELAY_MODE_NO_OVERWRITE);
	rig->busy++;
}

static void meddle(struct __test_metadata *_metadata, struct rig *rig)
{
	if (rig->meddle == TORTURE_DISCARD) {
		/* Once, in the middle of it all. */
		if (!rig->resizes++)
			ASSERT_EQ(ioctl(rig->dev, TORTURE_DISCARD), 0);
		rig->meddle = TORTURE_RESIZE;
	} else if (rig->meddle == TORTURE_RESIZE) {
		resize(_metadata, rig);
	} else if (rig->meddle) {
		ASSERT_EQ(ioctl(rig->dev, rig->meddle), 0);
	}
}

static void torture(struct __test_metadata *_metadata, struct rig *rig)
{
	struct torture_start how = {
		.contexts = ALL_CONTEXTS, .min_len = sizeof(struct torture_record),
		.max_len = rig->max_len, .timer_us = 500, .burst = 100, .pause_us = 2000,
		.cpu = -1, .seed = time(NULL),
	};
	double begin;

	if (rig->numbers) {
		how.min_len = SHARED_LEN;
		how.max_len = SHARED_LEN;
	}
	TH_LOG("seed %u", how.seed);
	ASSERT_EQ(ioctl(rig->dev, TORTURE_START, &how), 0);
	rig->contexts = how.contexts;
	/* All of theirs is refused. */
	if ((rig->flags & RELAY_SCHEME_ANY) == RELAY_SCHEME_LOCKING)
		rig->contexts &= ~(1 << TORTURE_NMI);
	begin = seconds();
	/* The limit is for a fault; a machine is not as slow as that. */
	while (seconds() < begin + torture_ms() / 1e3 ||
	       (!all_had_their_turn(rig) && seconds() < begin + 120)) {
		usleep(rig->meddle ? 300 : 20000);
		meddle(_metadata, rig);
	}
	ASSERT_EQ(ioctl(rig->dev, TORTURE_STOP), 0);
	ASSERT_EQ(ioctl(rig->dev, TORTURE_CLOSE), 0);
	for (int i = 0; i < rig->n_readers; i++) {
		struct reader *r = &rig->readers[i];

		pthread_join(r->thread, NULL);
		EXPECT_EQ(ioctl(r->fd, RELAY_IOC_GET_LOST, &r->lost), 0);
		close(r->fd);
		EXPECT_EQ(r->error, 0);
		EXPECT_STREQ(r->stream.fault, "");
	}
}

/* Accounts. */

static struct torture_sum column(const char *text, const char *row, const char *key)
{
	return (struct torture_sum){ row_value(text, row, key, false),
				     row_value(text, row, key, true) };
}

#define EXPECT_SUM(a, b) do { \
		struct torture_sum _a = (a), _b = (b); \
		EXPECT_EQ(_a.records, _b.records); \
		EXPECT_EQ(_a.bytes, _b.bytes); \
	} while (0)

/* Compares the row of one buffer with what its CPUs wrote and what its readers read. */
static void check_row(struct __test_metadata *_metadata, struct rig *rig, const char *text,
		      int buffer)
{
	struct torture_sum accepted = {}, refused[TORTURE_ERRORS] = {}, read = {}, sum;
	uint64_t number_read, tiny = 0, tiny_read = 0;
	char row[16];

	snprintf(row, sizeof(row), "cpu%d", buffer);
	for (int i = 0; i < rig->n_readers; i++) {
		struct seen *seen = &rig->readers[i].stream.seen[buffer];

		if (rig->readers[i].observes)
			continue;
		add(&read, (struct torture_sum){ seen->records, seen->bytes });
		tiny_read += seen->tiny;
	}
	for (int i = 0; i < cpus() * TORTURE_CONTEXTS; i++) {
		struct torture_counts c = { .cpu = i / TORTURE_CONTEXTS,
					    .context = i % TORTURE_CONTEXTS };

		if (!rig->global && c.cpu != (uint32_t)buffer)
			continue;
		ASSERT_EQ(ioctl(rig->dev, TORTURE_COUNTS, &c), 0);
		add(&accepted, c.accepted);
		tiny += c.tiny;
		for (int j = 0; j < TORTURE_ERRORS; j++)
			add(&refused[j], c.refused[j]);
		number_read = 0;
		for (int j = 0; j < rig->n_readers; j++)
			if (!rig->readers[j].observes)
				number_read += rig->readers[j].stream.seen[buffer]
						       .count[c.cpu][c.context];
		EXPECT_LE(number_read, c.accepted.records - c.tiny);
		if (rig->flags & RELAY_MODE_NO_OVERWRITE && rig->meddle != TORTURE_RESET)
			EXPECT_EQ(number_read, c.accepted.records - c.tiny);
	}
	EXPECT_LE(tiny_read, tiny);
	EXPECT_SUM(column(text, row, "produced"), accepted);
	EXPECT_SUM(column(text, row, "read"), read);
	EXPECT_SUM(column(text, row, "unread"), ((struct torture_sum){}));
	add(&read, column(text, row, "overwritten"));
	EXPECT_SUM(read, accepted);
	/* What a reset throws away counts as overwritten. */
	if (!(rig->flags & RELAY_MODE_NO_OVERWRITE))
		EXPECT_SUM(column(text, row, "full"), ((struct torture_sum){}));
	else if (rig->meddle != TORTURE_RESET)
		EXPECT_SUM(column(text, row, "overwritten"), ((struct torture_sum){}));
	EXPECT_SUM(column(text, row, "full"), refused[TORTURE_ENOSPC]);
	EXPECT_SUM(column(text, row, "too_big"), refused[TORTURE_EMSGSIZE]);
	sum = column(text, row, "nested");
	add(&sum, column(text, row, "held"));
	EXPECT_SUM(sum, refused[TORTURE_EBUSY]);
	EXPECT_SUM(column(text, row, "closed"), ((struct torture_sum){}));
	EXPECT_SUM(column(text, row, "nmi"), refused[TORTURE_EAGAIN]);
	EXPECT_SUM(refused[TORTURE_OTHER], ((struct torture_sum){}));
}

/* Each reader's own account: what it read and what it lost is what there was. */
static void check_reader(struct __test_metadata *_metadata, struct rig *rig, const char *text,
			 struct reader *r)
{
	struct torture_sum sum = { r->lost.records, r->lost.bytes };
	char row[16] = "total";

	if (r->buffer != WHOLE)
		snprintf(row, sizeof(row), "cpu%d", r->buffer);
	for (int i = 0; i < (rig->global ? 1 : cpus()); i++) {
		struct seen *seen = &r->stream.seen[i];

		add(&sum, (struct torture_sum){ seen->records, seen->bytes });
	}
	EXPECT_SUM(sum, column(text, row, "produced"));
}

static void check_all(struct __test_metadata *_metadata, struct rig *rig)
{
	static char text[65536];
	ssize_t len = pread(rig->info_fd, text, sizeof(text) - 1, 0);

	ASSERT_GT(len, 0);
	text[len] = 0;
	for (int i = 0; i < (rig->global ? 1 : cpus()); i++)
		check_row(_metadata, rig, text, i);
	for (int i = 0; i < rig->n_readers; i++)
		if (rig->readers[i].observes || !rig->numbers)
			check_reader(_metadata, rig, text, &rig->readers[i]);
}

static void run(struct __test_metadata *_metadata, struct rig *rig)
{
	torture(_metadata, rig);
	check_all(_metadata, rig);
	report(_metadata, rig);
	EXPECT_TRUE(all_had_their_turn(rig));
}

TEST_F_TIMEOUT(torture, a_reader_per_buffer, 300)
{
	add_buffer_readers(_metadata, &self->rig, BLOCKING | ALONE);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, whole_channel, 300)
{
	self->rig.max_len = variant->subbuf_size;
	add_reader(_metadata, &self->rig, WHOLE, POLLING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, shared_position, 300)
{
	size_t size = (size_t)cpus() * TORTURE_CONTEXTS * MAX_NUMBER / 8;

	self->rig.numbers = mmap(NULL, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(self->rig.numbers, MAP_FAILED);
	add_buffer_readers(_metadata, &self->rig, BLOCKING);
	add_buffer_readers(_metadata, &self->rig, POLLING);
	add_reader(_metadata, &self->rig, WHOLE, BLOCKING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, flushes, 300)
{
	self->rig.meddle = TORTURE_FLUSH;
	add_buffer_readers(_metadata, &self->rig, POLLING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, resets, 300)
{
	self->rig.meddle = TORTURE_RESET;
	add_buffer_readers(_metadata, &self->rig, POLLING);
	add_reader(_metadata, &self->rig, WHOLE, OBSERVING | POLLING);
	run(_metadata, &self->rig);
}

TEST_F_TIMEOUT(torture, resizes, 300)
{
	self->rig.meddle = TORTURE_RESIZE;
	add_buffer_readers(_metadata, &self->rig, POLLING);
	add_buffer_readers(_metadata, &self->rig, OBSERVING);
	add_reader(_metadata, &self->rig, WHOLE, OBSERVING | POLLING);
	run(_metadata, &self->rig);
	TH_LOG("%u resizes, %u refused as busy", self->rig.resizes, self->rig.busy);
	EXPECT_GT(self->rig.resizes, 0);
}

TEST_F_TIMEOUT(torture, resizes_and_a_reader_of_all, 300)
{
	self->rig.meddle = TORTURE_RESIZE;
	add_reader(_metadata, &self->rig, WHOLE, BLOCKING);
	run(_metadata, &self->rig);
	EXPECT_GT(self->rig.resizes, 0);
}

TEST_F_TIMEOUT(torture, leaves_memory_of_the_client, 300)
{
	struct torture_open o = {
		.path = (uintptr_t)"torture", .flags = variant->flags, .init_buf = 1,
		.subbuf_size = variant->subbuf_size, .n_subbufs = variant->n_subbufs,
	};

	if (!self->rig.global)
		SKIP(return, "global channels only");
	close(self->rig.info_fd);
	ASSERT_EQ(ioctl(self->rig.dev, TORTURE_CLOSE), 0);
	ASSERT_EQ(ioctl(self->rig.dev, TORTURE_OPEN, &o), 0);
	self->rig.info_fd = file_open("torture.d/info", O_RDONLY);
	ASSERT_GE(self->rig.info_fd, 0);
	self->rig.meddle = TORTURE_DISCARD;
	add_buffer_readers(_metadata, &self->rig, POLLING);
	for (int i = 0; i < 4; i++)
		add_buffer_readers(_metadata, &self->rig, OBSERVING);
	run(_metadata, &self->rig);
	EXPECT_GT(self->rig.resizes, 1);
}

TEST_F_TIMEOUT(torture, observers, 300)
{
	add_buffer_readers(_metadata, &self->rig, BLOCKING);
	add_buffer_readers(_metadata, &self->rig, OBSERVING);
	add_reader(_metadata, &self->rig, WHOLE, OBSERVING | POLLING);
	run(_metadata, &self->rig);
}

TEST_HARNESS_MAIN
