// SPDX-License-Identifier: GPL-2.0
/* Functions of a reader. */

#include <linux/smp.h>

#include "calls.h"

struct look {
	struct rchan_reader *reader;
	u32 op;
	long ret;
};

/* What does not sleep. */
static void look(void *arg)
{
	struct look *l = arg;

	l->ret = l->op == CALLS_EMPTY ? rchan_empty(l->reader) : rchan_full(l->reader);
}

static long look_from(struct rchan_reader *reader, struct calls_call *c)
{
	struct look l = { .reader = reader, .op = c->op };

	if (!c->hardirq)
		look(&l);
	else if (smp_call_function_single(raw_smp_processor_id(), look, &l, 1))
		return -EIO;
	return l.ret;
}

long calls_of_reader(struct rchan_reader *reader, struct calls_call *c, void *buffer)
{
	switch (c->op) {
	case CALLS_READ:
		return relay_read(reader, buffer, c->len, c->flag);
	case CALLS_BYTES_AVAIL:
		return relay_bytes_avail(reader);
	case CALLS_LOST:
		c->value = relay_reader_lost(reader);
		return 0;
	case CALLS_BUFFERS_CONSUMED:
		relay_buffers_consumed(reader, c->len);
		return 0;
	case CALLS_BYTES_CONSUMED:
		relay_bytes_consumed(reader, c->len);
		return 0;
	case CALLS_EMPTY:
	case CALLS_FULL:
		return look_from(reader, c);
	default:
		return -ENOTTY;
	}
}
