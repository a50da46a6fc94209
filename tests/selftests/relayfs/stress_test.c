// SPDX-License-Identifier: GPL-2.0
/*
 * Writers on every CPU, in process and in hard-irq context at once, against a reader per buffer.
 * Every byte is checked, and at the end produced = read + lost, per CPU, in records and bytes.
 */

#include <pthread.h>
#include "mapped.h"

#define CALLS	40
#define COUNT	500

FIXTURE(stress)
{
	int dev, id;
};

FIXTURE_VARIANT(stress)
{
	uint32_t flags;
	uint64_t subbuf_size;
	uint32_t n_subbufs;
	uint32_t read_size;
};

FIXTURE_VARIANT_ADD(stress, overwrite)
{
	.flags = RELAY_MODE_CONTINUOUS, .subbuf_size = 4096, .n_subbufs = 2, .read_size = 65536,
};

FIXTURE_VARIANT_ADD(stress, overwrite_short_reads)
{
	.flags = RELAY_MODE_CONTINUOUS, .subbuf_size = 4096, .n_subbufs = 4, .read_size = 100,
};

FIXTURE_VARIANT_ADD(stress, no_overwrite_too_small)
{
	.flags = RELAY_MODE_NO_OVERWRITE, .subbuf_size = 4096, .n_subbufs = 2, .read_size = 4096,
};

FIXTURE_VARIANT_ADD(stress, no_overwrite_large_enough)
{
	.flags = RELAY_MODE_NO_OVERWRITE, .subbuf_size = 1 << 20, .n_subbufs = 16,
	.read_size = 65536,
};

FIXTURE_VARIANT_ADD(stress, global_overwrite)
{
	.flags = RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL, .subbuf_size = 4096, .n_subbufs = 4,
	.read_size = 65536,
};

FIXTURE_VARIANT_ADD(stress, global_no_overwrite)
{
	.flags = RELAY_MODE_NO_OVERWRITE | RELAY_USAGE_GLOBAL, .subbuf_size = 4096,
	.n_subbufs = 8, .read_size = 65536,
};

FIXTURE_VARIANT_ADD(stress, locking_overwrite)
{
	.flags = RELAY_MODE_CONTINUOUS | RELAY_SCHEME_LOCKING, .subbuf_size = 4096,
	.n_subbufs = 4, .read_size = 65536,
};

FIXTURE_VARIANT_ADD(stress, global_locking_overwrite)
{
	.flags = RELAY_MODE_CONTINUOUS | RELAY_USAGE_GLOBAL | RELAY_SCHEME_LOCKING,
	.subbuf_size = 4096, .n_subbufs = 4, .read_size = 65536,
};

FIXTURE_SETUP(stress)
{
	self->dev = test_device();
	ASSERT_GE(self->dev, 0);
	self->id = chan_open(self->dev, "stress", variant->subbuf_size, variant->n_subbufs,
			     variant->flags);
	ASSERT_GE(self->id, 0);
}

FIXTURE_TEARDOWN(stress)
{
	close(self->dev);
}

struct writer {
	pthread_t thread;
	int dev, id, cpu, context;
	uint32_t writer;
	uint64_t written, failed, bytes, failed_bytes;
	int error;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;
	uint32_t next = 0;

	pin_to_cpu(w->cpu);
	for (unsigned int i = 0; i < scaled(CALLS); i++) {
		struct relaytest_pattern p = { .id = w->id, .cpu = w->cpu, .context = w->context,
					       .count = COUNT, .len = 16 + (i * 37 + w->cpu) % 300,
					       .writer = w->writer, .first = next };

		/* In process context stay on this thread, which is pinned. */
		if (w->context == RELAYTEST_PROCESS)
			p.cpu = -1;
		if (chan_pattern(w->dev, &p)) {
			w->error = errno;
			break;
		}
		next += COUNT;
		w->written += p.written;
		w->failed += p.failed;
		w->bytes += (uint64_t)p.written * p.len;
		w->failed_bytes += (uint64_t)p.failed * p.len;
	}
	return NULL;
}

