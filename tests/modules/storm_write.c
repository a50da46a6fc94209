// SPDX-License-Identifier: GPL-2.0
/*
 * Who writes: on each CPU a thread and a timer, to whichever channel there is, in all ways there
 * are, also while it is closed.
 */

#include <linux/cpu.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/uio.h>

#include "storm.h"

struct writer {
	struct rnd_state rnd;
	u32 id;
	unsigned char record[STORM_RECORD];
};

static struct cpu_writers {
	struct writer thread, timer;
	struct task_struct *task;
	struct hrtimer hrtimer;
	bool ticks;
} cpus[STORM_CPUS];

struct rchan *storm_enter(struct storm_life *life)
{
	struct rchan *chan;
	unsigned long flags;

	raw_spin_lock_irqsave(&life->lock, flags);
	chan = life->chan;
	if (chan)
		atomic_inc(&life->users);
	raw_spin_unlock_irqrestore(&life->lock, flags);
	return chan;
}

void storm_leave(struct storm_life *life)
{
	atomic_dec(&life->users);
}

/* A record that proves itself, as the tests' device writes them. */
static u32 make_record(struct storm_life *life, struct writer *w)
{
	struct relaytest_record head = {
		.magic = RELAYTEST_MAGIC,
		.len = sizeof(head) + storm_draw(&w->rnd, STORM_RECORD - sizeof(head)),
		.writer = w->id,
		.number = atomic_inc_return(&life->numbers[w->id]),
	};

	memcpy(w->record, &head, sizeof(head));
	memset(w->record + sizeof(head), relaytest_byte(head.writer, head.number),
	       head.len - sizeof(head));
	return head.len;
}

/* 0: nothing was to come of it. */
static ssize_t in_place(struct rchan *chan, struct writer *w, u32 len)
{
	struct relay_slot slot;
	int ret = relay_reserve(chan, len, &slot);

	if (ret)
		return ret;
	memcpy(slot.data, w->record, len);
	if (storm_draw(&w->rnd, 4)) {
		relay_commit(&slot);
		return len;
	}
	relay_discard(&slot);
	return 0;
}

static ssize_t in_parts(struct rchan *chan, struct writer *w, u32 len)
{
	u32 cut = storm_draw(&w->rnd, len);
	struct kvec parts[] = {
		{ .iov_base = w->record, .iov_len = cut },
		{ .iov_base = w->record + cut, .iov_len = len - cut },
	};

	return relay_writev(chan, parts, ARRAY_SIZE(parts));
}

static ssize_t in_some_way(struct rchan *chan, struct writer *w, u32 len, bool may_sleep)
{
	void *where;

	switch (storm_draw(&w->rnd, may_sleep ? 5 : 4)) {
	case 0:
		return in_place(chan, w, len);
	case 1:
		return in_parts(chan, w, len);
	case 2:
		return relay_write_delta(chan, w->record, len, -1, &where);
	case 3:
		return relay_write(chan, w->record, len);
	default:
		return relay_write_wait(chan, w->record, len, storm_draw(&w->rnd, 3));
	}
}

static void write_some(struct writer *w, bool may_sleep)
{
	struct storm_life *life = &storm_lives[storm_draw(&w->rnd, STORM_LIVES)];
	u32 count = 1 + storm_draw(&w->rnd, may_sleep ? 64 : 4);
	struct rchan *chan = storm_enter(life);

	for (; chan && count; count--) {
		u32 len = make_record(life, w);
		ssize_t ret = in_some_way(chan, w, len, may_sleep);

		if (ret < 0) {
			atomic64_inc(&life->refused);
		} else if (ret) {
			WARN_ON(ret != len);
			atomic64_inc(&life->written);
			atomic64_add(len, &life->bytes);
			atomic_long_inc(&storm_written);
		}
	}
	if (chan)
		storm_leave(life);
}

static int run(void *data)
{
	struct cpu_writers *cpu = data;

	while (!kthread_should_stop()) {
		write_some(&cpu->thread, true);
		if (!storm_draw(&cpu->thread.rnd, 8))
			schedule_timeout_interruptible(1);
		cond_resched();
	}
	return 0;
}

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct cpu_writers *cpu = container_of(timer, struct cpu_writers, hrtimer);

	write_some(&cpu->timer, false);
	hrtimer_forward_now(timer, us_to_ktime(500 + storm_draw(&cpu->timer.rnd, 4000)));
	return HRTIMER_RESTART;
}

static void start_timer(void *data)
{
	struct cpu_writers *cpu = data;

	hrtimer_start(&cpu->hrtimer, ms_to_ktime(1), HRTIMER_MODE_REL_PINNED_HARD);
}

int storm_start_writers(u64 seed)
{
	u32 id;

	cpus_read_lock();
	for_each_online_cpu(id) {
		struct cpu_writers *cpu = &cpus[id];

		if (id >= STORM_CPUS)
			break;
		cpu->thread.id = 2 * id;
		cpu->timer.id = 2 * id + 1;
		prandom_seed_state(&cpu->thread.rnd, seed * 31 + cpu->thread.id);
		prandom_seed_state(&cpu->timer.rnd, seed * 31 + cpu->timer.id);
		cpu->task = kthread_create_on_cpu(run, cpu, id, "storm/%u");
		if (IS_ERR(cpu->task)) {
			cpu->task = NULL;
			cpus_read_unlock();
			return -ENOMEM;
		}
		wake_up_process(cpu->task);
		hrtimer_setup(&cpu->hrtimer, tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
		cpu->ticks = true;
		smp_call_function_single(id, start_timer, cpu, true);
	}
	cpus_read_unlock();
	return 0;
}

void storm_stop_writers(void)
{
	for (u32 id = 0; id < STORM_CPUS; id++) {
		if (cpus[id].ticks)
			hrtimer_cancel(&cpus[id].hrtimer);
		if (cpus[id].task)
			kthread_stop(cpus[id].task);
	}
}
