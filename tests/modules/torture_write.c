// SPDX-License-Identifier: GPL-2.0
/* The torture client's writers: every context of every CPU, nested in one another. */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/log2.h>

#include "torture.h"
#ifdef WITH_NMI
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#define MAX_OPEN	6	/* slots a CPU opens in one another of its own accord */
#define NOT_WRITTEN	0xdd	/* what is in a slot before its record */

static struct torture_cpu *this_torture_cpu(void)
{
	return &torture.cpus[raw_smp_processor_id()];
}

static bool is_on(u32 context)
{
	return READ_ONCE(torture.active) && (torture.how.contexts & BIT(context));
}

static u32 draw(struct writer *w, u32 below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (u32)(w->random >> 32) % below;
}

static u64 draw_ticket(struct torture_cpu *cpu)
{
	/* One counter per buffer. */
	return atomic64_inc_return(torture.global ? &torture.cpus[0].tickets : &cpu->tickets);
}

/* Sets off other contexts, on this CPU or another. Anywhere. */

#ifdef WITH_NMI
/*
 * To another CPU takes two writes to the interrupt controller. An NMI may have come between those
 * of the context it interrupted, whose interrupt would then go astray: so it keeps to the one write
 * that does for itself.
 */
static void send_nmi(u32 cpu)
{
	if (in_nmi())
		__apic_send_IPI_self(NMI_VECTOR);
	else
		__apic_send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
}
#endif

static u32 any_cpu(struct writer *w)
{
	u32 skip = draw(w, num_online_cpus()), cpu;

	if (torture.how.cpu >= 0)
		return torture.how.cpu;
	for_each_online_cpu(cpu)
		if (!skip--)
			return cpu;
	return raw_smp_processor_id();
}

static void send_ipi(u32 target)
{
	struct torture_cpu *cpu = &torture.cpus[target];

	/* To itself it would be an ordinary call. */
	if (target == raw_smp_processor_id() || atomic_cmpxchg(&cpu->csd_busy, 0, 1))
		return;
	if (smp_call_function_single_async(target, &cpu->csd))
		atomic_set(&cpu->csd_busy, 0);
}

static void disturb(struct torture_cpu *cpu, struct writer *w)
{
	u32 what = draw(w, 6);

	switch (what) {
#ifdef WITH_NMI
	case 0:
	case 1:
		if (is_on(TORTURE_NMI))
			send_nmi(what ? any_cpu(w) : cpu->id);
		break;
#endif
	case 2:
		if (is_on(TORTURE_IPI) && !in_nmi())
			send_ipi(any_cpu(w));
		break;
	case 3:
		if (is_on(TORTURE_SOFTIRQ) && !in_nmi())
			tasklet_schedule(&cpu->tasklet);
		fallthrough;
	default:
		/* On its way out of the interrupt the tasklet runs. */
		if (is_on(TORTURE_IRQ_WORK))
			irq_work_queue(&cpu->work);
	}
	for (what = draw(w, 64); what; what--)
		cpu_relax();
}

/* Writing. */

static void account(struct writer *w, long ret, u32 len)
{
	static const int errors[] = {
		[TORTURE_ENOSPC] = -ENOSPC, [TORTURE_EMSGSIZE] = -EMSGSIZE,
		[TORTURE_EBUSY] = -EBUSY, [TORTURE_EAGAIN] = -EAGAIN,
	};
	struct torture_sum *sum = &w->counts.accepted;
	u32 i = 0;

	if (ret < 0) {
		while (i < ARRAY_SIZE(errors) && errors[i] != ret)
			i++;
		/* Whatever else there is, a record that is too long is refused as such. */
		if (len > torture.subbuf_size && ret != -EMSGSIZE && ret != -EAGAIN)
			i = TORTURE_OTHER;
		sum = &w->counts.refused[i];
	} else {
		w->counts.tiny += len < sizeof(struct torture_record);
	}
	sum->records++;
	sum->bytes += len;
}

