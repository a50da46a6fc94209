/* SPDX-License-Identifier: GPL-2.0 */
/* What was written to a channel, what its readers got, and what relayfs counted, compared. */
#ifndef TORTURE_ACCOUNT_H
#define TORTURE_ACCOUNT_H

#include "torture_rig.h"

static inline struct torture_sum column(const char *text, const char *row, const char *key)
{
	return (struct torture_sum){ row_value(text, row, key, false),
				     row_value(text, row, key, true) };
}

/* Of events more is counted than what was written: their heads, and what lies between. */
static inline struct torture_sum sum_seen(const struct rig *rig, const struct seen *seen)
{
	return (struct torture_sum){ seen->records, rig->records ? seen->content : seen->bytes };
}

/* Whether bytes of a reader can be compared: not if packets were made for it. */
static inline bool has_bytes(const struct rig *rig, const struct reader *r)
{
	return !(rig->records && r->stream.merged);
}

/* If @also the bytes. */
#define EXPECT_SUMS(a, b, also) do { \
		struct torture_sum _a = (a), _b = (b); \
		EXPECT_EQ(_a.records, _b.records); \
		if (also) \
			EXPECT_EQ(_a.bytes, _b.bytes); \
	} while (0)
#define EXPECT_SUM(a, b)	EXPECT_SUMS(a, b, true)

/* What the consumers of a buffer got of it. */
static inline struct seen sum_consumed(struct __test_metadata *_metadata, struct rig *rig,
				       int buffer, const struct torture_counts *c, bool *has)
{
	struct seen sum = {};
	uint64_t number = 0;

	for (int i = 0; i < rig->n_readers; i++) {
		const struct reader *r = &rig->readers[i];
		const struct seen *seen = &r->stream.seen[buffer];

		if (r->observes)
			continue;
		sum.records += seen->records;
		sum.bytes += sum_seen(rig, seen).bytes;
		sum.tiny += seen->tiny;
		*has &= has_bytes(rig, r);
		if (c)
			number += seen->count[c->cpu][c->context];
	}
	if (c)
		EXPECT_LE(number, c->accepted.records - c->tiny);
	if (c && rig->flags & RELAY_MODE_NO_OVERWRITE && rig->meddle != TORTURE_RESET)
		EXPECT_EQ(number, c->accepted.records - c->tiny);
	return sum;
}

/* What was refused, by errno and by cause. */
static inline void check_refused(struct __test_metadata *_metadata, const char *text,
				 const char *row, const struct torture_sum *refused)
{
	struct torture_sum sum = column(text, row, "nested");

	EXPECT_SUM(column(text, row, "full"), refused[TORTURE_ENOSPC]);
	EXPECT_SUM(column(text, row, "too_big"), refused[TORTURE_EMSGSIZE]);
	add(&sum, column(text, row, "held"));
	EXPECT_SUM(sum, refused[TORTURE_EBUSY]);
	EXPECT_SUM(column(text, row, "closed"), ((struct torture_sum){}));
	EXPECT_SUM(column(text, row, "nmi"), refused[TORTURE_EAGAIN]);
	EXPECT_SUM(refused[TORTURE_OTHER], ((struct torture_sum){}));
}

/* Compares the row of one buffer with what its CPUs wrote and what its readers read. */
static inline void check_row(struct __test_metadata *_metadata, struct rig *rig, const char *text,
			     int buffer)
{
	struct torture_sum accepted = {}, refused[TORTURE_ERRORS] = {}, read;
	uint64_t tiny = 0;
	struct seen seen;
	bool has = true;
	char row[16];

	snprintf(row, sizeof(row), "cpu%d", buffer);
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
		sum_consumed(_metadata, rig, buffer, &c, &has);
	}
	seen = sum_consumed(_metadata, rig, buffer, NULL, &has);
	EXPECT_LE(seen.tiny, tiny);
	read = (struct torture_sum){ seen.records, seen.bytes };
	EXPECT_SUMS(column(text, row, "produced"), accepted, !rig->records);
	EXPECT_SUMS(column(text, row, "read"), read, has);
	EXPECT_SUM(column(text, row, "unread"), ((struct torture_sum){}));
	read = column(text, row, "read");
	add(&read, column(text, row, "overwritten"));
	EXPECT_SUM(read, column(text, row, "produced"));
	/* What a reset throws away counts as overwritten. */
	if (!(rig->flags & RELAY_MODE_NO_OVERWRITE))
		EXPECT_SUM(column(text, row, "full"), ((struct torture_sum){}));
	else if (rig->meddle != TORTURE_RESET)
		EXPECT_SUM(column(text, row, "overwritten"), ((struct torture_sum){}));
	check_refused(_metadata, text, row, refused);
}

/* Each reader's own account: what it read and what it lost is what there was. */
static inline void check_reader(struct __test_metadata *_metadata, struct rig *rig,
				const char *text, struct reader *r)
{
	static const char * const causes[] = { "full", "too_big", "nested", "held", "nmi" };
	struct torture_sum sum = { r->lost.records, r->lost.bytes };
	uint64_t discarded = r->stream.merged ? r->lost.records : 0;
	char row[16] = "total";

	if (r->buffer != WHOLE)
		snprintf(row, sizeof(row), "cpu%d", r->buffer);
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
		discarded += column(text, row, causes[i]).records;
	for (int i = 0; i < (rig->global ? 1 : cpus()); i++) {
		add(&sum, sum_seen(rig, &r->stream.seen[i]));
		EXPECT_LE(r->stream.seen[i].discarded, discarded);
	}
	/* In the kernel a reader is told of records only. */
	EXPECT_SUMS(sum, column(text, row, "produced"),
		    has_bytes(rig, r) && r->some != kernel_some);
}

static inline void check_all(struct __test_metadata *_metadata, struct rig *rig)
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

static inline void run(struct __test_metadata *_metadata, struct rig *rig)
{
	torture(_metadata, rig);
	check_all(_metadata, rig);
	report(_metadata, rig);
	EXPECT_TRUE(all_had_their_turn(rig));
}

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

FIXTURE_SETUP(torture)
{
	if (lacks_clock(variant->flags))
		SKIP(return, "the kernel does not know how fast the counter runs");
	rig_open(_metadata, &self->rig, variant->flags, variant->subbuf_size,
		 variant->n_subbufs);
}

FIXTURE_TEARDOWN(torture)
{
	if (self->rig.readers)
		rig_close(&self->rig);
}

#endif
