// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel code at the other end of a file, as of a socket: socat - /sys/kernel/relay/duplex
 *
 * What users write goes to a thread here, which takes it line by line and answers each.
 */

#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/relayfs_fs.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#define LINE_MAX_LEN	200

static struct rchan *chan;
static struct rchan_reader *reader;
static struct task_struct *thread;

static void say(const char *text)
{
	/* Nobody may be reading: then it waits in the buffer, and what is older gives way. */
	relay_write(chan, text, strlen(text));
}

static void answer(char *line)
{
	char text[LINE_MAX_LEN + 32], *command = strsep(&line, " ");
	struct rchan_info info = { .size = sizeof(info) };

	if (!strcmp(command, "ping")) {
		say("pong\n");
	} else if (!strcmp(command, "echo")) {
		snprintf(text, sizeof(text), "%s\n", line ?: "");
		say(text);
	} else if (!strcmp(command, "uptime")) {
		snprintf(text, sizeof(text), "%lld s\n", ktime_get_boottime_seconds());
		say(text);
	} else if (!strcmp(command, "stat")) {
		relay_info(chan, &info);
		snprintf(text, sizeof(text), "%llu answers, %llu overwritten, %u open\n",
			 info.produced.records, info.overwritten.records, info.open_files);
		say(text);
	} else if (!strcmp(command, "help")) {
		say("ping, echo TEXT, uptime, stat, help\n");
	} else if (*command) {
		say("what? try help\n");
	}
}

static int serve(void *unused)
{
	char line[LINE_MAX_LEN + 1];
	size_t have = 0;
	ssize_t n;

	/* Ends when the channel is closed. */
	while ((n = relay_read(reader, line + have, LINE_MAX_LEN - have, 1)) > 0) {
		char *end;

		have += n;
		while ((end = memchr(line, '\n', have)) || have == LINE_MAX_LEN) {
			/* A line that is too long is cut. */
			size_t len = end ? end - line : have;
			size_t used = end ? len + 1 : have;

			line[len] = '\0';
			answer(line);
			have -= used;
			memmove(line, line + used, have);
		}
	}
	return 0;
}

static int __init duplex_init(void)
{
	const struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = RELAY_DUPLEX | RELAY_USAGE_GLOBAL | RELAY_DELIVERY_PACKET,
		.subbuf_size = PAGE_SIZE,
		.n_subbufs = 4,
		.mode = 0600,
	};
	int error;

	chan = relay_open("duplex", &attr);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	reader = add_rchan_reader(chan, 1);
	if (IS_ERR(reader)) {
		error = PTR_ERR(reader);
		goto err_close;
	}
	thread = kthread_create(serve, NULL, "relay-duplex");
	if (IS_ERR(thread)) {
		error = PTR_ERR(thread);
		goto err_remove;
	}
	/* It may end by itself, and is waited for. */
	get_task_struct(thread);
	wake_up_process(thread);
	return 0;

err_remove:
	remove_rchan_reader(reader);
err_close:
	relay_close(chan);
	return error;
}
module_init(duplex_init);

static void __exit duplex_exit(void)
{
	rchan_get(chan);
	relay_close(chan);
	/* The thread has read all there was when this returns, and answers to nobody. */
	kthread_stop_put(thread);
	remove_rchan_reader(reader);
	rchan_put(chan);
}
module_exit(duplex_exit);

MODULE_DESCRIPTION("relayfs: commands to the kernel, and its answers, through one file");
MODULE_LICENSE("GPL");
