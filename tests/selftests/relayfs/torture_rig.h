/* SPDX-License-Identifier: GPL-2.0 */
/* A channel that is written in every context of every CPU, its readers, and the accounts of all. */
#ifndef TORTURE_RIG_H
#define TORTURE_RIG_H

#include "torture_readers.h"

#define MAX_READERS	(6 * MAX_CPUS)
#define ALL_CONTEXTS	((1 << TORTURE_CONTEXTS) - 1)

/* What the fixture sets up. */
struct rig {
	int dev, info_fd, n_readers;
	uint32_t flags;
	bool global, records, closed;
	uint32_t subbuf_size, max_len, contexts;
	unsigned long meddle;	/* TORTURE_FLUSH, _RESET or _RESIZE, time after time; 0: none */
	unsigned int resizes, busy;
	unsigned int least;		/* resizes there must be */
	struct reader *readers;
	unsigned char *numbers;	/* bit map: which were read, where readers share */
};

static inline uint32_t torture_ms(void)
{
	const char *ms = getenv("TORTURE_MS");

	return ms ? strtoul(ms, NULL, 10) : scaled(500);
}

static inline void rig_open(struct __test_metadata *_metadata, struct rig *rig, uint32_t flags,
			    uint64_t subbuf_size, uint32_t n_subbufs)
{
	struct torture_open o = {
		.path = (uintptr_t)"torture", .flags = flags,
		.subbuf_size = subbuf_size, .n_subbufs = n_subbufs,
	};

	if (access("/dev/relayfs_torture", F_OK))
		load_module("relayfs_torture");
	rig->dev = open("/dev/relayfs_torture", O_RDWR | O_CLOEXEC);
	ASSERT_GE(rig->dev, 0);
	ASSERT_EQ(ioctl(rig->dev, TORTURE_OPEN, &o), 0);
	rig->info_fd = file_open("torture.d/info", O_RDONLY);
	ASSERT_GE(rig->info_fd, 0);
	rig->flags = flags;
	rig->subbuf_size = subbuf_size;
	rig->global = flags & RELAY_USAGE_GLOBAL;
	rig->records = flags & RELAY_FORMAT_RECORDS;
	rig->max_len = 1000;
	rig->readers = calloc(MAX_READERS, sizeof(*rig->readers));
}

static inline void rig_close(struct rig *rig)
{
	close(rig->info_fd);
	close(rig->dev);
}

/* Readers. */

#define WHOLE		-1	/* instead of a buffer's number */
#define BLOCKING	0
#define POLLING		1
#define OBSERVING	2
#define ALONE		4	/* O_EXCL */
#define SPLICING	8
#define MAPPING		16	/* with the consumer page, unless it observes */
#define IN_KERNEL	32
#define SAYING		64	/* what was consumed; IN_KERNEL */

static inline void open_file(struct __test_metadata *_metadata, struct reader *r, int how)
{
	bool page = how & MAPPING && !(how & OBSERVING);
	char name[64] = "torture";

	if (r->buffer != WHOLE)
		snprintf(name, sizeof(name), "torture.d/cpu%d", r->buffer);
	r->fd = file_open(name, (page ? O_RDWR | O_EXCL : O_RDONLY) |
				(how & POLLING ? O_NONBLOCK : 0) | (how & ALONE ? O_EXCL : 0));
	ASSERT_GE(r->fd, 0);
	r->some = read_some;
	if (how & OBSERVING)
		ASSERT_EQ(ioctl(r->fd, RELAY_IOC_OBSERVE), 0);
	if (how & SPLICING) {
		r->some = splice_some;
		ASSERT_EQ(pipe2(r->pipe, O_CLOEXEC), 0);
	}
	if (how & MAPPING) {
		r->some = mapped_some;
		r->mapping = calloc(1, sizeof(*r->mapping));
		r->mapping->m.fd = r->fd;
		if (page)
			r->mapping->m.page = map_consumer(r->fd, PROT_READ | PROT_WRITE,
							  MAP_SHARED);
		ASSERT_NE(r->mapping->m.page, MAP_FAILED);
		ASSERT_TRUE(mapped_map(&r->mapping->m));
		r->mapping->gone = malloc(r->mapping->m.meta->subbuf_size);
	}
}

static inline void open_in_kernel(struct __test_metadata *_metadata, struct rig *rig,
				  struct reader *r, int how)
{
	struct torture_reader k = {
		.cpu = r->buffer,
		.how = how & SAYING ? TORTURE_SAYS :
		       how & OBSERVING ? TORTURE_OBSERVES : TORTURE_CONSUMES,
	};

