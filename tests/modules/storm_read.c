// SPDX-License-Identifier: GPL-2.0
/* A reader in the kernel, that sees to it that each record is whole, right, and in its order. */

#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "storm.h"

/* Shorter than what there may be, so that reads end in the middle of records. */
#define ROOM	10000

struct storm_reader *storm_reader_open(struct rchan *chan)
{
	struct storm_reader *r = kvzalloc(sizeof(*r) + ROOM + STORM_RECORD, GFP_KERNEL);

	if (!r)
		return NULL;
	r->buf = (unsigned char *)(r + 1);
	r->reader = add_rchan_reader(chan, 0);
	if (IS_ERR(r->reader)) {
		/* A user may have been quick to open it alone. */
		WARN_ON(PTR_ERR(r->reader) != -ENOMEM && PTR_ERR(r->reader) != -EBUSY);
		kvfree(r);
		return NULL;
	}
	return r;
}

/* Length of the record at @at, 0 if it goes on behind @left, or an error. */
static ssize_t check(struct storm_reader *r, const unsigned char *at, size_t left)
{
	struct relaytest_record head;

	if (left < sizeof(head))
		return 0;
	memcpy(&head, at, sizeof(head));
	if (head.magic != RELAYTEST_MAGIC || head.len < sizeof(head) || head.len > STORM_RECORD ||
	    head.writer >= STORM_IDS || head.number <= r->last[head.writer])
		return -EBADMSG;
	if (left < head.len)
		return 0;
	if (memchr_inv(at + sizeof(head), relaytest_byte(head.writer, head.number),
		       head.len - sizeof(head)))
		return -EBADMSG;
	r->last[head.writer] = head.number;
	return head.len;
}

static void take(struct storm_reader *r)
{
	size_t from = 0;
	ssize_t len;

	while ((len = check(r, r->buf + from, r->have - from)) > 0) {
		from += len;
		r->records++;
		atomic_long_inc(&storm_read);
	}
	if (WARN(len < 0, "storm: a record of which %16phN is wrong, after %llu\n", r->buf + from,
		 r->records))
		from = r->have;
	r->have -= from;
	memmove(r->buf, r->buf + from, r->have);
}

bool storm_reader_read(struct storm_reader *r, u32 times)
{
	while (times--) {
		size_t room = ROOM + STORM_RECORD - r->have;
		ssize_t n = relay_read(r->reader, r->buf + r->have, room, 0);

		if (n == -EAGAIN)
			return true;
		if (WARN(n < 0, "storm: reading: %zd\n", n) || !n)
			return false;
		r->have += n;
		take(r);
	}
	return true;
}

void storm_reader_reset(struct storm_reader *r)
{
	r->have = 0;
	r->cut = true;
}

void storm_reader_close(struct storm_reader *r, u64 least, u64 most)
{
	u64 seen;

	while (storm_reader_read(r, 1000))
		;
	WARN(r->have, "storm: %zu bytes of a record at the end\n", r->have);
	seen = r->records + relay_reader_lost(r->reader);
	WARN(seen < least || (seen > most && !r->cut), "storm: %llu read or missed of %llu to %llu\n",
	     seen, least, most);
	remove_rchan_reader(r->reader);
	kvfree(r);
}

static void consume_for_mapping(struct storm_life *life, struct rchan *chan)
{
	bool global = life->flags & RELAY_USAGE_GLOBAL;
	u32 cpu = global ? RELAY_CPU_NONE : storm_draw(&life->rnd, num_online_cpus());
	struct rchan_reader *reader = add_map_reader(chan, cpu);

	if (IS_ERR(reader)) {
		WARN_ON(PTR_ERR(reader) != -ENOMEM && PTR_ERR(reader) != -EBUSY);
		return;
	}
	msleep(storm_draw(&life->rnd, 5));
	if (storm_draw(&life->rnd, 2))
		relay_buffers_consumed(reader, storm_draw(&life->rnd, 4));
	else
		relay_bytes_consumed(reader, storm_draw(&life->rnd, 20000));
	WARN_ON(relay_read(reader, NULL, 1, 0) != -EINVAL);
	WARN_ON(remove_map_reader(reader));
}

/* Who reads the files has the same position, so what is read may begin anywhere. */
static void consume(struct storm_life *life, struct rchan *chan)
{
	u32 times = 1 + storm_draw(&life->rnd, 10);
	struct rchan_reader *reader = add_rchan_reader(chan, 1);
	void *buf = kvmalloc(ROOM, GFP_KERNEL);

	while (!IS_ERR(reader) && buf && times--) {
		ssize_t n = relay_read(reader, buf, 1 + storm_draw(&life->rnd, ROOM), 0);

		/* A packet may be longer. */
		WARN(n <= 0 && n != -EAGAIN && n != -EMSGSIZE, "storm: consuming: %zd\n", n);
		rchan_empty(reader);
		rchan_full(reader);
		WARN_ON(relay_bytes_avail(reader) < 0);
	}
	kvfree(buf);
	if (IS_ERR(reader))
		WARN_ON(PTR_ERR(reader) != -ENOMEM && PTR_ERR(reader) != -EBUSY);
	else
		WARN_ON(remove_rchan_reader(reader));
}

void storm_consume(struct storm_life *life, struct rchan *chan)
{
	if (storm_draw(&life->rnd, 2))
		consume(life, chan);
	else
		consume_for_mapping(life, chan);
}