struct reader {
	pthread_t thread;
	int fd;
	uint32_t read_size;
	uint64_t records, bytes, torn, back;
	uint32_t next[128];
};

static size_t check_all(struct reader *r, unsigned char *stream, size_t len)
{
	size_t at = 0, size;

	while ((size = record_check(stream + at, len - at))) {
		struct relaytest_record rec;

		memcpy(&rec, stream + at, sizeof(rec));
		if (rec.writer < 128) {
			if (rec.number < r->next[rec.writer])
				r->back++;
			r->next[rec.writer] = rec.number + 1;
		}
		r->records++;
		r->bytes += size;
		at += size;
	}
	return at;
}

static void *read_all(void *arg)
{
	struct reader *r = arg;
	size_t len = 0, used;
	unsigned char *stream = malloc(r->read_size + 4096);
	ssize_t got;

	while ((got = read(r->fd, stream + len, r->read_size)) > 0) {
		len += got;
		used = check_all(r, stream, len);
		/* What is left is the beginning of a record: shorter than the longest one. */
		if (len - used >= 400) {
			r->torn++;
			break;
		}
		memmove(stream, stream + used, len - used);
		len -= used;
	}
	if (len || got < 0)
		r->torn++;
	free(stream);
	close(r->fd);
	return NULL;
}

/* Records and bytes, to be printed. */
#define COUNTS	"produced %llu %llu read %llu %llu overwritten %llu %llu unread %llu %llu"
#define PAIR(c)	(unsigned long long)(c).records, (unsigned long long)(c).bytes
#define VALUES(i)	PAIR((i).produced), PAIR((i).read), PAIR((i).overwritten), PAIR((i).unread)

struct onlooker {
	pthread_t thread;
	int fd;
	uint64_t room, looks;
	const char *wrong;
	struct relayfs_info before, now;
	bool *done;
};

static bool grew(struct relayfs_count now, struct relayfs_count before)
{
	return now.records >= before.records && now.bytes >= before.bytes;
}

/* What is wrong with what is said now, after what was said before; NULL: nothing. */
static const char *wrong(const struct onlooker *o)
{
	if (!grew(o->now.produced, o->before.produced))
		return "produced went back";
	if (!grew(o->now.read, o->before.read))
		return "read went back";
	if (!grew(o->now.overwritten, o->before.overwritten))
		return "overwritten went back";
	/* Of what was read in part all records still count, so they may be more than its bytes. */
	if (o->now.unread.bytes > o->room || o->now.unread.records > o->room)
		return "more is unread than fits";
	if (!adds_up(&o->now))
		return "produced is not read + overwritten + unread";
	return NULL;
}

/* Looks at the counters all the time: none goes back, and there is never more unread than fits. */
static void *look_on(void *arg)
{
	struct onlooker *o = arg;

	do {
		o->before = o->now;
		o->now = info_of(o->fd);
		o->looks++;
		o->wrong = wrong(o);
	} while (!o->wrong && !__atomic_load_n(o->done, __ATOMIC_ACQUIRE));
	return NULL;
}

