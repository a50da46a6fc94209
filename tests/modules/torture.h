/* SPDX-License-Identifier: GPL-2.0 */
/* The torture client: what its parts share. */
#ifndef TORTURE_H
#define TORTURE_H

#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/mutex.h>
#include <linux/relayfs_fs.h>
#include <linux/smp.h>

#include "relayfs_torture.h"

#if defined(CONFIG_X86) && defined(CONFIG_X86_LOCAL_APIC) && defined(CONFIG_SMP)
#define WITH_NMI
#endif

/* One context of one CPU: it never interrupts itself, so all this is its own. */
struct writer {
	u64 random;
	u64 number;
	u8 *record;
	struct torture_counts counts;
};

struct torture_cpu {
	struct writer writers[TORTURE_CONTEXTS];
	u32 id;
	u32 open;		/* slots reserved and not ended */
	atomic64_t tickets;
	struct task_struct *thread;
	struct hrtimer timer;
	struct tasklet_struct tasklet;
	struct irq_work work;
	call_single_data_t csd;
	atomic_t csd_busy;
	bool nmi_done;
};

struct torture {
	atomic_t in_use;
	struct mutex lock;	/* the ioctls */
	struct rchan *chan;
	u64 subbuf_size;
	void *init_buf;
	size_t init_buf_size;
	bool global;
	bool records;
	bool running;		/* threads exist; under the lock */
	bool active;		/* may write; read by all */
	struct torture_start how;
	struct torture_cpu *cpus;
};

extern struct torture torture;

/* torture_read.c: readers in the kernel. */
int torture_add_reader(struct torture_reader *reader);
long torture_read(struct torture_read __user *user);
void torture_remove_readers(void);

/* torture_write.c: the contexts, and what they write. */
void torture_prepare(struct torture_cpu *cpu);
int torture_thread(void *data);
void torture_settle(void);
int torture_register(void);
void torture_unregister(void);

#endif
