// SPDX-License-Identifier: GPL-2.0
/*
 * A client that does what the selftests tell it over /dev/relayfs_test. Channels belong to the open
 * file that made them and are closed with it.
 */

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/relayfs_events.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "relayfs_test.h"

#define MAX_CHANNELS	64
#define MAX_RECORD	(2u << 20)

/* What the last RELAYTEST_OPEN came to: 0 or -errno, also if who called is dead. */
static int last_open;
module_param(last_open, int, 0444);

struct session {
	struct mutex lock;	/* opening and closing */
	struct rchan *chans[MAX_CHANNELS];
};

static struct rchan *find(struct session *s, u32 id)
{
	return id < MAX_CHANNELS ? READ_ONCE(s->chans[id]) : NULL;
}

#define TEST_EVENTS(EVENT)			\
	EVENT(number, (u64, n), (s32, more))	\
	EVENT(message, (u8, level), (string, text))

RELAY_EVENTS(test_schema, TEST_EVENTS);

static void told_of_subbuf(struct rchan *chan, const struct relay_subbuf *subbuf)
{
}

static void told_of_data(struct rchan *chan, const struct relay_delivery *delivery)
{
}

static void told_of_user(struct rchan *chan, const void *data, size_t len)
{
}

static void told_of_full(struct rchan *chan, u32 cpu)
{
}

static void told_of_size(struct rchan *chan, int resize_type, u64 subbuf_size, u32 n_subbufs)
{
}

static int told_of_file(struct rchan *chan, struct file *file, enum relay_fileop fileop)
{
	return 0;
}

static long told_of_ioctl(struct rchan *chan, struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	return -ENOTTY;
}

static const struct rchan_callbacks all_callbacks = {
	.buffer_start = told_of_subbuf,
	.buffer_end = told_of_subbuf,
	.deliver = told_of_data,
	.user_deliver = told_of_user,
	.buffers_full = told_of_full,
	.needs_resize = told_of_size,
	.fileop_notify = told_of_file,
	.ioctl = told_of_ioctl,
};

static_assert(sizeof(struct rchan_attr) == RELAYTEST_ATTR_SIZE);

static int do_open(struct session *s, struct relaytest_open *o)
{
	struct {
		struct rchan_attr attr;
		u64 more;
	} given = {
		.attr.size = o->attr_size ? : sizeof(given.attr),
		.attr.flags = o->flags,
		.attr.subbuf_size = o->subbuf_size,
		.attr.n_subbufs = o->n_subbufs,
		.attr.mode = o->mode,
		.attr.uid = o->uid,
		.attr.gid = o->gid,
		.attr.flush_interval_ms = o->flush_interval_ms,
		.attr.reserved = o->reserved,
		.attr.start_reserve = o->start_reserve,
		.attr.end_reserve = o->end_reserve,
		.attr.channel_start_reserve = o->channel_start_reserve,
		.attr.watermark = o->watermark,
		.attr.watermark_unit = o->watermark_unit,
		.attr.private_data = s,
		.attr.resize_min = o->resize_min,
		.attr.resize_max = o->resize_max,
		.attr.schema = o->with & RELAYTEST_SCHEMA ? &test_schema : NULL,
		.attr.callbacks = o->with & RELAYTEST_CALLBACKS ? &all_callbacks : NULL,
		.more = o->attr_more,
	};
	struct rchan *chan;
	char *path = NULL;
	u32 id;

	for (id = 0; id < MAX_CHANNELS && s->chans[id]; id++)
		;
	if (id == MAX_CHANNELS)
		return -EMFILE;
	if (o->path) {
		path = strndup_user(u64_to_user_ptr(o->path), PATH_MAX);
		if (IS_ERR(path))
			return PTR_ERR(path);
	}
	chan = relay_open(path, o->attr_size == ~0u ? NULL : &given.attr);
	kfree(path);
	last_open = PTR_ERR_OR_ZERO(chan);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	if (relay_private_data(chan) != (o->attr_size == ~0u ? NULL : s)) {
		relay_close(chan);
		return -EBADMSG;
	}
	s->chans[id] = chan;
	o->id = id;
	return 0;
}

static int do_close(struct session *s, u32 id)
{
	struct rchan *chan = find(s, id);

	if (!chan)
		return -EBADF;
	s->chans[id] = NULL;
	relay_close(chan);
	return 0;
}

static long write_record(struct rchan *chan, const struct relaytest_write *w, const void *data,
			 bool wait)
{
	if (!wait)
		return relay_write(chan, data, w->len);
	return relay_write_wait(chan, data, w->len, w->timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT :
				msecs_to_jiffies(w->timeout_ms));
}

static long do_write(struct session *s, struct relaytest_write *w, bool wait)
{
	struct rchan *chan = find(s, w->id);
	void *data;
	long ret;

	if (!chan)
		return -EBADF;
	/* A length without data: only to be refused. */
	if (!w->data)
		return write_record(chan, w, &chan, wait);
	data = vmemdup_user(u64_to_user_ptr(w->data), w->len);
	if (IS_ERR(data))
		return PTR_ERR(data);
	ret = write_record(chan, w, data, wait);
	kvfree(data);
	return ret;
}

struct pattern_run {
	struct rchan *chan;
	struct relaytest_pattern *p;
	u8 *record;
	u32 next;
};