static void fill_tiny(u8 *to, u32 len, u32 cpu)
{
	for (u32 i = 0; i < len; i++)
		to[i] = torture_tiny_byte(len, cpu, i);
}

static void fill(u8 *to, const struct torture_record *head)
{
	if (head->len < sizeof(*head))
		fill_tiny(to, head->len, head->cpu);
	else
		torture_fill(to, head);
}

static u32 draw_len(struct writer *w)
{
	u32 min = torture.how.min_len, max = torture.how.max_len, odd = draw(w, 512), len;

	if (min == max)
		return min;
	if (odd == 0)
		return torture.subbuf_size + 1 + draw(w, 100);
	if (odd == 1)
		return torture.subbuf_size;
	if (odd < 32)
		return TORTURE_TINY_MIN + draw(w, TORTURE_TINY_MAX - TORTURE_TINY_MIN + 1);
	/* As many short ones as long ones, by magnitude. */
	len = min << draw(w, ilog2(max / min) + 1);
	return min(len + draw(w, len), max);
}

/* An event is a record like any, and can be written as one, or by its own functions. */
static int reserve(struct writer *w, u32 len, struct relay_slot *slot)
{
	if (torture.records && draw(w, 2))
		return relay_reserve_event(torture.chan, 0, len, slot);
	return relay_reserve(torture.chan, len, slot);
}

static ssize_t write_at_once(struct writer *w, u32 len)
{
	if (torture.records && draw(w, 2))
		return relay_write_event(torture.chan, 0, w->record, len);
	return relay_write(torture.chan, w->record, len);
}

static void write_one(struct torture_cpu *cpu, u32 context);

static void write_in_place(struct torture_cpu *cpu, u32 context, struct torture_record *head)
{
	struct writer *w = &cpu->writers[context];
	struct relay_slot slot;
	int ret;

	ret = reserve(w, head->len, &slot);
	if (ret) {
		account(w, ret, head->len);
		return;
	}
	head->after = draw_ticket(cpu);
	WARN_ON_ONCE(preemptible());
	memset(slot.data, NOT_WRITTEN, min(slot.len, sizeof(*head)));
	/* Marked, as an NMI may come in between: it leaves the count as it was. */
	WRITE_ONCE(cpu->open, READ_ONCE(cpu->open) + 1);
	/* From here to the end others write, on this CPU too. */
	while (draw(w, 2))
		disturb(cpu, w);
	if (READ_ONCE(cpu->open) < MAX_OPEN && draw(w, 4) == 0)
		write_one(cpu, context);
	if (draw(w, 4) == 0) {
		relay_discard(&slot);
		w->counts.discarded++;
	} else {
		fill(slot.data, head);
		if (draw(w, 4) == 0)
			disturb(cpu, w);
		relay_commit(&slot);
		account(w, 0, head->len);
	}
	WRITE_ONCE(cpu->open, READ_ONCE(cpu->open) - 1);
}

static void write_one(struct torture_cpu *cpu, u32 context)
{
	struct writer *w = &cpu->writers[context];
	struct torture_record head = {
		.magic = TORTURE_MAGIC,
		.len = draw_len(w),
		.cpu = cpu->id,
		.context = context,
		.number = w->number++,
	};
	u32 open = READ_ONCE(cpu->open);
	long ret;

	if (open) {
		w->counts.nested++;
		w->counts.deepest = max_t(u64, w->counts.deepest, open);
	}
	head.before = draw_ticket(cpu);
	if (draw(w, 2)) {
		write_in_place(cpu, context, &head);
		return;
	}
	/* Refused before it is looked at. */
	if (head.len <= torture.subbuf_size)
		fill(w->record, &head);
	ret = write_at_once(w, head.len);
	if (ret >= 0 && ret != head.len)
		ret = -EIO;
	account(w, ret, head.len);
}

/* The contexts. */

static void write_from(struct torture_cpu *cpu, u32 context)
{
	if (is_on(context))
		write_one(cpu, context);
}

