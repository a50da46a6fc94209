// SPDX-License-Identifier: GPL-2.0
/*
 * What the tasks of the system do: switches, programs started and ended, system calls, as the
 * events of systrace.h. systrace_read.c prints them: systrace_read /sys/kernel/relay/systrace.d; so
 * does babeltrace2, from a copy of that folder's metadata and cpu files.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/binfmts.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/relayfs_events.h>
#include <linux/sched.h>
#include <linux/string.h>
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
MODULE_PARM_DESC(overwrite, "When full: overwrite the oldest events, not refuse new ones (default: Y)");

static bool syscalls = true;
module_param(syscalls, bool, 0444);
MODULE_PARM_DESC(syscalls, "Record system calls too (default: Y)");

RELAY_EVENTS(systrace, SYSTRACE_EVENTS);

/* What systrace_read.c goes by. */
#define SAME(event, last)									\
	static_assert(offsetof(struct relay_event_##event, last) ==				\
		      offsetof(struct systrace_##event, last) &&				\
		      (int)relay_event_##event##_id == (int)SYSTRACE_##event)
SAME(sched_switch, next_comm);
SAME(exec, filename);
SAME(exit, comm);
SAME(sys_enter, args);
SAME(sys_exit, ret);

static struct rchan *chan;
static DEFINE_PER_CPU(u64, next_seq);

/*
 * Begins an event on this CPU: gives it its number.
 *
 * The order of numbers is the order in the buffer because none of the traced events can happen
 * between the two: with preemption off the CPU stays with this task, and what may interrupt it
 * neither switches tasks nor makes system calls. (sys_enter and its like run with preemption on.)
 */
static u64 begin(void)
{
	preempt_disable();
	return __this_cpu_inc_return(next_seq) - 1;
}

static void end(void)
{
	preempt_enable();
}

/* Inside the scheduler, which holds a run queue's lock: nothing here may wake anybody. */
static void probe_sched_switch(void *data, bool preempt, struct task_struct *prev,
			       struct task_struct *next, unsigned int prev_state)
{
	relay_event_sched_switch(chan, begin(), current->pid, current->tgid, next->pid,
				 preempt ? 0 : prev_state, next->comm);
	end();
}

static void probe_sched_process_exec(void *data, struct task_struct *task, pid_t old_pid,
				     struct linux_binprm *bprm)
{
	relay_event_exec(chan, begin(), current->pid, current->tgid, bprm->filename);
	end();
}

static void probe_sched_process_exit(void *data, struct task_struct *task, bool group_dead)
{
	relay_event_exit(chan, begin(), current->pid, current->tgid, task->exit_code, group_dead,
			 task->comm);
	end();
}

static void probe_sys_enter(void *data, struct pt_regs *regs, long nr)
{
	unsigned long got[6];
	u64 args[6];

	syscall_get_arguments(current, regs, got);
	for (int i = 0; i < ARRAY_SIZE(args); i++)
		args[i] = got[i];
	relay_event_sys_enter(chan, begin(), current->pid, current->tgid, nr, args);
	end();
}

static void probe_sys_exit(void *data, struct pt_regs *regs, long ret)
{
	relay_event_sys_exit(chan, begin(), current->pid, current->tgid,
			     syscall_get_nr(current, regs), ret);
	end();
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
		 * Events are many, and a reader who was told of each would make several of each:
		 * tell it of full sub-buffers, and every flush_interval_ms.
		 */
		.flags = RELAY_FORMAT_RECORDS | RELAY_DELIVERY_BULK |
			 (overwrite ? RELAY_MODE_CONTINUOUS : RELAY_MODE_NO_OVERWRITE),
		.subbuf_size = subbuf_size,
		.n_subbufs = n_subbufs,
		.schema = &systrace,
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

MODULE_DESCRIPTION("relayfs: what tasks do, as events");
MODULE_LICENSE("GPL");
