// SPDX-License-Identifier: GPL-2.0
/*
 * What the tasks of the system do: switches, programs started and ended, system calls, as the
 * binary records of systrace.h. systrace_read.c prints them:
 * systrace_read /sys/kernel/relay/systrace.d
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/binfmts.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/relayfs_fs.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <trace/events/sched.h>
#include <trace/events/syscalls.h>
#include "systrace.h"

static char *path = "systrace";
module_param(path, charp, 0444);
MODULE_PARM_DESC(path, "Name of the channel (default: systrace)");

static ulong subbuf_size;
module_param(subbuf_size, ulong, 0444);
MODULE_PARM_DESC(subbuf_size, "Bytes in a sub-buffer, a power of two (default: 64 KiB)");

static uint n_subbufs;
module_param(n_subbufs, uint, 0444);
MODULE_PARM_DESC(n_subbufs, "Sub-buffers for each CPU, a power of two (default: 8)");

static bool overwrite = true;
module_param(overwrite, bool, 0444);
MODULE_PARM_DESC(overwrite, "When full: overwrite the oldest records, not refuse new ones (default: Y)");

static bool syscalls = true;
module_param(syscalls, bool, 0444);
MODULE_PARM_DESC(syscalls, "Record system calls too (default: Y)");

static struct rchan *chan;
static DEFINE_PER_CPU(u64, next_seq);

/*
 * Begins a record on this CPU: gives it its number and, if there is room, a slot.
 *
 * The order of numbers is the order in the buffer because none of the traced events can happen
 * between the two: with preemption off the CPU stays with this task, and what may interrupt it
 * neither switches tasks nor makes system calls. (sys_enter and its like run with preemption on.)
 */
static void *begin(struct relay_slot *slot, enum systrace_type type, size_t len)
{
	struct systrace_head *head;
	u64 seq;

	preempt_disable();
	seq = __this_cpu_inc_return(next_seq) - 1;
	if (relay_reserve(chan, len, slot)) {
		preempt_enable();
		return NULL;
	}
	head = slot->data;
	*head = (struct systrace_head) {
		.time = ktime_get_mono_fast_ns(),
		.seq = seq,
		.type = type,
		.len = len,
		.cpu = smp_processor_id(),
		.pid = current->pid,
		.tgid = current->tgid,
	};
	return head;
}

static void end(struct relay_slot *slot)
{
	relay_commit(slot);
	preempt_enable();
}

/* Inside the scheduler, which holds a run queue's lock: nothing here may wake anybody. */
static void probe_sched_switch(void *data, bool preempt, struct task_struct *prev,
			       struct task_struct *next, unsigned int prev_state)
{
	struct relay_slot slot;
	struct systrace_switch *rec = begin(&slot, SYSTRACE_SWITCH, sizeof(*rec));

	if (!rec)
		return;
	rec->next_pid = next->pid;
	rec->prev_state = preempt ? 0 : prev_state;
	/* It may be changing: a mixture of old and new is possible, no zero at its end is not. */
	memcpy(rec->next_comm, next->comm, sizeof(rec->next_comm));
	rec->next_comm[sizeof(rec->next_comm) - 1] = '\0';
	end(&slot);
}

static void probe_sched_process_exec(void *data, struct task_struct *task, pid_t old_pid,
				     struct linux_binprm *bprm)
{
	size_t len = strnlen(bprm->filename, SYSTRACE_FILENAME_MAX - 1);
	size_t room = ALIGN(len + 1, 8);
	struct relay_slot slot;
	struct systrace_exec *rec = begin(&slot, SYSTRACE_EXEC, sizeof(*rec) + room);

	if (!rec)
		return;
	memcpy(rec->filename, bprm->filename, len);
	memset(rec->filename + len, 0, room - len);
	end(&slot);
}

static void probe_sched_process_exit(void *data, struct task_struct *task, bool group_dead)
{
	struct relay_slot slot;
	struct systrace_exit *rec = begin(&slot, SYSTRACE_EXIT, sizeof(*rec));

	if (!rec)
		return;
	rec->code = task->exit_code;
	rec->group_dead = group_dead;
	memcpy(rec->comm, task->comm, sizeof(rec->comm));
	rec->comm[sizeof(rec->comm) - 1] = '\0';
	end(&slot);
}