#ifdef WITH_NMI
static int nmi_handler(unsigned int type, struct pt_regs *regs)
{
	struct torture_cpu *cpu;

	if (!READ_ONCE(torture.running))
		return NMI_DONE;
	cpu = this_torture_cpu();
	WRITE_ONCE(cpu->nmi_done, true);
	write_from(cpu, TORTURE_NMI);
	/* Several sent at once may arrive as one, so nothing tells whose this is. */
	return NMI_HANDLED;
}
#endif

static enum hrtimer_restart timer_handler(struct hrtimer *timer)
{
	struct torture_cpu *cpu = this_torture_cpu();
	struct writer *w = &cpu->writers[TORTURE_HRTIMER];

	if (!READ_ONCE(torture.active))
		return HRTIMER_NORESTART;
	write_from(cpu, TORTURE_HRTIMER);
	disturb(cpu, w);
	hrtimer_forward_now(timer, us_to_ktime(torture.how.timer_us / 2 +
					       draw(w, torture.how.timer_us)));
	return HRTIMER_RESTART;
}

static void tasklet_handler(struct tasklet_struct *tasklet)
{
	write_from(this_torture_cpu(), TORTURE_SOFTIRQ);
}

static void work_handler(struct irq_work *work)
{
	write_from(this_torture_cpu(), TORTURE_IRQ_WORK);
}

static void ipi_handler(void *info)
{
	struct torture_cpu *cpu = info;

	atomic_set(&cpu->csd_busy, 0);
	write_from(cpu, TORTURE_IPI);
}

int torture_thread(void *data)
{
	struct torture_cpu *cpu = data;
	struct writer *w = &cpu->writers[TORTURE_PROCESS];

	hrtimer_start(&cpu->timer, us_to_ktime(torture.how.timer_us), HRTIMER_MODE_REL_PINNED_HARD);
	while (!kthread_should_stop()) {
		write_from(cpu, TORTURE_PROCESS);
		if (draw(w, 4) == 0)
			disturb(cpu, w);
		if (torture.how.pause_us && draw(w, torture.how.burst) == 0)
			fsleep(1 + draw(w, 2 * torture.how.pause_us));
		cond_resched();
	}
	hrtimer_cancel(&cpu->timer);
	return 0;
}

void torture_prepare(struct torture_cpu *cpu)
{
	hrtimer_setup(&cpu->timer, timer_handler, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	tasklet_setup(&cpu->tasklet, tasklet_handler);
	cpu->work = IRQ_WORK_INIT_HARD(work_handler);
	INIT_CSD(&cpu->csd, ipi_handler, cpu);
}

static void nothing(void *info)
{
}

/* Stops all; waits until nothing that was set off is under way. */
void torture_settle(void)
{
	u32 id;

	WRITE_ONCE(torture.active, false);
	for_each_possible_cpu(id) {
		if (torture.cpus[id].thread)
			kthread_stop(torture.cpus[id].thread);
		torture.cpus[id].thread = NULL;
	}
	/* Twice: an interrupt that began before may have set off another. */
	for (int i = 0; i < 2; i++) {
		on_each_cpu(nothing, NULL, 1);
		for_each_possible_cpu(id) {
			tasklet_kill(&torture.cpus[id].tasklet);
			irq_work_sync(&torture.cpus[id].work);
		}
	}
#ifdef WITH_NMI
	/* An NMI that is still to come merges with this one. */
	for_each_online_cpu(id) {
		int ms = 0;

		WRITE_ONCE(torture.cpus[id].nmi_done, false);
		smp_mb(); /* before the handler can set it */
		send_nmi(id);
		while (!READ_ONCE(torture.cpus[id].nmi_done) && !WARN_ON(++ms > 60000))
			usleep_range(1000, 2000);
	}
#endif
	WRITE_ONCE(torture.running, false);
}

int torture_register(void)
{
#ifdef WITH_NMI
	return register_nmi_handler(NMI_LOCAL, nmi_handler, 0, "relayfs_torture");
#else
	return 0;
#endif
}

void torture_unregister(void)
{
#ifdef WITH_NMI
	unregister_nmi_handler(NMI_LOCAL, "relayfs_torture");
#endif
}
