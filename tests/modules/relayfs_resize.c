// SPDX-License-Identifier: GPL-2.0
/*
 * A client whose channel is resized: it calls what /dev/relayfs_resize tells it, in the context it
 * tells it, and keeps what it was told itself. One at a time may have it open.
 */

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/relayfs_fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#if defined(CONFIG_X86) && defined(CONFIG_X86_LOCAL_APIC)
#define WITH_NMI
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#include "relayfs_resize.h"

static struct {
	atomic_t in_use;
	struct mutex lock;		/* the ioctls */
	struct rchan *chan;
	bool closed, kept;
	struct resize_open how;
	void *init_buf;
	struct rchan_callbacks callbacks;
	spinlock_t told_lock;		/* what it was told */
	struct resize_events told;
	atomic_t others;
} client = {
	.lock = __MUTEX_INITIALIZER(client.lock),
	.told_lock = __SPIN_LOCK_UNLOCKED(client.told_lock),
};

/* What it is told. */

static void needs_resize(struct rchan *chan, int type, u64 subbuf_size, u32 n_subbufs)
{
	/* It may be told before it has been given the channel. */
	struct rchan *ours = READ_ONCE(client.chan);
	struct resize_event event = {
		.type = type, .subbuf_size = subbuf_size, .n_subbufs = n_subbufs,
		.wrong = (ours && chan != ours) || in_interrupt() || irqs_disabled(),
	};

	might_sleep();
	if (client.how.behaviour & RESIZE_FOLLOW) {
		if (type == RELAY_RESIZE_EXPAND || type == RELAY_RESIZE_SHRINK)
			event.followed = relay_realloc_buffer(chan, subbuf_size, n_subbufs);
		else if (type == RELAY_RESIZE_REPLACE)
			event.followed = relay_replace_buffer(chan);
	}
	guard(spinlock)(&client.told_lock);
	if (client.told.count < RESIZE_EVENTS)
		client.told.events[client.told.count] = event;
	client.told.count++;
}

static void told_something(void)
{
	atomic_inc(&client.others);
}

static void buffers_full(struct rchan *chan, u32 cpu)
{
	told_something();
}

static void deliver(struct rchan *chan, const struct relay_delivery *d)
{
	told_something();
}

static void turn(struct rchan *chan, const struct relay_subbuf *s)
{
	told_something();
}

static int hold;
module_param(hold, int, 0644);

/* Once, and not for ever, whatever happens. */
static void hold_end(struct rchan *chan, const struct relay_subbuf *subbuf)
{
	u64 end = ktime_get_mono_fast_ns() + 15ull * NSEC_PER_SEC;

	if (cmpxchg(&hold, 0, 1))
		return;
	while (READ_ONCE(hold) == 1 && ktime_get_mono_fast_ns() < end)
		cpu_relax();
}

static void set_callbacks(u32 which, bool holds)
{
	client.callbacks = (struct rchan_callbacks){
		.needs_resize = which & RESIZE_HAS_RESIZE ? needs_resize : NULL,
		.buffers_full = which & RESIZE_HAS_FULL ? buffers_full : NULL,
		.deliver = which & RESIZE_HAS_DELIVER ? deliver : NULL,
		.buffer_start = which & RESIZE_HAS_START ? turn : NULL,
		.buffer_end = holds ? hold_end : which & RESIZE_HAS_END ? turn : NULL,
	};
}

/* If it is set, who asks for something is killed, and then it is done. */
static int dying;
module_param(dying, int, 0644);
/* What that came to. */
static int last;
module_param(last, int, 0444);

static void die(void)
{
	if (dying)
		send_sig(SIGKILL, current, 1);
}

/* Calls. */

struct call {
	struct resize_call how;
	bool replace, done;
	int ret;
	struct irq_work work;
};

static void do_call(struct call *call)
{
	if (call->replace)
		call->ret = relay_replace_buffer(client.chan);
	else
		call->ret = relay_realloc_buffer(client.chan, call->how.subbuf_size,
						 call->how.n_subbufs);
	WRITE_ONCE(call->done, true);
}

static void call_from_irq(struct irq_work *work)
{
	do_call(container_of(work, struct call, work));
}

#ifdef WITH_NMI
static struct call *nmi_call;

static int call_from_nmi(unsigned int type, struct pt_regs *regs)
{
	struct call *call = xchg(&nmi_call, NULL);

	if (!call)
		return NMI_DONE;
	do_call(call);
	return NMI_HANDLED;
}