static void probe_sys_enter(void *data, struct pt_regs *regs, long nr)
{
	unsigned long args[6];
	struct relay_slot slot;
	struct systrace_sys_enter *rec = begin(&slot, SYSTRACE_SYS_ENTER, sizeof(*rec));

	if (!rec)
		return;
	syscall_get_arguments(current, regs, args);
	rec->nr = nr;
	for (int i = 0; i < ARRAY_SIZE(args); i++)
		rec->args[i] = args[i];
	end(&slot);
}

static void probe_sys_exit(void *data, struct pt_regs *regs, long ret)
{
	struct relay_slot slot;
	struct systrace_sys_exit *rec = begin(&slot, SYSTRACE_SYS_EXIT, sizeof(*rec));

	if (!rec)
		return;
	rec->nr = syscall_get_nr(current, regs);
	rec->ret = ret;
	end(&slot);
}

/* These tracepoints are not exported to modules: they are found by name. */
static struct source {
	const char *name;
	void *probe;
	struct tracepoint *tp;
	bool is_on;
} sources[] = {
	{ "sched_switch", probe_sched_switch },
	{ "sched_process_exec", probe_sched_process_exec },
	{ "sched_process_exit", probe_sched_process_exit },
	/* The last two need the parameter syscalls. */
	{ "sys_enter", probe_sys_enter },
	{ "sys_exit", probe_sys_exit },
};

/* The table keeps a probe as void *. This does not compile if one is not what is called. */
static void __maybe_unused check_types(void)
{
	check_trace_callback_type_sched_switch(probe_sched_switch);
	check_trace_callback_type_sched_process_exec(probe_sched_process_exec);
	check_trace_callback_type_sched_process_exit(probe_sched_process_exit);
	check_trace_callback_type_sys_enter(probe_sys_enter);
	check_trace_callback_type_sys_exit(probe_sys_exit);
}

static void find(struct tracepoint *tp, void *unused)
{
	for (int i = 0; i < ARRAY_SIZE(sources); i++) {
		if (!strcmp(tp->name, sources[i].name))
			sources[i].tp = tp;
	}
}

static void stop(void)
{
	for (int i = 0; i < ARRAY_SIZE(sources); i++) {
		if (sources[i].is_on)
			tracepoint_probe_unregister(sources[i].tp, sources[i].probe, NULL);
	}
	/* A probe may still be running, and writes until it is done. */
	tracepoint_synchronize_unregister();
}

static int start(void)
{
	int n = syscalls ? ARRAY_SIZE(sources) : ARRAY_SIZE(sources) - 2;

	for_each_kernel_tracepoint(find, NULL);
	for (int i = 0; i < n; i++) {
		struct source *source = &sources[i];
		int err = source->tp ?
			tracepoint_probe_register(source->tp, source->probe, NULL) : -ENOENT;

		if (err) {
			pr_err("tracepoint %s: error %d\n", source->name, err);
			return err;
		}
		source->is_on = true;
	}
	return 0;
}

static int __init systrace_init(void)
{
	const struct rchan_attr attr = {
		.size = sizeof(attr),
		/*
		 * Records are many, and a reader who was told of each would make several of each:
		 * tell it of full sub-buffers, and every flush_interval_ms.
		 */
		.flags = RELAY_DELIVERY_BULK |
			 (overwrite ? RELAY_MODE_CONTINUOUS : RELAY_MODE_NO_OVERWRITE),
		.subbuf_size = subbuf_size,
		.n_subbufs = n_subbufs,
	};
	int err;

	chan = relay_open(path, &attr);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	err = start();
	if (err) {
		stop();
		relay_close(chan);
	}
	return err;
}
module_init(systrace_init);

static void __exit systrace_exit(void)
{
	stop();
	relay_close(chan);
}
module_exit(systrace_exit);

MODULE_DESCRIPTION("relayfs: what tasks do, as binary records");
MODULE_LICENSE("GPL");
