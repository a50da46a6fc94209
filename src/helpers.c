// SPDX-License-Identifier: GPL-2.0
/* Inline C that Rust cannot call, wrapped; alphabetical. */

#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/namei.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/pipe_fs_i.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/spinlock.h>
#include <linux/splice.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/topology.h>
#include <linux/utsname.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#ifdef CONFIG_X86
#include <asm/cpufeature.h>
#include <asm/tsc.h>
#endif

#include "bindings/helper.h"

/* Fail rather than call the OOM killer, and say nothing. */
struct page *relayfs_helper_alloc_page(int node)
{
	return alloc_pages_node(node, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN |
				__GFP_RETRY_MAYFAIL, 0);
}

/* 0: a task, 1: a soft interrupt, 2: a hard one, 3: an NMI. */
unsigned int relayfs_helper_context_level(void)
{
	if (in_nmi())
		return 3;
	if (in_hardirq())
		return 2;
	return in_serving_softirq() ? 1 : 0;
}

bool relayfs_helper_cpu_online(unsigned int cpu)
{
	return cpu_online(cpu);
}

bool relayfs_helper_cpu_possible(unsigned int cpu)
{
	return cpu_possible(cpu);
}

int relayfs_helper_cpu_to_node(unsigned int cpu)
{
	return cpu_to_node(cpu);
}

/* Whether each CPU has a counter of cycles that can be read. */
bool relayfs_helper_has_tsc(void)
{
#ifdef CONFIG_X86_64
	return boot_cpu_has(X86_FEATURE_TSC);
#else
	return false;
#endif
}

bool relayfs_helper_in_nmi(void)
{
	return in_nmi();
}

struct dentry *relayfs_helper_lookup(struct dentry *parent, const char *name)
{
	return lookup_noperm_positive_unlocked(&QSTR(name), parent);
}

bool relayfs_helper_irqs_disabled(void)
{
	return irqs_disabled();
}

void relayfs_helper_init_delayed_work(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

void relayfs_helper_init_irq_work_hard(struct irq_work *work, void (*func)(struct irq_work *work))
{
	*work = IRQ_WORK_INIT_HARD(func);
}

/* CLOCK_REALTIME, when CLOCK_MONOTONIC is @mono; both in ns. */
s64 relayfs_helper_mono_to_real(s64 mono)
{
	return ktime_to_ns(ktime_mono_to_real(ns_to_ktime(mono)));
}

int relayfs_helper_locked_down(void)
{
	return security_locked_down(LOCKDOWN_TRACEFS);
}

/* For long loops: lets others run; false if the task is being killed. */
bool relayfs_helper_may_go_on(void)
{
	cond_resched();
	return !fatal_signal_pending(current);
}

void relayfs_helper_mod_delayed_work(struct delayed_work *work, unsigned long delay)
{
	mod_delayed_work(system_dfl_wq, work, delay);
}

/* Whether this is a task that may sleep, as far as one can know. */
bool relayfs_helper_may_sleep(void)
{
	return preemptible() && !in_interrupt() && !rcu_preempt_depth();
}

bool relayfs_helper_node_online(unsigned int node)
{
	return node < MAX_NUMNODES && node_online(node);
}

/* Gives @page, which is the caller's, to a pipe that is locked; also if that fails. */
int relayfs_helper_pipe_add(struct pipe_inode_info *pipe, struct page *page, unsigned int len)
{
	struct pipe_buffer buf = { .ops = &nosteal_pipe_buf_ops, .page = page, .len = len };

	return add_to_pipe(pipe, &buf);
}

bool relayfs_helper_pipe_has_readers(struct pipe_inode_info *pipe)
{
	return READ_ONCE(pipe->readers);
}

/* In pages; exact if the pipe is locked. */
unsigned int relayfs_helper_pipe_room(struct pipe_inode_info *pipe)
{
	unsigned int used = pipe_buf_usage(pipe);

	return used < pipe->max_usage ? pipe->max_usage - used : 0;
}

/* Those who wait for room. */
struct wait_queue_head *relayfs_helper_pipe_writers(struct pipe_inode_info *pipe)
{
	return &pipe->wr_wait;
}

void *relayfs_helper_per_cpu_ptr(unsigned long slots, unsigned int cpu)
{
	return per_cpu_ptr((void __percpu *)slots, cpu);
}

void relayfs_helper_preempt_disable(void)
{
	preempt_disable();
}

void relayfs_helper_preempt_enable(void)
{
	preempt_enable();
}

void relayfs_helper_raw_spin_lock(raw_spinlock_t *lock)
{
	raw_spin_lock(lock);
}

void relayfs_helper_raw_spin_lock_init(raw_spinlock_t *lock)
{
	raw_spin_lock_init(lock);
}

void relayfs_helper_raw_spin_unlock(raw_spinlock_t *lock)
{
	raw_spin_unlock(lock);
}

/* The time of the last change, of contents and of attributes; not back. */
void relayfs_helper_set_mtime(struct inode *inode, s64 ns)
{
	struct timespec64 now = ns_to_timespec64(ns), before = inode_get_mtime(inode);

	if (timespec64_compare(&before, &now) < 0) {
		inode_set_mtime_to_ts(inode, now);
		inode_set_ctime_to_ts(inode, now);
	}
}

void relayfs_helper_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}

void *relayfs_helper_this_cpu_ptr(unsigned long slots)
{
	return this_cpu_ptr((void __percpu *)slots);
}

/* 0: there is no such counter, or nothing is known of it. */
unsigned int relayfs_helper_tsc_khz(void)
{
#ifdef CONFIG_X86_TSC
	return tsc_khz;
#else
	return 0;
#endif
}

/* Name of the host and of the kernel, each in @size bytes. */
void relayfs_helper_uts(char *host, char *release, size_t size)
{
	strscpy(host, init_uts_ns.name.nodename, size);
	strscpy(release, init_uts_ns.name.release, size);
}

void *relayfs_helper_vmap(struct page **pages, unsigned int count)
{
	return vmap(pages, count, VM_MAP, PAGE_KERNEL);
}

bool relayfs_helper_wq_has_sleeper(struct wait_queue_head *wq)
{
	return wq_has_sleeper(wq);
}