static int call_in_nmi(struct call *call)
{
	int ret = register_nmi_handler(NMI_LOCAL, call_from_nmi, 0, "relayfs_resize");

	if (ret)
		return ret;
	nmi_call = call;
	scoped_guard(preempt)
		__apic_send_IPI_self(NMI_VECTOR);
	while (!READ_ONCE(call->done))
		cpu_relax();
	unregister_nmi_handler(NMI_LOCAL, "relayfs_resize");
	return call->ret;
}
#else
static int call_in_nmi(struct call *call)
{
	return -EOPNOTSUPP;
}
#endif

static int call(const struct resize_call *how, bool replace)
{
	struct call call = { .how = *how, .replace = replace };

	if (!client.chan)
		return -EBADF;
	switch (how->context) {
	case RESIZE_PROCESS:
		die();
		do_call(&call);
		last = call.ret;
		return call.ret;
	case RESIZE_ATOMIC:
		scoped_guard(irq)
			do_call(&call);
		return call.ret;
	case RESIZE_HARDIRQ:
		call.work = IRQ_WORK_INIT_HARD(call_from_irq);
		irq_work_queue(&call.work);
		irq_work_sync(&call.work);
		return call.ret;
	case RESIZE_NMI:
		return call_in_nmi(&call);
	}
	return -EINVAL;
}

static int do_discard(void)
{
	int ret;

	if (!client.chan)
		return -EBADF;
	die();
	ret = relay_discard_init_buf(client.chan);
	last = ret;
	/* It is ours again, and anything may be in it. */
	if (!ret)
		memset(client.init_buf, 0xdb, client.how.subbuf_size * client.how.n_subbufs);
	return ret;
}

/* Writing. */

static long do_write(void *arg)
{
	struct resize_write *w = arg;
	u32 i;
	u8 *record;

	if (w->len < sizeof(struct resize_record) || w->len > SZ_1M)
		return -EINVAL;
	record = kvmalloc(w->len, GFP_KERNEL);
	if (!record)
		return -ENOMEM;
	w->written = 0;
	w->error = 0;
	for (i = 0; i < w->count; i++) {
		struct resize_record head = { .len = w->len, .number = w->first + i };
		ssize_t ret;

		memset(record, resize_byte(head.number), w->len);
		memcpy(record, &head, sizeof(head));
		ret = relay_write(client.chan, record, w->len);
		if (ret == w->len)
			w->written++;
		else if (!w->error)
			w->error = ret < 0 ? ret : -EBADMSG;
	}
	kvfree(record);
	return 0;
}

static int do_state(struct resize_state *s)
{
	struct rchan_info info = { .size = sizeof(info) };
	int ret;

	if (!client.chan)
		return -EBADF;
	ret = relay_info(client.chan, &info);
	*s = (struct resize_state){
		.subbuf_size = info.subbuf_size, .n_subbufs = info.n_subbufs,
		.n_buffers = info.n_buffers, .generation = info.generation,
		.produced = info.produced.records, .produced_bytes = info.produced.bytes,
		.read = info.read.records, .read_bytes = info.read.bytes,
		.overwritten = info.overwritten.records,
		.overwritten_bytes = info.overwritten.bytes,
		.unread = info.unread.records, .unread_bytes = info.unread.bytes,
		.subbufs_produced = info.subbufs_produced,
		.subbufs_consumed = info.subbufs_consumed,
	};
	return ret;
}

/* The channel's life. */

/* A handle that is kept stays for calls, which must fail. */
static void do_close(void)
{
	struct rchan *chan = client.chan;

	if (!chan || client.closed)
		return;
	client.closed = true;
	relay_close(chan);
	if (!client.kept)
		WRITE_ONCE(client.chan, NULL);
	/* It is ours again, and anything may be in it. */
	if (client.init_buf)
		memset(client.init_buf, 0xdb, client.how.subbuf_size * client.how.n_subbufs);
	vfree(client.init_buf);
	client.init_buf = NULL;
}

static void forget(void)
{
	do_close();
	if (client.kept)
		rchan_put(client.chan);
	client.kept = false;
	WRITE_ONCE(client.chan, NULL);
}

