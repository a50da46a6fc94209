// SPDX-License-Identifier: GPL-2.0
/* The callbacks: each puts down that it was called, with what, and in what context. */

#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "callbacks.h"

static const char word[8] = "callback";

static bool behaves(u32 how, enum cb_what what)
{
	return how & BIT(what);
}

/* Begins a callback. */
static struct client *enter(struct rchan *chan, enum cb_what what, struct cb_event *event)
{
	struct client *client = relay_private_data(chan);

	atomic_inc(&client->inside);
	*event = (struct cb_event){
		.what = what,
		.cpu = raw_smp_processor_id(),
		.chan = chan == READ_ONCE(client->chan),
		.context = (in_task() ? CB_IN_TASK : 0) | (in_hardirq() ? CB_IN_HARDIRQ : 0) |
			   (in_nmi() ? CB_IN_NMI : 0) | (irqs_disabled() ? CB_IRQS_OFF : 0) |
			   (preemptible() ? CB_MAY_SLEEP : 0),
	};
	return client;
}

static bool is_held(const struct client *client, enum cb_what what)
{
	return behaves(READ_ONCE(client->behave.hold), what);
}

/* Where nobody may sleep, and so not for ever. */
static void spin_while_held(const struct client *client, enum cb_what what)
{
	for (int ms = 0; ms < 10000 && is_held(client, what); ms++)
		mdelay(1);
}

/* Ends one: it is put down before it waits or writes. */
static void leave(struct client *client, const struct cb_event *event)
{
	u32 at = atomic_inc_return(&client->n_events) - 1;
	enum cb_what what = event->what;

	if (at < CB_MAX_EVENTS)
		client->events[at] = *event;
	if (behaves(READ_ONCE(client->behave.write), what))
		relay_write(client->chan, word, sizeof(word));
	if (event->context & CB_MAY_SLEEP)
		wait_event(client->released, !is_held(client, what));
	else
		spin_while_held(client, what);
	atomic_dec(&client->inside);
}

static bool all_are(const u8 *bytes, u32 len, u8 byte)
{
	return !len || !memchr_inv(bytes, byte, len);
}

/* Of two calls at a time each gets a place of its own. */
static u64 keep(struct client *client, const void *data, size_t len)
{
	u32 at = atomic_add_return(len, &client->data_len) - len;

	if (at + len <= CB_MAX_DATA)
		memcpy(client->data + at, data, len);
	return at;
}

static void buffer_start(struct rchan *chan, const struct relay_subbuf *s)
{
	struct cb_event event;
	struct client *client = enter(chan, CB_BUFFER_START, &event);
	bool right = s->begin && !s->end && !s->end_reserve && !s->len && !s->records &&
		     !s->padding && all_are(s->start, s->start_len, 0);
	const u64 args[] = { s->seq, s->begin, s->start_len, s->end_len, s->cpu, right };

	memcpy(event.arg, args, sizeof(args));
	if (client->behave.mark)
		memset(s->start, client->behave.mark, s->start_len);
	leave(client, &event);
}

static void buffer_end(struct rchan *chan, const struct relay_subbuf *s)
{
	struct cb_event event;
	struct client *client = enter(chan, CB_BUFFER_END, &event);
	bool right = s->begin && s->end >= s->begin &&
		     all_are(s->start, s->start_len, client->behave.mark) &&
		     all_are(s->end_reserve, s->end_len, 0);
	const u64 args[] = { s->seq, s->len, s->records, s->padding, s->cpu, right };

	memcpy(event.arg, args, sizeof(args));
	if (client->behave.mark)
		memset(s->end_reserve, client->behave.mark, s->end_len);
	leave(client, &event);
}

static void deliver(struct rchan *chan, const struct relay_delivery *d)
{
	struct cb_event event;
	struct client *client = enter(chan, CB_DELIVER, &event);
	atomic_t *delivering = &client->delivering[min_t(u32, d->cpu, NR_CPUS)];
	const u64 args[] = { d->seq, keep(client, d->data, d->len), d->len, d->lost, d->cpu,
			     d->last };

	if (atomic_inc_return(delivering) > 1)
		event.context |= CB_OVERLAP;
	memcpy(event.arg, args, sizeof(args));
	leave(client, &event);
	atomic_dec(delivering);
}

static void user_deliver(struct rchan *chan, const void *data, size_t len)
{
	struct cb_event event;
	struct client *client = enter(chan, CB_USER_DELIVER, &event);

	event.arg[1] = keep(client, data, len);
	event.arg[2] = len;
	leave(client, &event);
}

static void buffers_full(struct rchan *chan, u32 cpu)
{
	struct cb_event event;
	struct client *client = enter(chan, CB_BUFFERS_FULL, &event);

	event.arg[0] = cpu;
	leave(client, &event);
}

static void needs_resize(struct rchan *chan, int resize_type, u64 subbuf_size, u32 n_subbufs)
{
	struct cb_event event;
	struct client *client = enter(chan, CB_NEEDS_RESIZE, &event);

	event.arg[0] = resize_type;
	event.arg[1] = subbuf_size;
	event.arg[2] = n_subbufs;
	leave(client, &event);
}

/* A file's number, from 1; it gets one when it is opened. */
static u32 number_of(struct client *client, struct file *file, bool opened)
{
	u32 known = atomic_read(&client->n_files);
	u32 at = opened ? atomic_inc_return(&client->n_files) - 1 : 0;

	if (opened) {
		if (at < CB_MAX_FILES)
			client->files[at] = file;
		return at + 1;
	}
	/* The youngest: a file that is gone may have been where this is. */
	for (at = min(known, CB_MAX_FILES); at > 0; at--)
		if (client->files[at - 1] == file)
			return at;
	return 0;
}

static int fileop_notify(struct rchan *chan, struct file *file, enum relay_fileop fileop)
{
	struct cb_event event;
	struct client *client = enter(chan, CB_FILEOP, &event);
	int answer = 0;

	if (fileop == RELAY_FILE_OPEN)
		answer = client->behave.refuse_open;
	else if (fileop == RELAY_FILE_MAP)
		answer = client->behave.refuse_map;
	else
		answer = -EIO;	/* is ignored */
	event.arg[0] = fileop;
	event.arg[1] = number_of(client, file, fileop == RELAY_FILE_OPEN);
	leave(client, &event);
	return answer;
}

static long ioctl(struct rchan *chan, struct file *file, unsigned int cmd, unsigned long arg)
{
	struct cb_event event;
	struct client *client = enter(chan, CB_IOCTL, &event);

	event.arg[0] = cmd;
	event.arg[1] = arg;
	event.arg[2] = number_of(client, file, false);
	leave(client, &event);
	return client->behave.answer;
}

struct rchan_callbacks callbacks_of(u32 wanted)
{
	return (struct rchan_callbacks){
		.buffer_start = wanted & BIT(CB_BUFFER_START) ? buffer_start : NULL,
		.buffer_end = wanted & BIT(CB_BUFFER_END) ? buffer_end : NULL,
		.deliver = wanted & BIT(CB_DELIVER) ? deliver : NULL,
		.user_deliver = wanted & BIT(CB_USER_DELIVER) ? user_deliver : NULL,
		.buffers_full = wanted & BIT(CB_BUFFERS_FULL) ? buffers_full : NULL,
		.needs_resize = wanted & BIT(CB_NEEDS_RESIZE) ? needs_resize : NULL,
		.fileop_notify = wanted & BIT(CB_FILEOP) ? fileop_notify : NULL,
		.ioctl = wanted & BIT(CB_IOCTL) ? ioctl : NULL,
	};
}
