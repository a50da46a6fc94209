/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _SYSTRACE_H
#define _SYSTRACE_H

/**
 * DOC: what the sample systrace writes
 *
 * A buffer is a sequence of records, each a struct systrace_head and what its type adds. All
 * lengths are multiples of 8, so records lie aligned where the first does.
 *
 * The records of a CPU are numbered from 0 in the order in which they lie in its buffer, and one
 * that could not be written keeps its number. So for a reader who starts with a new channel:
 * a number lower than expected is a record doubled or out of order, which is never right; a number
 * higher by n means that n records were lost, and these must be those the channel counted.
 */

#include <linux/types.h>

/**
 * enum systrace_type - types of records
 * @SYSTRACE_SWITCH: a CPU goes from the task in the head to another: struct systrace_switch
 * @SYSTRACE_EXEC: a task now runs another program: struct systrace_exec
 * @SYSTRACE_EXIT: a task ends: struct systrace_exit
 * @SYSTRACE_SYS_ENTER: a system call begins: struct systrace_sys_enter
 * @SYSTRACE_SYS_EXIT: a system call returns: struct systrace_sys_exit
 * @SYSTRACE_TYPES: number of types
 */
enum systrace_type {
	SYSTRACE_SWITCH,
	SYSTRACE_EXEC,
	SYSTRACE_EXIT,
	SYSTRACE_SYS_ENTER,
	SYSTRACE_SYS_EXIT,
	SYSTRACE_TYPES
};

#define SYSTRACE_COMM_LEN	16
/* A file name longer than this is cut off. */
#define SYSTRACE_FILENAME_MAX	256

/**
 * struct systrace_head - begins each record
 * @time: CLOCK_MONOTONIC in ns
 * @seq: number of the record on its CPU, from 0
 * @type: enum systrace_type
 * @len: bytes in the record, this head included
 * @cpu: the CPU
 * @pid: the task (what gettid(2) gives)
 * @tgid: its process (what getpid(2) gives)
 */
struct systrace_head {
	__u64 time;
	__u64 seq;
	__u16 type;
	__u16 len;
	__u32 cpu;
	__u32 pid;
	__u32 tgid;
};

/**
 * struct systrace_switch - SYSTRACE_SWITCH
 * @head: begins each record
 * @next_pid: the task that runs now
 * @prev_state: why the other does not, as in the kernel's task_struct::__state; 0: it would
 * @next_comm: name of the task that runs now, with a zero at the end
 */
struct systrace_switch {
	struct systrace_head head;
	__u32 next_pid;
	__u32 prev_state;
	char next_comm[SYSTRACE_COMM_LEN];
};

/**
 * struct systrace_exec - SYSTRACE_EXEC
 * @head: begins each record
 * @filename: the program, filled up with zeroes, at least one
 */
struct systrace_exec {
	struct systrace_head head;
	char filename[];
};

/**
 * struct systrace_exit - SYSTRACE_EXIT
 * @head: begins each record
 * @code: as wait(2) gives it
 * @group_dead: it was the last task of its process
 * @comm: name of the task, with a zero at the end
 */
struct systrace_exit {
	struct systrace_head head;
	__u32 code;
	__u32 group_dead;
	char comm[SYSTRACE_COMM_LEN];
};

/**
 * struct systrace_sys_enter - SYSTRACE_SYS_ENTER
 * @head: begins each record
 * @nr: number of the system call
 * @args: its arguments
 */
struct systrace_sys_enter {
	struct systrace_head head;
	__s64 nr;
	__u64 args[6];
};

/**
 * struct systrace_sys_exit - SYSTRACE_SYS_EXIT
 * @head: begins each record
 * @nr: number of the system call
 * @ret: what it returns
 */
struct systrace_sys_exit {
	struct systrace_head head;
	__s64 nr;
	__s64 ret;
};

#endif /* _SYSTRACE_H */
