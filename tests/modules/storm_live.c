// SPDX-License-Identifier: GPL-2.0
/* The director of a life: opens a channel, lets happen to it whatever may, closes it, adds up. */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/slab.h>

#include "storm.h"

static u32 one_of(struct rnd_state *rnd, u32 a, u32 b)
{
	return storm_draw(rnd, 2) ? a : b;
}

static struct rchan *open_something(struct storm_life *life)
{
	struct rnd_state *rnd = &life->rnd;
	struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = one_of(rnd, RELAY_MODE_CONTINUOUS, RELAY_MODE_NO_OVERWRITE) |
			 one_of(rnd, RELAY_USAGE_SMP, RELAY_USAGE_GLOBAL) |
			 one_of(rnd, RELAY_SCHEME_LOCKLESS, RELAY_SCHEME_LOCKING) |
			 one_of(rnd, RELAY_DELIVERY_BULK, RELAY_DELIVERY_PACKET) |
			 (storm_draw(rnd, 4) ? 0 : RELAY_DUPLEX),
		.subbuf_size = PAGE_SIZE << storm_draw(rnd, 3),
		.n_subbufs = 2 << storm_draw(rnd, 4),
		.flush_interval_ms = 1 + storm_draw(rnd, 50),
		.private_data = life,
	};
	char path[32];

	if (!storm_draw(rnd, 4))
		attr.flags |= RELAY_FORMAT_RECORDS | RELAY_TIMESTAMP_MONO;
	else
		attr.flags |= one_of(rnd, RELAY_TIMESTAMP_MONO, RELAY_TIMESTAMP_NONE);
	life->flags = attr.flags;
	life->can_verify = storm_draw(rnd, 4) && !(attr.flags & RELAY_FORMAT_RECORDS);
	if (!life->can_verify && !(attr.flags & RELAY_FORMAT_RECORDS)) {
		attr.start_reserve = one_of(rnd, 0, storm_draw(rnd, 100));
		attr.end_reserve = one_of(rnd, 0, storm_draw(rnd, 100));
		attr.channel_start_reserve = one_of(rnd, 0, storm_draw(rnd, 100));
	}
	life->sizes_itself = storm_draw(rnd, 2);
	if (life->sizes_itself) {
		attr.resize_min = 2;
		attr.resize_max = attr.n_subbufs << storm_draw(rnd, 3);
		attr.shrink_idle_ms = 1 + storm_draw(rnd, 100);
	}
	life->users_write = storm_draw(rnd, 2);
	attr.mode = life->users_write ? 0666 : 0;
	attr.callbacks = storm_draw_callbacks(life);
	snprintf(path, sizeof(path), storm_draw(rnd, 2) ? "storm/%u" : "storm/deep/er/%u",
		 life->id);
	return relay_open(path, &attr);
}

static void look(struct rchan *chan)
{
	struct rchan_info info = { .size = sizeof(info) };

	WARN_ON(relay_info(chan, &info));
	WARN_ON(relay_cpu_info(chan, info.flags & RELAY_USAGE_GLOBAL ? RELAY_CPU_NONE : 0,
			       &info));
}

/* Done, or a reason why not that can be. */
static void resize(struct storm_life *life, struct rchan *chan)
{
	int ret = relay_realloc_buffer(chan, PAGE_SIZE << storm_draw(&life->rnd, 3),
				       2 << storm_draw(&life->rnd, 4));

	WARN(ret && ret != -ENOMEM && ret != -EBUSY, "storm: realloc: %d\n", ret);
	if (ret || !storm_draw(&life->rnd, 4))
		return;
	ret = relay_replace_buffer(chan);
	/* Others may have used what was ready, or given it up. */
	WARN(ret && ret != -EBUSY &&
	     !(ret == -EAGAIN && (life->sizes_itself || life->callbacks.needs_resize)),
	     "storm: replace: %d\n", ret);
}

static void do_something(struct storm_life *life, struct rchan *chan, struct storm_reader *reader)
{
	switch (storm_draw(&life->rnd, 9)) {
	case 0:
		relay_flush(chan);
		break;
	case 1:
		if (storm_draw(&life->rnd, 4))
			break;
		life->was_reset = true;
		relay_reset(chan);
		if (reader)
			storm_reader_reset(reader);
		break;
	case 2:
		look(chan);
		break;
	case 3:
		resize(life, chan);
		break;
	case 4:
	case 5:
		if (reader)
			WARN_ON(!storm_reader_read(reader, 1 + storm_draw(&life->rnd, 20)));
		break;
	case 6:
		storm_consume(life, chan);
		break;
	default:
		msleep(storm_draw(&life->rnd, 10));
	}
}

