/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Input of the module's own bindgen run: what the kernel crate's bindings lack, our headers, and
 * inline C wrapped in helpers.c.
 */
#ifndef RELAYFS_BINDINGS_HELPER_H
#define RELAYFS_BINDINGS_HELPER_H

#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/pipe_fs_i.h>
#include <linux/relayfs_fs.h>
#include <linux/splice.h>
#include <linux/statfs.h>
#include <linux/string_helpers.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <uapi/linux/eventpoll.h>
#include <uapi/linux/relayfs.h>

/* What bindgen does not see. */
static const unsigned int RELAYFS_FIRST_NODE = RELAY_NODE(0);
static const unsigned int RELAYFS_ESCAPE_OCTAL = ESCAPE_OCTAL;
static const unsigned int RELAYFS_SB_RDONLY = SB_RDONLY;

/* Casts that bindgen does not evaluate. */
static const int RELAYFS_IOCB_NOWAIT = (__force int)IOCB_NOWAIT;
static const unsigned int RELAYFS_FMODE_NOWAIT = (__force unsigned int)FMODE_NOWAIT;
static const unsigned int RELAYFS_FMODE_LSEEK = (__force unsigned int)FMODE_LSEEK;
static const unsigned int RELAYFS_FMODE_CAN_WRITE = (__force unsigned int)FMODE_CAN_WRITE;
static const unsigned int RELAYFS_POLL_HUP = POLL_HUP;
static const unsigned int RELAYFS_POLL_IN = POLL_IN;
static const unsigned int RELAYFS_SPLICE_F_NONBLOCK = SPLICE_F_NONBLOCK;
static const unsigned int RELAYFS_EPOLLET = (__force unsigned int)EPOLLET;

struct page *relayfs_helper_alloc_page(int node);
unsigned int relayfs_helper_context_level(void);
bool relayfs_helper_cpu_online(unsigned int cpu);
bool relayfs_helper_cpu_possible(unsigned int cpu);
int relayfs_helper_cpu_to_node(unsigned int cpu);
bool relayfs_helper_has_tsc(void);
bool relayfs_helper_in_nmi(void);
bool relayfs_helper_irqs_disabled(void);
struct dentry *relayfs_helper_lookup(struct dentry *parent, const char *name);
void relayfs_helper_init_delayed_work(struct delayed_work *work, work_func_t func);
void relayfs_helper_init_irq_work_hard(struct irq_work *work, void (*func)(struct irq_work *work));
int relayfs_helper_locked_down(void);
bool relayfs_helper_may_go_on(void);
bool relayfs_helper_may_sleep(void);
s64 relayfs_helper_mono_to_real(s64 mono);
void relayfs_helper_mod_delayed_work(struct delayed_work *work, unsigned long delay);
bool relayfs_helper_node_online(unsigned int node);
int relayfs_helper_pipe_add(struct pipe_inode_info *pipe, struct page *page, unsigned int len);
bool relayfs_helper_pipe_has_readers(struct pipe_inode_info *pipe);
unsigned int relayfs_helper_pipe_room(struct pipe_inode_info *pipe);
struct wait_queue_head *relayfs_helper_pipe_writers(struct pipe_inode_info *pipe);
void *relayfs_helper_per_cpu_ptr(unsigned long slots, unsigned int cpu);
void relayfs_helper_preempt_disable(void);
void relayfs_helper_preempt_enable(void);
void relayfs_helper_raw_spin_lock(raw_spinlock_t *lock);
void relayfs_helper_raw_spin_lock_init(raw_spinlock_t *lock);
void relayfs_helper_raw_spin_unlock(raw_spinlock_t *lock);
void relayfs_helper_set_mtime(struct inode *inode, s64 ns);
void relayfs_helper_synchronize_rcu_tasks(void);
void *relayfs_helper_this_cpu_ptr(unsigned long slots);
unsigned int relayfs_helper_tsc_khz(void);
void relayfs_helper_uts(char *host, char *release, size_t size);
void *relayfs_helper_vmap(struct page **pages, unsigned int count);
bool relayfs_helper_wq_has_sleeper(struct wait_queue_head *wq);

/* From memory.rs, for parameters.c. */
u64 relayfs_max_bytes(void);
int relayfs_set_max_bytes(const char *value);
u64 relayfs_used_bytes(void);

#endif
