// SPDX-License-Identifier: GPL-2.0
/*
 * A client that plays ping-pong: two kthreads write to and read from each other, as fast as the
 * wake-up of a sleeping reader allows. /dev/relayfs_wakeup tells it what to do. A watchdog tells a
 * lost wake-up, that is a reader that sleeps beside its data, from a slow machine.
 */

#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/relayfs_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "relayfs_wakeup.h"

#define SUBBUF_SIZE	4096
#define LOOKS		10	/* seconds in which a sleeper beside its data is found */
#define STUCK		300	/* seconds without progress for which there must be a reason */
#define OVER		U64_MAX	/* instead of a round's number: there is none to follow */

struct session {
	struct mutex lock;	/* the ioctls */
	struct rchan *chans[2];
};

/* One of the two threads. */
struct side {
	struct rchan *to;
	struct file *from;
	const struct wakeup_rounds *how;
	bool first;
	ktime_t late;
	struct task_struct *task;
	struct wait_queue_head *end;
	bool finished;
	u64 rounds, sleeps;
	u32 wrong;
	u8 batch[SUBBUF_SIZE];
};

static bool write_batch(struct side *s, u64 round)
{
	u32 left = s->how->batch_bytes;

	memset64((u64 *)s->batch, round, s->how->len / sizeof(u64));
	for (; left; left -= s->how->len)
		if (relay_write(s->to, s->batch, s->how->len) != s->how->len)
			return false;
	return true;
}

/*
 * False if the other says that it is over, and at the end of the file, which is what ends a game
 * that has come to a halt.
 */
static bool read_batch(struct side *s, u64 round)
{
	u32 have = 0;

	while (have < s->how->batch_bytes) {
		ssize_t got = kernel_read(s->from, s->batch + have, s->how->batch_bytes - have,
					  NULL);

		if (got <= 0)
			return false;
		have += got;
	}
	if (*(u64 *)s->batch == OVER)
		return false;
	for (u32 i = 0; i < have / sizeof(u64); i++)
		if (((u64 *)s->batch)[i] != round) {
			s->wrong++;
			break;
		}
	return true;
}

static bool is_late(const struct side *s)
{
	return s->how->ms && ktime_after(ktime_get(), s->late);
}

static int play(void *data)
{
	struct side *s = data;
	u64 before = current->nvcsw;

	while (s->rounds < s->how->rounds) {
		if (s->first && is_late(s)) {
			write_batch(s, OVER);
			break;
		}
		if (s->first && !write_batch(s, s->rounds))
			break;
		if (!read_batch(s, s->rounds))
			break;
		if (!s->first && !write_batch(s, s->rounds))
			break;
		WRITE_ONCE(s->rounds, s->rounds + 1);
	}
	s->sleeps = current->nvcsw - before;
	/* After all that was counted. */
	smp_store_release(&s->finished, true);
	wake_up(s->end);
	return 0;
}

static bool sleeps_beside_data(struct side *s)
{
	return (READ_ONCE(s->task->__state) & TASK_INTERRUPTIBLE) &&
	       (vfs_poll(s->from, NULL) & EPOLLIN);
}

static bool all_finished(const struct side *sides)
{
	/* Then what they counted is there, too. */
	return smp_load_acquire(&sides[0].finished) && smp_load_acquire(&sides[1].finished);
}

/* Waits for the end. 0, or why there will be none. */
static u32 watch(struct side *sides, struct wait_queue_head *end)
{
	u32 still = 0, beside = 0;
	u64 last = 0;

	while (!wait_event_timeout(*end, all_finished(sides), HZ)) {
		u64 now = READ_ONCE(sides[0].rounds) + READ_ONCE(sides[1].rounds);
		bool found = sleeps_beside_data(&sides[0]) || sleeps_beside_data(&sides[1]);

		still = now == last ? still + 1 : 0;
		beside = found && still ? beside + 1 : 0;
		last = now;
		if (beside >= LOOKS)
			return 1;
		if (still >= STUCK)
			return 2;
	}
	return 0;
}

static void close_channels(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		relay_close(s->chans[i]);
		s->chans[i] = NULL;
	}
}

static struct task_struct *start(struct side *side, u32 cpu)
{
	struct task_struct *task = kthread_create_on_cpu(play, side, cpu, "relayfs_wakeup/%u");

	if (!IS_ERR(task))
		wake_up_process(get_task_struct(task));
	return task;
}

static void stop(struct task_struct *task)
{
	if (!IS_ERR_OR_NULL(task))
		kthread_stop_put(task);
}

static int play_rounds(struct session *s, struct wakeup_rounds *how, struct side *sides)
{
	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(end);
	int ret = 0;

	for (int i = 0; i < 2; i++) {
		sides[i].how = how;
		sides[i].first = i == 0;
		sides[i].late = ktime_add_ms(ktime_get(), how->ms);
		sides[i].to = s->chans[i];
		sides[i].end = &end;
	}
	/* The second first: it can only wait. */
	for (int i = 1; i >= 0 && !ret; i--) {
		sides[i].task = start(&sides[i], how->cpu[i]);
		ret = PTR_ERR_OR_ZERO(sides[i].task);
	}
	if (!ret)
		how->lost = watch(sides, &end);
	/* Who still waits finds the end of its file. */
	if (ret || how->lost)
		close_channels(s);
	for (int i = 0; i < 2; i++) {
		stop(sides[i].task);
		how->sleeps[i] = sides[i].sleeps;
	}
	how->wrong = sides[0].wrong + sides[1].wrong;
	how->done = min(sides[0].rounds, sides[1].rounds);
	return ret;
}

