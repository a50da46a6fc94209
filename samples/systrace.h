/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _SYSTRACE_H
#define _SYSTRACE_H

/**
 * DOC: what the sample systrace writes
 *
 * Each event begins with its number on its CPU and the task it is of. The events of a CPU are
 * numbered from 0 in the order in which they lie in its buffer, and one that could not be written
 * keeps its number. So for a reader who starts with a new channel: a number lower than expected is
 * an event doubled or out of order, which is never right; a number higher by n means that n events
 * were lost, and these must be those the channel counted.
 */

#include <linux/types.h>

/* The events, for <linux/relayfs_events.h>: pid is that of gettid(2), tgid that of getpid(2). */
#define SYSTRACE_EVENTS(EVENT)								\
	/* A CPU goes to another task. */						\
	EVENT(sched_switch, (u64, seq), (u32, pid), (u32, tgid),			\
	      (u32, next_pid), (x32, prev_state), (text, next_comm, SYSTRACE_COMM_LEN))	\
	/* A task now runs another program. */						\
	EVENT(exec, (u64, seq), (u32, pid), (u32, tgid), (string, filename))		\
	/* A task ends. */								\
	EVENT(exit, (u64, seq), (u32, pid), (u32, tgid),				\
	      (x32, code), (u32, group_dead), (text, comm, SYSTRACE_COMM_LEN))		\
	/* A system call begins, and returns. */					\
	EVENT(sys_enter, (u64, seq), (u32, pid), (u32, tgid), (s64, nr),		\
	      (array, x64, args, 6))							\
	EVENT(sys_exit, (u64, seq), (u32, pid), (u32, tgid), (s64, nr), (s64, ret))

#define SYSTRACE_COMM_LEN	16

/*
 * The same for readers that do without the metadata; systrace.c asserts that it is the same.
 */
enum systrace_type {
	SYSTRACE_sched_switch,
	SYSTRACE_exec,
	SYSTRACE_exit,
	SYSTRACE_sys_enter,
	SYSTRACE_sys_exit,
	SYSTRACE_TYPES
};

/**
 * struct systrace_head - begins each event
 * @seq: number of the event on its CPU, from 0
 * @pid: the task (what gettid(2) gives)
 * @tgid: its process (what getpid(2) gives)
 */
struct systrace_head {
	__u64 seq;
	__u32 pid;
	__u32 tgid;
};

/**
 * struct systrace_sched_switch - a CPU goes from the task in the head to another
 * @head: begins each event
 * @next_pid: the task that runs now
 * @prev_state: why the other does not, as in the kernel's task_struct::__state; 0: it would
 * @next_comm: name of the task that runs now, filled up with zeroes
 */
struct systrace_sched_switch {
	struct systrace_head head;
	__u32 next_pid;
	__u32 prev_state;
	char next_comm[SYSTRACE_COMM_LEN];
};

/**
 * struct systrace_exec - a task now runs another program
 * @head: begins each event
 * @filename: the program, with a zero at the end
 */
struct systrace_exec {
	struct systrace_head head;
	char filename[];
};

/**
 * struct systrace_exit - a task ends
 * @head: begins each event
 * @code: as wait(2) gives it
 * @group_dead: it was the last task of its process
 * @comm: name of the task, filled up with zeroes
 */
struct systrace_exit {
	struct systrace_head head;
	__u32 code;
	__u32 group_dead;
	char comm[SYSTRACE_COMM_LEN];
};

/**
 * struct systrace_sys_enter - a system call begins
 * @head: begins each event
 * @nr: number of the system call
 * @args: its arguments
 */
struct systrace_sys_enter {
	struct systrace_head head;
	__s64 nr;
	__u64 args[6];
};

/**
 * struct systrace_sys_exit - a system call returns
 * @head: begins each event
 * @nr: number of the system call
 * @ret: what it returns
 */
struct systrace_sys_exit {
	struct systrace_head head;
	__s64 nr;
	__s64 ret;
};

#endif /* _SYSTRACE_H */