	ASSERT_EQ(ioctl(rig->dev, TORTURE_READER, &k), 0);
	r->fd = fcntl(rig->dev, F_DUPFD_CLOEXEC, 0);
	r->id = k.id;
	r->some = kernel_some;
}

/* How much it reads at once. */
static inline void set_sizes(struct rig *rig, struct reader *r)
{
	bool shared = rig->numbers;

	r->longest = shared ? SHARED_LEN : rig->subbuf_size;
	r->step = shared ? SHARED_LEN : 1;
	r->read_size = shared ? 4096 : 1 << (6 + rig->n_readers % 3 * 5);
	if (rig->meddle == TORTURE_RESET) {
		/* All there is each time, so that a reset between two reads cuts no record. */
		r->step = 16 << 20;
		r->read_size = r->step;
	} else if (r->mapping) {
		r->read_size = rig->subbuf_size;
	} else if (rig->records && r->some != splice_some) {
		/* Of packets only whole ones. */
		r->step = rig->subbuf_size;
		r->read_size = r->step << rig->n_readers % 3;
	}
	/* Packets that are made for it are as long as there is room for. */
	stream_init(&r->stream, rig->global, r->longest + r->read_size, r->read_size);
	r->stream.packets = rig->records;
	r->stream.merged = r->buffer == WHOLE && !rig->global && r->some != kernel_some;
	r->stream.laps = !(rig->flags & RELAY_MODE_NO_OVERWRITE) || r->observes;
}

static inline void add_reader(struct __test_metadata *_metadata, struct rig *rig, int buffer,
			      int how)
{
	struct reader *r = &rig->readers[rig->n_readers++];

	r->buffer = buffer;
	r->polls = how & (POLLING | MAPPING);
	r->observes = how & OBSERVING;
	r->numbers = rig->numbers;
	r->closed = &rig->closed;
	r->random = rig->n_readers * 77;
	if (how & IN_KERNEL)
		open_in_kernel(_metadata, rig, r, how);
	else
		open_file(_metadata, r, how);
	set_sizes(rig, r);
	ASSERT_EQ(pthread_create(&r->thread, NULL, read_all, r), 0);
}

/* A reader per buffer. */
static inline void add_buffer_readers(struct __test_metadata *_metadata, struct rig *rig, int how)
{
	for (int i = 0; i < (rig->global ? 1 : cpus()); i++)
		add_reader(_metadata, rig, i, how);
}

/* Writers. */

static inline void add(struct torture_sum *to, struct torture_sum from)
{
	to->records += from.records;
	to->bytes += from.bytes;
}

/* What all CPUs did in one context. */
static inline struct torture_counts sum_context(struct rig *rig, int context)
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
static inline bool all_had_their_turn(struct rig *rig)
{
	bool all = true;

	for (int context = 0; context < TORTURE_CONTEXTS; context++) {
		struct torture_counts sum = sum_context(rig, context);

		if (rig->contexts & 1 << context)
			all &= sum.accepted.records && sum.nested;
	}
	return all;
}

static inline void report(struct __test_metadata *_metadata, struct rig *rig)
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
static inline void resize(struct __test_metadata *_metadata, struct rig *rig)
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

static inline void meddle(struct __test_metadata *_metadata, struct rig *rig)
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

/* Its own count of what it has missed is there from now on. */
static inline void end_reader(struct __test_metadata *_metadata, struct reader *r)
{
	if (r->mapping) {
		struct mapped *m = &r->mapping->m;

		mapped_unmap(m);
		if (m->page)
			munmap(m->page, PAGE);
	} else if (r->some != kernel_some) {
		EXPECT_EQ(ioctl(r->fd, RELAY_IOC_GET_LOST, &r->lost), 0);
	}
	close(r->fd);
}

static inline void torture(struct __test_metadata *_metadata, struct rig *rig)
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
	       ((!all_had_their_turn(rig) || rig->resizes < rig->least) &&
		seconds() < begin + 120)) {
		usleep(rig->meddle ? 300 : 20000);
		meddle(_metadata, rig);
	}
	ASSERT_EQ(ioctl(rig->dev, TORTURE_STOP), 0);
	ASSERT_EQ(ioctl(rig->dev, TORTURE_CLOSE), 0);
	STORE(rig->closed, true);
	for (int i = 0; i < rig->n_readers; i++) {
		struct reader *r = &rig->readers[i];

		pthread_join(r->thread, NULL);
		end_reader(_metadata, r);
		EXPECT_EQ(r->error, 0);
		EXPECT_STREQ(r->stream.fault, "");
	}
}

#endif