static int do_rounds(struct session *s, struct wakeup_rounds *how)
{
	struct side *sides;
	int ret = -EBADF;

	if (!s->chans[0] || how->len < sizeof(u64) || how->len % sizeof(u64) ||
	    !how->batch_bytes || how->batch_bytes > SUBBUF_SIZE || how->batch_bytes % how->len ||
	    how->cpu[0] >= nr_cpu_ids || !cpu_online(how->cpu[0]) ||
	    how->cpu[1] >= nr_cpu_ids || !cpu_online(how->cpu[1]))
		return -EINVAL;
	sides = kcalloc(2, sizeof(*sides), GFP_KERNEL);
	if (!sides)
		return -ENOMEM;
	sides[0].from = fget(how->pong_fd);
	sides[1].from = fget(how->ping_fd);
	if (sides[0].from && sides[1].from)
		ret = play_rounds(s, how, sides);
	for (int i = 0; i < 2; i++)
		if (sides[i].from)
			fput(sides[i].from);
	kfree(sides);
	return ret;
}

/* A poller that counts. */
struct counter {
	poll_table table;
	struct wait_queue_entry entry;
	struct wait_queue_head *head;
	atomic_t woken;
};

static int count_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	atomic_inc(&container_of(entry, struct counter, entry)->woken);
	return 0;
}

static void queue_counter(struct file *file, struct wait_queue_head *head, poll_table *table)
{
	struct counter *c = container_of(table, struct counter, table);

	c->head = head;
	add_wait_queue(head, &c->entry);
}

static int do_count(struct session *s, struct wakeup_count *how)
{
	struct counter c = {};
	struct file *file = fget(how->fd);
	u8 record[64] = {};

	if (!file)
		return -EBADF;
	if (s->chans[0] && how->len <= sizeof(record)) {
		init_waitqueue_func_entry(&c.entry, count_wake);
		init_poll_funcptr(&c.table, queue_counter);
		vfs_poll(file, &c.table);
		for (u32 i = 0; i < how->records; i++)
			relay_write(s->chans[0], record, how->len);
		/* What was raised on this CPU or others has run once they all have looked. */
		msleep(20);
		if (c.head)
			remove_wait_queue(c.head, &c.entry);
	}
	how->woken = atomic_read(&c.woken);
	fput(file);
	return 0;
}

static int do_open(struct session *s, const struct wakeup_open *o)
{
	struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = o->flags,
		.subbuf_size = SUBBUF_SIZE,
		.n_subbufs = 4,
		/* Not to be saved by the clock. */
		.flush_interval_ms = 60000,
	};
	static const char * const names[] = { "ping", "pong" };

	if (s->chans[0])
		return -EBUSY;
	for (int i = 0; i < 2; i++) {
		struct rchan *chan = relay_open(names[i], &attr);

		if (IS_ERR(chan)) {
			close_channels(s);
			return PTR_ERR(chan);
		}
		s->chans[i] = chan;
	}
	return 0;
}

static long wakeup_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct session *s = file->private_data;
	void __user *user = (void __user *)arg;
	union {
		struct wakeup_open open;
		struct wakeup_rounds rounds;
		struct wakeup_count count;
	} u;
	long ret;

	if (_IOC_SIZE(cmd) > sizeof(u))
		return -ENOTTY;
	if (copy_from_user(&u, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	guard(mutex)(&s->lock);
	switch (cmd) {
	case WAKEUP_OPEN:
		ret = do_open(s, &u.open);
		break;
	case WAKEUP_ROUNDS:
		ret = do_rounds(s, &u.rounds);
		break;
	case WAKEUP_COUNT:
		ret = do_count(s, &u.count);
		break;
	default:
		return -ENOTTY;
	}
	if (!ret && (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(user, &u, _IOC_SIZE(cmd)))
		return -EFAULT;
	return ret;
}

static int wakeup_device_open(struct inode *inode, struct file *file)
{
	struct session *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	file->private_data = s;
	return 0;
}

static int wakeup_device_release(struct inode *inode, struct file *file)
{
	struct session *s = file->private_data;

	close_channels(s);
	kfree(s);
	return 0;
}

static const struct file_operations wakeup_fops = {
	.owner = THIS_MODULE,
	.open = wakeup_device_open,
	.release = wakeup_device_release,
	.unlocked_ioctl = wakeup_ioctl,
};

static struct miscdevice wakeup_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "relayfs_wakeup",
	.fops = &wakeup_fops,
};
module_misc_device(wakeup_device);

MODULE_DESCRIPTION("relayfs: ping-pong by wake-ups, for the selftests");
MODULE_LICENSE("GPL");