static int do_open(const struct resize_open *o)
{
	struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = o->flags,
		.subbuf_size = o->subbuf_size,
		.n_subbufs = o->n_subbufs,
		.resize_min = o->resize_min,
		.resize_max = o->resize_max,
		.shrink_idle_ms = o->shrink_idle_ms,
		.callbacks = o->callbacks ? &client.callbacks : NULL,
	};
	u64 size = o->subbuf_size * o->n_subbufs;
	struct rchan *chan;
	char *path;

	forget();
	if (o->init_buf) {
		/* What was in it before is not to be seen. */
		client.init_buf = vmalloc(size + PAGE_SIZE);
		if (!client.init_buf)
			return -ENOMEM;
		memset(client.init_buf, 0xdb, size + PAGE_SIZE);
		attr.init_buf = client.init_buf + o->init_buf_skew;
		attr.init_buf_size = o->init_buf_size ? : size;
	}
	set_callbacks(o->callbacks, o->behaviour & RESIZE_HOLD);
	path = strndup_user(u64_to_user_ptr(o->path), PATH_MAX);
	chan = IS_ERR(path) ? ERR_CAST(path) : relay_open(path, &attr);
	if (!IS_ERR(path))
		kfree(path);
	if (IS_ERR(chan)) {
		vfree(client.init_buf);
		client.init_buf = NULL;
		return PTR_ERR(chan);
	}
	client.how = *o;
	memset(&client.told, 0, sizeof(client.told));
	atomic_set(&client.others, 0);
	client.closed = false;
	WRITE_ONCE(client.chan, chan);
	return 0;
}

union argument {
	struct resize_open open;
	struct resize_call call;
	struct resize_write write;
	struct resize_events told;
	struct resize_state state;
};

static long run_ioctl(unsigned int cmd, union argument *arg)
{
	switch (cmd) {
	case RESIZE_OPEN:
		return do_open(&arg->open);
	case RESIZE_CLOSE:
		do_close();
		return 0;
	case RESIZE_REALLOC:
	case RESIZE_REPLACE:
		return call(&arg->call, cmd == RESIZE_REPLACE);
	case RESIZE_DISCARD:
		return do_discard();
	case RESIZE_WRITE:
		if (!client.chan)
			return -EBADF;
		if (arg->write.cpu < 0)
			return do_write(&arg->write);
		return work_on_cpu(arg->write.cpu, do_write, &arg->write);
	case RESIZE_TOLD: {
		guard(spinlock)(&client.told_lock);
		arg->told = client.told;
		arg->told.others = atomic_read(&client.others);
		return 0;
	}
	case RESIZE_STATE:
		return do_state(&arg->state);
	case RESIZE_FLUSH:
		if (client.chan)
			relay_flush(client.chan);
		return 0;
	case RESIZE_KEEP:
		if (!client.chan || client.kept)
			return -EBADF;
		rchan_get(client.chan);
		client.kept = true;
		return 0;
	}
	return -ENOTTY;
}

static long resize_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	union argument *arg __free(kfree) = kzalloc(sizeof(*arg), GFP_KERNEL);
	size_t size = _IOC_SIZE(cmd);
	long ret;

	if (!arg)
		return -ENOMEM;
	if (size > sizeof(*arg))
		return -ENOTTY;
	if (copy_from_user(arg, (void __user *)user, size))
		return -EFAULT;
	/* Of these the test may do several at a time. */
	if (cmd == RESIZE_FLUSH || cmd == RESIZE_DISCARD)
		return run_ioctl(cmd, arg);
	guard(mutex)(&client.lock);
	ret = run_ioctl(cmd, arg);
	if (!ret && (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user((void __user *)user, arg, size))
		return -EFAULT;
	return ret;
}

static int resize_open(struct inode *inode, struct file *file)
{
	return atomic_cmpxchg(&client.in_use, 0, 1) ? -EBUSY : 0;
}

static int resize_release(struct inode *inode, struct file *file)
{
	scoped_guard(mutex, &client.lock)
		forget();
	atomic_set(&client.in_use, 0);
	return 0;
}

static const struct file_operations resize_fops = {
	.owner = THIS_MODULE,
	.open = resize_open,
	.release = resize_release,
	.unlocked_ioctl = resize_ioctl,
};

static struct miscdevice resize_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "relayfs_resize",
	.fops = &resize_fops,
};
module_misc_device(resize_device);

MODULE_DESCRIPTION("relayfs: a client that is resized, for the selftests");
MODULE_LICENSE("GPL");
