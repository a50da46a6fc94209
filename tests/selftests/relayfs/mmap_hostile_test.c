// SPDX-License-Identifier: GPL-2.0
/*
 * A consumer page in which threads store anything, while all CPUs write: only the buffer of who
 * does it loses data, and every record is accounted for.
 */

#include <pthread.h>
#include "mapped.h"

#define SUBBUF	4096
#define N	4
#define MAX	64

FIXTURE(hostile)
{
	struct mapped m;
	int dev, id;
};

FIXTURE_VARIANT(hostile)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(hostile, no_overwrite)
{
	.flags = RELAY_MODE_NO_OVERWRITE,
};

FIXTURE_VARIANT_ADD(hostile, no_overwrite_locking)
{
	.flags = RELAY_MODE_NO_OVERWRITE | RELAY_SCHEME_LOCKING,
};

FIXTURE_VARIANT_ADD(hostile, no_overwrite_global)
{
	.flags = RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL,
};

FIXTURE_VARIANT_ADD(hostile, overwrite)
{
	.flags = RELAY_MODE_CONTINUOUS,
};

FIXTURE_SETUP(hostile)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->id = chan_open_attr(self->dev, "h", (struct relaytest_open){
		.subbuf_size = SUBBUF, .n_subbufs = N, .flags = variant->flags,
		.flush_interval_ms = 10 });
	ASSERT_GE(self->id, 0);
	ASSERT_TRUE(mapped_open(&self->m, "h.d/cpu0"));
}

FIXTURE_TEARDOWN(hostile)
{
	mapped_close(&self->m);
	close(self->dev);
}

/* What is shared by the threads of a test. */
struct hostile {
	const struct mapped *m;
	int dev, id;
	bool done;
	uint64_t said;
};

static uint64_t next(uint64_t *x)
{
	*x = *x * 6364136223846793005ull + 1442695040888963407ull;
	return *x >> 16;
}

/* Near the truth, on the edges, and far from it. */
static uint64_t any_position(const struct relayfs_meta *m, uint64_t *x)
{
	uint64_t r = next(x), near = LOAD(m->write_pos) + r % (4 * SUBBUF) - 2 * SUBBUF;

	switch (r >> 32 & 7) {
	case 0: return near;
	case 1: return near & ~(SUBBUF - 1ull);
	case 2: return LOAD(m->delivered) * SUBBUF;
	case 3: return LOAD(m->write_pos);
	case 4: return next(x) << 17 ^ next(x);
	case 5: return ~0ull - r % 3;
	case 6: return 1ull << (r & 63);
	default: return 0;
	}
}

static void *say_anything(void *arg)
{
	struct hostile *h = arg;
	uint64_t x = (uintptr_t)&x;

	while (!LOAD(h->done)) {
		STORE(h->m->page->lost_records, next(&x) << (x & 31));
		STORE(h->m->page->lost_bytes, next(&x) << (x & 31));
		STORE(h->m->page->position, any_position(h->m->meta, &x));
		__atomic_fetch_add(&h->said, 1, __ATOMIC_RELAXED);
		if (!(x & 0xff00))
			sched_yield();
	}
	return NULL;
}

/* Asks all that looks at the page; bytes it is given are whole records or parts of such. */
static void *ask(void *arg)
{
	struct hostile *h = arg;
	struct pollfd p = { .fd = h->m->fd, .events = POLLIN | POLLPRI };
	struct relayfs_lost lost;
	uint64_t x = 1, pos;
	char b[2000];

	while (!LOAD(h->done)) {
		struct relayfs_info i;

		switch (next(&x) % 6) {
		case 0:
			poll(&p, 1, 1);
			break;
		case 1:
			read(h->m->fd, b, next(&x) % sizeof(b));
			break;
		case 2:
			i = info_of(h->m->fd);
			if (!i.size)
				return "no info";
			break;
		case 3:
			if (ioctl(h->m->fd, RELAY_IOC_GET_LOST, &lost))
				return "no count of what is lost";
			break;
		case 4:
			pos = any_position(h->m->meta, &x);
			if (ioctl(h->m->fd, RELAY_IOC_CONSUME, &pos))
				return "not consumed";
			break;
		default:
			/* Not too often: it ends sub-buffers. */
			if (!(next(&x) % 8) && ioctl(h->m->fd, RELAY_IOC_FLUSH, &pos))
				return "not flushed";
		}
	}
	return NULL;
}