TEST_F(stress, every_byte_and_every_count)
{
	int n = cpus(), files = variant->flags & RELAY_USAGE_GLOBAL ? 1 : n;
	struct writer *writers = calloc(2 * n, sizeof(*writers));
	struct reader *readers = calloc(files, sizeof(*readers));
	uint64_t written[64] = {}, bytes[64] = {}, failed = 0, failed_bytes = 0;
	bool done = false;
	struct onlooker onlooker = { .room = variant->subbuf_size * variant->n_subbufs,
				     .done = &done };
	char name[64];
	int info_fd;

	for (int i = 0; i < files; i++) {
		snprintf(name, sizeof(name), "stress.d/cpu%d", i);
		readers[i].read_size = variant->read_size;
		readers[i].fd = file_open(name, O_RDONLY);
		ASSERT_GE(readers[i].fd, 0);
		ASSERT_EQ(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]), 0);
	}
	onlooker.fd = file_open("stress.d/cpu0", O_RDONLY);
	ASSERT_GE(onlooker.fd, 0);
	ASSERT_EQ(pthread_create(&onlooker.thread, NULL, look_on, &onlooker), 0);
	for (int i = 0; i < 2 * n; i++) {
		writers[i] = (struct writer){ .dev = self->dev, .id = self->id, .cpu = i / 2,
					      .context = i % 2, .writer = i };
		ASSERT_EQ(pthread_create(&writers[i].thread, NULL, write_all, &writers[i]), 0);
	}
	for (int i = 0; i < 2 * n; i++) {
		int file = files == 1 ? 0 : writers[i].cpu;

		pthread_join(writers[i].thread, NULL);
		ASSERT_EQ(writers[i].error, 0);
		EXPECT_EQ(writers[i].written + writers[i].failed, scaled(CALLS) * COUNT);
		written[file] += writers[i].written;
		bytes[file] += writers[i].bytes;
		failed += writers[i].failed;
		failed_bytes += writers[i].failed_bytes;
	}
	/* The counters can be read after the end, from a descriptor opened before. */
	info_fd = file_open("stress.d/info", O_RDONLY);
	ASSERT_EQ(chan_close(self->dev, self->id), 0);
	for (int i = 0; i < files; i++) {
		pthread_join(readers[i].thread, NULL);
		EXPECT_EQ(readers[i].torn, 0);
		EXPECT_EQ(readers[i].back, 0);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	pthread_join(onlooker.thread, NULL);
	EXPECT_EQ(onlooker.wrong, NULL) {
		TH_LOG("%s", onlooker.wrong);
		TH_LOG(COUNTS, VALUES(onlooker.before));
		TH_LOG(COUNTS, VALUES(onlooker.now));
	}
	EXPECT_GT(onlooker.looks, 0);
	close(onlooker.fd);
	/* Rows as in the info file; it is gone from the tree, so not through info(). */
	char text[8192] = "", *row = text;
	ssize_t len = read(info_fd, text, sizeof(text) - 1);

	ASSERT_GT(len, 0);
	for (int i = 0; i < files; i++) {
		unsigned long long v[18];

		snprintf(name, sizeof(name), "cpu%d:", i);
		row = strstr(text, name);
		ASSERT_NE(row, NULL);
		ASSERT_EQ(sscanf(row, "cpu%*d: produced %llu %llu read %llu %llu unread %llu %llu "
				 "overwritten %llu %llu full %llu %llu too_big %llu %llu "
				 "nested %llu %llu closed %llu %llu held %llu %llu",
				 v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7, v + 8, v + 9,
				 v + 10, v + 11, v + 12, v + 13, v + 14, v + 15, v + 16,
				 v + 17), 18);
		EXPECT_EQ(v[0], written[i]);
		EXPECT_EQ(v[1], bytes[i]);
		EXPECT_EQ(v[2], readers[i].records);
		EXPECT_EQ(v[3], readers[i].bytes);
		EXPECT_EQ(v[4], 0);
		EXPECT_EQ(v[5], 0);
		EXPECT_EQ(v[6], v[0] - v[2]);
		EXPECT_EQ(v[7], v[1] - v[3]);
		failed -= v[8] + v[10] + v[12] + v[14] + v[16];
		failed_bytes -= v[9] + v[11] + v[13] + v[15] + v[17];
		if (variant->flags & RELAY_MODE_NO_OVERWRITE)
			EXPECT_EQ(v[6], 0);
		if (variant->subbuf_size == 1 << 20)
			EXPECT_EQ(v[8] + v[12] + v[16], 0);
	}
	EXPECT_EQ(failed, 0);
	EXPECT_EQ(failed_bytes, 0);
	close(info_fd);
	free(writers);
	free(readers);
}

TEST_HARNESS_MAIN
