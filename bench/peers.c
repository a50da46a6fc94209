// SPDX-License-Identifier: GPL-2.0
/* The peers: a bare copy, the kernel's own relay, the ftrace ring buffer. */

#include <linux/debugfs.h>
#include <linux/percpu.h>
#include <linux/relay.h>
#include <linux/ring_buffer.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bench.h"

static char *area;
static size_t area_size, area_pos, area_read;

static int setup_memcpy(size_t subbuf_size, size_t n_subbufs)
{
	area_size = subbuf_size * n_subbufs;
	area_pos = 0;
	area = kvzalloc(area_size, GFP_KERNEL);
	return area ? 0 : -ENOMEM;
}

static void write_memcpy(const void *data, size_t len)
{
	size_t pos = area_pos;

	if (pos + len > area_size)
		pos = 0;
	memcpy(area + pos, data, len);
	area_pos = pos + len;
}

void bench_memcpy_rewind(void)
{
	area_pos = 0;
	area_read = 0;
}

ssize_t bench_memcpy_read(char __user *to, size_t len)
{
	len = min(len, area_pos - area_read);
	if (copy_to_user(to, area + area_read, len))
		return -EFAULT;
	area_read += len;
	return len;
}

static void teardown_memcpy(void)
{
	kvfree(area);
}

const struct contestant bench_memcpy = {
	"memcpy", setup_memcpy, write_memcpy, teardown_memcpy
};

static struct rchan *chan;

static struct dentry *create_file(const char *filename, struct dentry *parent, umode_t mode,
				  struct rchan_buf *buf, int *is_global)
{
	return debugfs_create_file(filename, mode, parent, buf, &relay_file_operations);
}

static int remove_file(struct dentry *dentry)
{
	debugfs_remove(dentry);
	return 0;
}

static int always_overwrite(struct rchan_buf *buf, void *subbuf, void *prev_subbuf)
{
	return 1;
}

static const struct rchan_callbacks callbacks = {
	.create_buf_file = create_file,
	.remove_buf_file = remove_file,
	.subbuf_start = always_overwrite,
};

static int setup_relay(size_t subbuf_size, size_t n_subbufs)
{
	chan = relay_open("relayfs_bench", NULL, subbuf_size, n_subbufs, &callbacks, NULL);
	return chan ? 0 : -ENOMEM;
}

static int refuse_when_full(struct rchan_buf *buf, void *subbuf, void *prev_subbuf)
{
	return !relay_buf_full(buf);
}

static const struct rchan_callbacks discard_callbacks = {
	.create_buf_file = create_file,
	.remove_buf_file = remove_file,
	.subbuf_start = refuse_when_full,
};

static int setup_relay_discard(size_t subbuf_size, size_t n_subbufs)
{
	chan = relay_open("relayfs_bench", NULL, subbuf_size, n_subbufs, &discard_callbacks, NULL);
	return chan ? 0 : -ENOMEM;
}

void *bench_relay_buf(void)
{
	return *per_cpu_ptr(chan->buf, 0);
}

void bench_relay_consumed(size_t subbufs)
{
	relay_subbufs_consumed(chan, 0, subbufs);
}

const struct file_operations *const bench_relay_fops = &relay_file_operations;

static void write_relay(const void *data, size_t len)
{
	relay_write(chan, data, len);
}

static void write_relay_nosave(const void *data, size_t len)
{
	__relay_write(chan, data, len);
}

static void teardown_relay(void)
{
	relay_close(chan);
}

const struct contestant bench_relay = {
	"relay_write (mainline)", setup_relay, write_relay, teardown_relay
};

const struct contestant bench_relay_nosave = {
	"__relay_write (mainline)", setup_relay, write_relay_nosave, teardown_relay
};

const struct contestant bench_relay_discard = {
	"relay (mainline), refusing when full", setup_relay_discard, write_relay, teardown_relay
};

static struct trace_buffer *trace;

static int setup_ftrace(size_t subbuf_size, size_t n_subbufs)
{
	trace = ring_buffer_alloc(subbuf_size * n_subbufs, RB_FL_OVERWRITE);
	return trace ? 0 : -ENOMEM;
}

static void write_ftrace(const void *data, size_t len)
{
	struct ring_buffer_event *event = ring_buffer_lock_reserve(trace, len);

	if (event) {
		memcpy(ring_buffer_event_data(event), data, len);
		ring_buffer_unlock_commit(trace);
	}
}

static void teardown_ftrace(void)
{
	ring_buffer_free(trace);
}

const struct contestant bench_ftrace = {
	"ftrace reserve + memcpy + commit", setup_ftrace, write_ftrace, teardown_ftrace
};