struct writer {
	pthread_t thread;
	struct hostile *h;
	int cpu;
	uint64_t written, failed;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;

	for (unsigned int i = 0; i < scaled(40); i++) {
		struct relaytest_pattern p = {
			.id = w->h->id, .cpu = w->cpu, .len = 20 + i % 200, .count = 500,
			.context = i & 1 ? RELAYTEST_HARDIRQ : RELAYTEST_PROCESS,
			.nested_len = i % 5 ? 0 : 48,
		};

		if (chan_pattern(w->h->dev, &p))
			return "no pattern";
		w->written += p.written;
		w->failed += p.failed;
	}
	return NULL;
}

/* Reads all there is; how many records, every byte of which is right. */
static uint64_t read_and_check(int fd)
{
	static unsigned char b[SUBBUF * N];
	size_t at = 0, len = 0, n;
	uint64_t records = 0;
	ssize_t got;

	while ((got = read(fd, b + len, sizeof(b) - len)) > 0)
		len += got;
	for (; (n = record_check(b + at, len - at)); at += n)
		records++;
	return at == len ? records : ~0ull;
}

TEST_F(hostile, only_who_says_it_is_harmed)
{
	struct hostile h = { .m = &self->m, .dev = self->dev, .id = self->id };
	bool global = variant->flags & RELAY_USAGE_GLOBAL;
	uint64_t written = 0, failed = 0, missed = 0;
	struct writer writers[MAX] = { };
	pthread_t liars[2], asker;
	struct relayfs_info i;
	void *error;
	int n = cpus();
	char b[4096];

	ASSERT_LE(n, MAX);
	for (int t = 0; t < 2; t++)
		ASSERT_EQ(pthread_create(&liars[t], NULL, say_anything, &h), 0);
	ASSERT_EQ(pthread_create(&asker, NULL, ask, &h), 0);
	for (int cpu = 0; cpu < n; cpu++) {
		writers[cpu].h = &h;
		writers[cpu].cpu = cpu;
		ASSERT_EQ(pthread_create(&writers[cpu].thread, NULL, write_all, &writers[cpu]), 0);
	}
	for (int cpu = 0; cpu < n; cpu++) {
		pthread_join(writers[cpu].thread, &error);
		EXPECT_EQ(error, NULL) TH_LOG("%s", (char *)error);
		written += writers[cpu].written;
		failed += writers[cpu].failed;
	}
	STORE(h.done, true);
	for (int t = 0; t < 2; t++)
		pthread_join(liars[t], NULL);
	pthread_join(asker, &error);
	EXPECT_EQ(error, NULL) TH_LOG("%s", (char *)error);
	EXPECT_GT(h.said, 1000);

	/* The rest of its own buffer: all it was given and all it lost is what was written. */
	STORE(self->m.page->position, 0);
	while (read(self->m.fd, b, sizeof(b)) > 0)
		;
	i = info_of(self->m.fd);
	EXPECT_TRUE(adds_up(&i));
	EXPECT_EQ(i.unread.records, 0);
	EXPECT_EQ(i.produced.records, global ? written : writers[0].written);
	missed = 0;
	for (int c = 0; c < RELAYFS_LOST_CAUSES; c++)
		missed += i.lost[c].records;
	EXPECT_EQ(missed, global ? failed : writers[0].failed);
	close(self->m.fd);
	self->m.fd = -1;
	munmap(self->m.page, PAGE);
	mapped_unmap(&self->m);

	/* All the others: nothing of theirs was touched, and no-overwrite mode loses nothing. */
	for (int cpu = 1; cpu < n && !global; cpu++) {
		struct writer *w = &writers[cpu];
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "h.d/cpu%d", cpu);
		fd = file_open(name, O_RDONLY | O_NONBLOCK);
		i = info_of(fd);
		EXPECT_TRUE(adds_up(&i));
		EXPECT_EQ(i.produced.records, w->written);
		EXPECT_EQ(i.read.records, 0);
		if (variant->flags & RELAY_MODE_NO_OVERWRITE)
			EXPECT_EQ(i.overwritten.records, 0);
		EXPECT_EQ(read_and_check(fd), i.unread.records);
		close(fd);
	}
}

TEST_HARNESS_MAIN
