// SPDX-License-Identifier: GPL-2.0
/*
 * A client as the documents of 2003 and 2004 have it, as far as that can be: by their names and
 * forms. What it does is tested when it is loaded, which fails if something is wrong.
 */

#include <linux/module.h>
#include <linux/relayfs_fs.h>

#define EXPECT(condition)							\
do {										\
	if (!(condition)) {							\
		pr_err("%s:%d: %s\n", __func__, __LINE__, #condition);		\
		ret = -EBADMSG;							\
	}									\
} while (0)

static u32 started, delivered, full;

static void buffer_start(struct rchan *chan, const struct relay_subbuf *subbuf)
{
	started++;
}

static void deliver(struct rchan *chan, const struct relay_delivery *delivery)
{
	delivered += delivery->len;
}

static void buffers_full(struct rchan *chan, u32 cpu)
{
	full++;
}

static int fileop_notify(struct rchan *chan, struct file *file, enum relay_fileop fileop)
{
	switch (fileop) {
	case RELAY_FILE_OPEN:
	case RELAY_FILE_MAP:
		return -EPERM;
	case RELAY_FILE_CLOSE:
	case RELAY_FILE_UNMAP:
		break;
	}
	return 0;
}

static const struct rchan_callbacks callbacks = {
	.buffer_start = buffer_start,
	.deliver = deliver,
	.buffers_full = buffers_full,
	.fileop_notify = fileop_notify,
};

static const struct rchan_attr attr = {
	.size = sizeof(attr),
	.flags = RELAY_DELIVERY_PACKET | RELAY_SCHEME_ANY | RELAY_TIMESTAMP_GETTIMEOFDAY |
		 RELAY_USAGE_GLOBAL | RELAY_MODE_NO_OVERWRITE | RELAY_MODE_START_AT_ZERO,
	.subbuf_size = RELAY_MIN_BUFSIZE,
	.n_subbufs = RELAY_MIN_BUFS,
	.callbacks = &callbacks,
};

/* In the order the documents say. */
static int reserve_and_commit(struct rchan *chan)
{
	struct relay_slot slot;
	unsigned long flags;
	int ret;
	char *at;

	rchan_get(chan);
	relay_lock_channel(chan, flags);
	ret = relay_reserve(chan, 8, &slot);
	if (!ret) {
		at = slot.data;
		relay_write_direct(at, "four", 4);
		relay_write_direct(at, "five", 4);
		EXPECT(at == slot.data + 8);
		relay_commit(&slot);
	}
	relay_unlock_channel(chan, flags);
	rchan_put(chan);
	return ret;
}

static int write(struct rchan *chan)
{
	char timed[8] = "timexxxx";
	void *at = NULL;
	u32 delta;
	int ret = 0;

	EXPECT(relay_write(chan, "one ", 4) == 4);
	EXPECT(relay_write(chan, "two ", 4, -1, NULL) == 4);
	EXPECT(relay_write(chan, timed, 8, 4, &at) == 8);
	if (at) {
		memcpy(&delta, at + 4, sizeof(delta));
		EXPECT(!memcmp(at, "time", 4) && memcmp(&delta, "xxxx", 4));
	}
	EXPECT(at);
	return ret;
}

static int read(struct rchan *chan)
{
	struct rchan_reader *reader = add_rchan_reader(chan, 0);
	struct rchan_info info = { .size = sizeof(info) };
	char all[64];
	int ret = 0;

	if (IS_ERR(reader))
		return PTR_ERR(reader);
	EXPECT(relay_bytes_avail(reader) == 24);
	EXPECT(relay_read(reader, all, sizeof(all), 0) == 24);
	EXPECT(!memcmp(all, "one two time", 12) && !memcmp(all + 16, "fourfive", 8));
	relay_bytes_consumed(reader, 8, 0);
	relay_bytes_consumed(reader, 8);
	EXPECT(!relay_info(chan, &info) && info.read.bytes == 16 && info.unread.bytes == 8);
	EXPECT(rchan_empty(reader) && !rchan_full(reader));
	EXPECT(!remove_rchan_reader(reader));
	return ret;
}

static void nothing(void)
{
}

/* Each limit is one. */
static int limits(void)
{
	static const struct { u64 size; u32 n; long error; } wrong[] = {
		{ RELAY_MIN_BUFSIZE / 2, RELAY_MIN_BUFS, -EINVAL },
		{ RELAY_MIN_BUFSIZE, RELAY_MIN_BUFS / 2, -EINVAL },
		{ RELAY_MIN_BUFSIZE, RELAY_MAX_BUFS * 2, -E2BIG },
		{ RELAY_MAX_BUF_SIZE * 2ull, RELAY_MIN_BUFS, -E2BIG },
	};
	struct rchan_callbacks newer = { .deliver = deliver };
	struct rchan_attr a = attr;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		a.subbuf_size = wrong[i].size;
		a.n_subbufs = wrong[i].n;
		EXPECT(PTR_ERR(relay_open("2003/limits", &a)) == wrong[i].error);
	}
	/* A callback that this version does not know. */
	newer.reserved[ARRAY_SIZE(newer.reserved) - 1] = nothing;
	a = attr;
	a.callbacks = &newer;
	EXPECT(PTR_ERR(relay_open("2003/newer", &a)) == -E2BIG);
	return ret;
}

static int __init client_init(void)
{
	struct rchan *chan = relay_open("2003/channel", &attr);
	char record[RELAYFS_CHANNEL_VERSION * 500];
	int ret;

	if (IS_ERR(chan))
		return PTR_ERR(chan);
	ret = write(chan);
	ret = reserve_and_commit(chan) ?: ret;
	ret = read(chan) ?: ret;
	ret = limits() ?: ret;
	memset(record, 0, sizeof(record));
	while (relay_write(chan, record, sizeof(record)) > 0)
		;
	relay_close(chan);
	EXPECT(started == 2 && full == 1 && delivered == 24 + 8 * sizeof(record));
	return ret;
}
module_init(client_init);

static void __exit client_exit(void)
{
}
module_exit(client_exit);

MODULE_DESCRIPTION("relayfs: a client by the names of 2003, for the selftests");
MODULE_LICENSE("GPL");
