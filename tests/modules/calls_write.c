// SPDX-License-Identifier: GPL-2.0
/* Functions of a channel. */

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "calls.h"
#include "relayfs_test.h"

#define MAX_PARTS	64

struct gather {
	struct kvec vecs[MAX_PARTS];
	u32 count;
};

static void ungather(struct gather *g)
{
	for (u32 i = 0; i < g->count; i++)
		kvfree(g->vecs[i].iov_base);
	kfree(g);
}

static struct gather *gather(const struct calls_part *parts, u32 count)
{
	struct gather *g = kzalloc(sizeof(*g), GFP_KERNEL);

	if (!g)
		return ERR_PTR(-ENOMEM);
	for (; g->count < count; g->count++, parts++) {
		struct kvec *vec = &g->vecs[g->count];

		vec->iov_len = parts->len;
		if (!parts->data)
			continue;
		vec->iov_base = vmemdup_user(u64_to_user_ptr(parts->data), parts->len);
		if (IS_ERR(vec->iov_base)) {
			long error = PTR_ERR(vec->iov_base);

			ungather(g);
			return ERR_PTR(error);
		}
	}
	return g;
}

/* What may be called in any context. */
struct anywhere {
	struct rchan *chan;
	struct calls_call *c;
	const void *data;
	struct gather *parts;
	long ret;
};

static long reserve(struct rchan *chan, struct calls_call *c)
{
	struct relay_slot slot;
	int ret = relay_reserve(chan, c->len, &slot);

	if (!ret) {
		memset(slot.data, c->flag, c->len);
		relay_commit(&slot);
	}
	return ret;
}

static long write_delta(struct rchan *chan, struct calls_call *c, const void *data)
{
	void *where = NULL;
	long ret = relay_write_delta(chan, data, c->len, c->flag, &where);

	/* The record is still there: what is looked at is its first bytes. */
	if (where)
		memcpy(&c->value, where, min_t(size_t, c->len, sizeof(c->value)));
	return ret;
}

static void run_anywhere(void *arg)
{
	struct anywhere *a = arg;

	switch (a->c->op) {
	case CALLS_WRITE:
		a->ret = relay_write(a->chan, a->data, a->c->len);
		break;
	case CALLS_RESERVE:
		a->ret = reserve(a->chan, a->c);
		break;
	case CALLS_WRITEV:
		a->ret = relay_writev(a->chan, a->parts->vecs, a->parts->count);
		break;
	case CALLS_WRITE_DELTA:
		a->ret = write_delta(a->chan, a->c, a->data);
		break;
	}
}

static long call_anywhere(struct rchan *chan, struct calls_call *c, void *buffer)
{
	struct anywhere a = { .chan = chan, .c = c, .data = buffer };
	int ret;

	if (c->op == CALLS_WRITEV) {
		u32 count = c->len / sizeof(struct calls_part);

		if (count > MAX_PARTS)
			return -EINVAL;
		a.parts = gather(buffer, count);
		if (IS_ERR(a.parts))
			return PTR_ERR(a.parts);
	}
	if (c->hardirq) {
		ret = smp_call_function_single(raw_smp_processor_id(), run_anywhere, &a, 1);
		if (ret)
			a.ret = ret;
	} else {
		run_anywhere(&a);
	}
	if (a.parts)
		ungather(a.parts);
	return a.ret;
}

/* One record that proves itself, in one of the ways there are. */
static long write_proof(struct rchan *chan, struct calls_call *c, u8 *record, u32 number)
{
	u32 half = sizeof(struct relaytest_record);
	struct kvec halves[] = {
		{ .iov_base = record, .iov_len = half },
		{ .iov_base = record + half, .iov_len = c->len - half },
	};
	struct relay_slot slot;
	long ret;

	switch (number % 4) {
	case 0:
		if (!c->hardirq)
			return relay_write(chan, record, c->len);
		do
			ret = relay_write_wait(chan, record, c->len, HZ);
		while (ret == -ETIMEDOUT);
		return ret;
	case 1:
		return relay_writev(chan, halves, ARRAY_SIZE(halves));
	case 2:
		return relay_write_delta(chan, record, c->len, -1, NULL);
	default:
		ret = relay_reserve(chan, c->len, &slot);
		if (!ret) {
			memcpy(slot.data, record, c->len);
			relay_commit(&slot);
		}
		return ret;
	}
}

static long write_pattern(struct rchan *chan, struct calls_call *c)
{
	u8 *record = kvmalloc(c->len, GFP_KERNEL);
	struct relaytest_record head = {
		.magic = RELAYTEST_MAGIC, .len = c->len, .writer = c->flag,
	};
	long written = 0;

	if (!record)
		return -ENOMEM;
	for (u32 i = 0; i < c->cpu; i++) {
		/* Who waits for room does so for each. */
		u32 number = c->hardirq ? 0 : i;

		head.number = c->value + i;
		memset(record, relaytest_byte(head.writer, head.number), c->len);
		memcpy(record, &head, sizeof(head));
		if (write_proof(chan, c, record, number) < 0)
			continue;
		written++;
		cond_resched();
	}
	kvfree(record);
	return written;
}

static int hold;
module_param(hold, int, 0644);

/* An unfinished record, which keeps its CPU. Not for ever, whatever happens. */
static long hold_slot(struct rchan *chan, const struct calls_call *c, const void *data)
{
	struct relay_slot slot;
	int error = relay_reserve(chan, c->len, &slot);
	u64 end = ktime_get_mono_fast_ns() + 15ull * NSEC_PER_SEC;

	if (error)
		return error;
	memcpy(slot.data, data, c->len);
	/* Whoever sees the 1 in the parameter sees the slot reserved. */
	smp_store_release(&hold, 1);
	/* With the store to the parameter: what was done before is seen by the commit. */
	while (smp_load_acquire(&hold) == 1 && ktime_get_mono_fast_ns() < end)
		cpu_relax();
	udelay(c->flag);
	relay_commit(&slot);
	/* Whoever sees the 0 in the parameter sees the slot committed. */
	smp_store_release(&hold, 0);
	return c->len;
}

long calls_of_channel(struct rchan *chan, struct calls_call *c, void *buffer)
{
	switch (c->op) {
	case CALLS_FLUSH:
		return relay_flush(chan) ? 0 : -ENODATA;
	case CALLS_RESET:
		relay_reset(chan);
		return 0;
	case CALLS_INFO:
		return relay_info(chan, buffer);
	case CALLS_CPU_INFO:
		return relay_cpu_info(chan, c->cpu, buffer);
	case CALLS_WRITE_WAIT:
		return relay_write_wait(chan, buffer, c->len, c->flag < 0 ? MAX_SCHEDULE_TIMEOUT :
					msecs_to_jiffies(c->flag));
	case CALLS_WRITE:
	case CALLS_RESERVE:
	case CALLS_WRITEV:
	case CALLS_WRITE_DELTA:
		return call_anywhere(chan, c, buffer);
	case CALLS_HOLD:
		return hold_slot(chan, c, buffer);
	case CALLS_READ_LAST:
		return relay_read_last(chan, c->cpu, buffer, c->len);
	case CALLS_FILE_DATA:
		return PTR_ERR_OR_ZERO(relay_file_data(chan, c->cpu));
	case CALLS_PATTERN:
		return write_pattern(chan, c);
	default:
		return -ENOTTY;
	}
}