static bool is_duplex(const struct storm_life *life)
{
	return life->flags & RELAY_DUPLEX;
}

/* What was tried is what was written and what was refused, for whatever reason. */
static void add_up(struct storm_life *life, struct rchan *chan)
{
	struct rchan_info info = { .size = sizeof(info) };
	u64 written = atomic64_read(&life->written), bytes = atomic64_read(&life->bytes);
	/* What comes with each event counts. */
	u64 more_bytes = life->flags & RELAY_FORMAT_RECORDS ? written * 32 : 0;
	u64 untold = 0, refused;

	if (!is_duplex(life)) {
		written += atomic64_read(&life->from_users);
		bytes += atomic64_read(&life->user_bytes);
	}

	WARN_ON(relay_info(chan, &info));
	refused = info.full.records + info.too_big.records + info.nested.records +
		  info.closed.records + info.held.records + info.no_buffer.records +
		  info.nmi.records;
	/* Of a record that a user was just writing it may not have been told. */
	if (life->users_write)
		untold = STORM_USERS;
	more_bytes += untold * (STORM_RECORD + 32);
	WARN(info.produced.records - written > untold || info.produced.bytes - bytes > more_bytes,
	     "storm: %llu records of %llu bytes counted, %llu of %llu written, flags %#x\n",
	     info.produced.records, info.produced.bytes, written, bytes, life->flags);
	WARN(refused != atomic64_read(&life->refused), "storm: %llu counted, %lld refused\n",
	     refused, atomic64_read(&life->refused));
	WARN(info.read.records + info.overwritten.records + info.unread.records !=
	     info.produced.records,
	     "storm: %llu read, %llu overwritten, %llu unread of %llu\n", info.read.records,
	     info.overwritten.records, info.unread.records, info.produced.records);
	/* Once, all that was not overwritten first. */
	if (life->callbacks.deliver && life->can_verify && !life->was_reset) {
		u64 delivered = atomic64_read(&life->delivered);

		WARN(delivered > info.produced.bytes ||
		     (!life->missed && delivered != info.produced.bytes),
		     "storm: %llu bytes delivered of %llu, flags %#x\n", delivered,
		     info.produced.bytes, life->flags);
	}
	atomic_long_inc(&storm_ended);
}

static void publish(struct storm_life *life, struct rchan *chan)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&life->lock, flags);
	life->chan = chan;
	raw_spin_unlock_irqrestore(&life->lock, flags);
}

static void be_born(struct storm_life *life)
{
	atomic64_set(&life->written, 0);
	atomic64_set(&life->bytes, 0);
	atomic64_set(&life->refused, 0);
	atomic64_set(&life->from_users, 0);
	atomic64_set(&life->user_bytes, 0);
	atomic64_set(&life->delivered, 0);
	life->was_reset = false;
	life->missed = false;
	for (u32 i = 0; i < STORM_WRITERS; i++)
		atomic_set(&life->numbers[i], 0);
	WRITE_ONCE(life->over, false);
}

/* It has read what was written, or of a duplex channel what users wrote. */
static void close_reader(struct storm_life *life, struct storm_reader *reader)
{
	u64 least = atomic64_read(&life->from_users);

	if (!is_duplex(life))
		least += atomic64_read(&life->written);
	/* As above. */
	storm_reader_close(reader, least, least + (life->users_write ? STORM_USERS : 0));
}

void storm_live(struct storm_life *life)
{
	u32 days = 1 + storm_draw(&life->rnd, 40);
	struct storm_reader *reader = NULL;
	struct rchan *chan;

	be_born(life);
	chan = open_something(life);
	if (IS_ERR(chan)) {
		/* The path may still be another's. */
		WARN_ON(PTR_ERR(chan) != -ENOMEM);
		return;
	}
	rchan_get(chan);
	if (storm_draw(&life->rnd, 2))
		storm_make_control(life, chan);
	if (life->can_verify && storm_draw(&life->rnd, 2))
		reader = storm_reader_open(chan);
	publish(life, chan);
	while (days-- && !kthread_should_stop())
		do_something(life, chan, reader);
	/* Under the hands of those who write. */
	relay_close(chan);
	WRITE_ONCE(life->over, true);
	publish(life, NULL);
	while (atomic_read(&life->users))
		fsleep(1000);
	add_up(life, chan);
	if (reader)
		close_reader(life, reader);
	rchan_put(chan);
}
