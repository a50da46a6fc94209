// SPDX-License-Identifier: GPL-2.0
/*
 * A client that writes to one channel from every context of every CPU at once, nested in one
 * another wherever that is possible, and counts exactly what became of each record.
 * /dev/relayfs_torture tells it what to do; one at a time may have it open.
 */

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "torture.h"

struct torture torture = { .lock = __MUTEX_INITIALIZER(torture.lock) };

static int do_start(struct torture_start *how)
{
	u32 id;

	if (!torture.chan || torture.running)
		return -EBUSY;
	if (how->min_len < sizeof(struct torture_record) || how->min_len > how->max_len ||
	    how->max_len > torture.subbuf_size || how->timer_us < 10 || !how->burst ||
	    (how->cpu >= 0 && (how->cpu >= nr_cpu_ids || !cpu_online(how->cpu))))
		return -EINVAL;
#ifndef WITH_NMI
	how->contexts &= ~BIT(TORTURE_NMI);
#endif
	if (num_online_cpus() == 1)
		how->contexts &= ~BIT(TORTURE_IPI);
	torture.how = *how;
	torture.running = true;
	WRITE_ONCE(torture.active, true);
	for_each_online_cpu(id) {
		struct torture_cpu *cpu = &torture.cpus[id];

		if (how->cpu >= 0 && how->cpu != id)
			continue;
		for (int i = 0; i < TORTURE_CONTEXTS; i++)
			cpu->writers[i].random = (how->seed + id * 7919 + i * 104729) *
						 0x9e3779b97f4a7c15ull + 1;
		cpu->thread = kthread_run_on_cpu(torture_thread, cpu, id, "relayfs_torture/%u");
		if (IS_ERR(cpu->thread)) {
			int ret = PTR_ERR(cpu->thread);

			cpu->thread = NULL;
			torture_settle();
			return ret;
		}
	}
	return 0;
}

static void do_close(void)
{
	if (torture.running)
		torture_settle();
	relay_close(torture.chan);
	torture.chan = NULL;
	vfree(torture.init_buf);
	torture.init_buf = NULL;
}

/* The accounts outlive the channel. */
static void forget(void)
{
	u32 id;

	for (id = 0; torture.cpus && id < nr_cpu_ids; id++)
		for (int i = 0; i < TORTURE_CONTEXTS; i++)
			kvfree(torture.cpus[id].writers[i].record);
	kvfree(torture.cpus);
	torture.cpus = NULL;
}

static int make_cpu(u32 id)
{
	struct torture_cpu *cpu = &torture.cpus[id];

	cpu->id = id;
	torture_prepare(cpu);
	for (int i = 0; i < TORTURE_CONTEXTS; i++) {
		cpu->writers[i].record = kvmalloc(torture.subbuf_size, GFP_KERNEL);
		if (!cpu->writers[i].record)
			return -ENOMEM;
	}
	return 0;
}

static int make_cpus(void)
{
	u32 id;

	torture.cpus = kvcalloc(nr_cpu_ids, sizeof(*torture.cpus), GFP_KERNEL);
	if (!torture.cpus)
		return -ENOMEM;
	for_each_possible_cpu(id) {
		if (make_cpu(id)) {
			forget();
			return -ENOMEM;
		}
	}
	return 0;
}

static int do_open(const struct torture_open *o)
{
	struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = o->flags,
		.subbuf_size = o->subbuf_size,
		.n_subbufs = o->n_subbufs,
		.flush_interval_ms = o->flush_interval_ms,
	};
	struct rchan *chan;
	char *path;
	int ret;

	if (torture.chan)
		return -EBUSY;
	torture_remove_readers();
	forget();
	if (o->init_buf) {
		torture.init_buf_size = o->subbuf_size * o->n_subbufs;
		torture.init_buf = vmalloc(torture.init_buf_size);
		if (!torture.init_buf)
			return -ENOMEM;
		attr.init_buf = torture.init_buf;
		attr.init_buf_size = torture.init_buf_size;
	}
	torture.subbuf_size = o->subbuf_size;
	torture.global = o->flags & RELAY_USAGE_GLOBAL;
	torture.records = o->flags & RELAY_FORMAT_RECORDS;
	ret = make_cpus();
	if (ret)
		return ret;
	path = strndup_user(u64_to_user_ptr(o->path), PATH_MAX);
	if (IS_ERR(path))
		return PTR_ERR(path);
	chan = relay_open(path, &attr);
	kfree(path);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	torture.chan = chan;
	return 0;
}