static void fill(void *to, u32 writer, u32 number, u32 len)
{
	struct relaytest_record head = {
		.magic = RELAYTEST_MAGIC,
		.len = len,
		.writer = writer,
		.number = number,
	};

	memcpy(to, &head, sizeof(head));
	memset(to + sizeof(head), relaytest_byte(writer, number), len - sizeof(head));
}

static void account(struct pattern_run *run, long ret)
{
	if (ret < 0) {
		run->p->failed++;
		run->p->error = -ret;
	} else {
		run->p->written++;
	}
}

static void write_plain(struct pattern_run *run, u32 len)
{
	struct relaytest_pattern *p = run->p;

	fill(run->record, p->writer, run->next++, len);
	account(run, relay_write(run->chan, run->record, len));
}

static void write_in_place(struct pattern_run *run, u32 i)
{
	struct relaytest_pattern *p = run->p;
	struct relay_slot slot;
	u32 number = run->next++;
	int ret;

	ret = relay_reserve(run->chan, p->len, &slot);
	if (ret) {
		account(run, ret);
	} else if (i % p->discard_every == 0) {
		relay_discard(&slot);
	} else {
		fill(slot.data, p->writer, number, p->len);
		relay_commit(&slot);
		account(run, 0);
	}
}

static void write_nested(struct pattern_run *run, u32 i)
{
	struct relaytest_pattern *p = run->p;
	struct relay_slot slot;
	u32 number = run->next++;
	int ret;

	ret = relay_reserve(run->chan, p->len, &slot);
	write_plain(run, p->nested_len);
	if (ret) {
		account(run, ret);
		return;
	}
	fill(slot.data, p->writer, number, p->len);
	if (p->discard_every && i % p->discard_every == 0) {
		relay_discard(&slot);
	} else {
		relay_commit(&slot);
		account(run, 0);
	}
}

static void run_pattern(void *arg)
{
	struct pattern_run *run = arg;
	u32 i;

	for (i = 0; i < run->p->count; i++) {
		if (run->p->nested_len)
			write_nested(run, i);
		else if (run->p->discard_every)
			write_in_place(run, i);
		else
			write_plain(run, run->p->len);
	}
}

static long run_in_process(void *arg)
{
	run_pattern(arg);
	return 0;
}

static int do_pattern(struct session *s, struct relaytest_pattern *p)
{
	struct pattern_run run = { .chan = find(s, p->id), .p = p, .next = p->first };
	u32 longest = max(p->len, p->nested_len);
	int ret;

	if (!run.chan)
		return -EBADF;
	if (p->len < sizeof(struct relaytest_record) || longest > MAX_RECORD ||
	    (p->nested_len && p->nested_len < sizeof(struct relaytest_record)))
		return -EINVAL;
	run.record = kvmalloc(longest, GFP_KERNEL);
	if (!run.record)
		return -ENOMEM;
	p->written = 0;
	p->failed = 0;
	p->error = 0;
	if (p->context == RELAYTEST_HARDIRQ)
		ret = smp_call_function_single(p->cpu < 0 ? raw_smp_processor_id() : p->cpu,
					       run_pattern, &run, 1);
	else if (p->cpu >= 0)
		ret = work_on_cpu(p->cpu, run_in_process, &run);
	else
		ret = run_in_process(&run);
	kvfree(run.record);
	return ret;
}

static int test_open(struct inode *inode, struct file *file)
{
	struct session *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	file->private_data = s;
	return 0;
}

static int test_release(struct inode *inode, struct file *file)
{
	struct session *s = file->private_data;
	u32 id;

	for (id = 0; id < MAX_CHANNELS; id++)
		relay_close(s->chans[id]);
	kfree(s);
	return 0;
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct session *s = file->private_data;
	void __user *user = (void __user *)arg;
	union {
		struct relaytest_open open;
		struct relaytest_write write;
		struct relaytest_pattern pattern;
		u32 id;
	} u;
	struct rchan *chan;
	long ret;

	if (_IOC_SIZE(cmd) > sizeof(u))
		return -ENOTTY;
	if (copy_from_user(&u, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	switch (cmd) {
	case RELAYTEST_OPEN:
		scoped_guard(mutex, &s->lock)
			ret = do_open(s, &u.open);
		break;
	case RELAYTEST_CLOSE:
		scoped_guard(mutex, &s->lock)
			ret = do_close(s, u.id);
		break;
	case RELAYTEST_WRITE:
	case RELAYTEST_WRITE_WAIT:
		ret = do_write(s, &u.write, cmd == RELAYTEST_WRITE_WAIT);
		break;
	case RELAYTEST_PATTERN:
		ret = do_pattern(s, &u.pattern);
		break;
	case RELAYTEST_FLUSH:
		chan = find(s, u.id);
		ret = chan ? 0 : -EBADF;
		if (chan)
			relay_flush(chan);
		break;
	case RELAYTEST_RESET:
		chan = find(s, u.id);
		ret = chan ? 0 : -EBADF;
		if (chan)
			relay_reset(chan);
		break;
	default:
		return -ENOTTY;
	}
	if (ret >= 0 && (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(user, &u, _IOC_SIZE(cmd)))
		return -EFAULT;
	return ret;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_release,
	.unlocked_ioctl = test_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "relayfs_test",
	.fops = &test_fops,
};
module_misc_device(test_device);

MODULE_DESCRIPTION("relayfs: client for the selftests");
MODULE_LICENSE("GPL");