static int do_resize(const struct torture_resize *r)
{
	int ret;

	if (!torture.chan || r->subbuf_size > torture.subbuf_size)
		return -EINVAL;
	ret = relay_realloc_buffer(torture.chan, r->subbuf_size, r->n_subbufs);
	return ret ?: relay_replace_buffer(torture.chan);
}

static int do_discard(void)
{
	int ret = torture.chan ? relay_discard_init_buf(torture.chan) : -EINVAL;

	/* It is ours again: nobody looks at it. */
	if (!ret)
		memset(torture.init_buf, 0xdb, torture.init_buf_size);
	return ret;
}

static int do_counts(struct torture_counts *c)
{
	u32 cpu = c->cpu, context = c->context;

	if (!torture.cpus || cpu >= nr_cpu_ids || context >= TORTURE_CONTEXTS)
		return -EINVAL;
	*c = torture.cpus[cpu].writers[context].counts;
	c->cpu = cpu;
	c->context = context;
	return 0;
}

static long torture_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	union {
		struct torture_open open;
		struct torture_start start;
		struct torture_counts counts;
		struct torture_resize resize;
		struct torture_reader reader;
	} u;
	long ret = 0;

	if (cmd == TORTURE_READ)
		return torture_read(user);
	if (_IOC_SIZE(cmd) > sizeof(u))
		return -ENOTTY;
	if (copy_from_user(&u, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	guard(mutex)(&torture.lock);
	switch (cmd) {
	case TORTURE_OPEN:
		ret = do_open(&u.open);
		break;
	case TORTURE_CLOSE:
		do_close();
		break;
	case TORTURE_START:
		ret = do_start(&u.start);
		break;
	case TORTURE_STOP:
		if (torture.running)
			torture_settle();
		break;
	case TORTURE_COUNTS:
		ret = do_counts(&u.counts);
		break;
	case TORTURE_FLUSH:
		if (torture.chan)
			relay_flush(torture.chan);
		break;
	case TORTURE_RESET:
		if (torture.chan)
			relay_reset(torture.chan);
		break;
	case TORTURE_RESIZE:
		ret = do_resize(&u.resize);
		break;
	case TORTURE_DISCARD:
		ret = do_discard();
		break;
	case TORTURE_READER:
		ret = torture_add_reader(&u.reader);
		break;
	default:
		return -ENOTTY;
	}
	if (!ret && (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(user, &u, _IOC_SIZE(cmd)))
		return -EFAULT;
	return ret;
}

static int torture_device_open(struct inode *inode, struct file *file)
{
	return atomic_cmpxchg(&torture.in_use, 0, 1) ? -EBUSY : 0;
}

static int torture_device_release(struct inode *inode, struct file *file)
{
	scoped_guard(mutex, &torture.lock) {
		do_close();
		torture_remove_readers();
		forget();
	}
	atomic_set(&torture.in_use, 0);
	return 0;
}

static const struct file_operations torture_fops = {
	.owner = THIS_MODULE,
	.open = torture_device_open,
	.release = torture_device_release,
	.unlocked_ioctl = torture_ioctl,
};

static struct miscdevice torture_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "relayfs_torture",
	.fops = &torture_fops,
};

static int __init torture_init(void)
{
	int ret = torture_register();

	if (ret)
		return ret;
	ret = misc_register(&torture_device);
	if (ret)
		torture_unregister();
	return ret;
}
module_init(torture_init);

static void __exit torture_exit(void)
{
	misc_deregister(&torture_device);
	torture_unregister();
}
module_exit(torture_exit);

MODULE_DESCRIPTION("relayfs: writers in every context, for the selftests");
MODULE_LICENSE("GPL");
