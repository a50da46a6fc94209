// SPDX-License-Identifier: GPL-2.0
/*
 * Every printk() of the running kernel, as it happens: cat /sys/kernel/relay/klog
 *
 * The source is the tracepoint "console", which printk() passes each text to while it stores it: in
 * any context, including NMI, and also when no console would show it.
 */

#include <linux/kern_levels.h>
#include <linux/module.h>
#include <linux/relayfs_fs.h>
#include <linux/string.h>
#include <trace/events/printk.h>

static char *path = "klog";
module_param(path, charp, 0444);
MODULE_PARM_DESC(path, "Name of the channel (default: klog)");

static ulong subbuf_size;
module_param(subbuf_size, ulong, 0444);
MODULE_PARM_DESC(subbuf_size, "Bytes in a sub-buffer, a power of two (default: 64 KiB)");

static uint n_subbufs;
module_param(n_subbufs, uint, 0444);
MODULE_PARM_DESC(n_subbufs, "Sub-buffers for each CPU, a power of two (default: 8)");

static bool overwrite = true;
module_param(overwrite, bool, 0444);
MODULE_PARM_DESC(overwrite, "When full: overwrite the oldest lines, not refuse new ones (default: Y)");

static struct rchan *chan;

/*
 * One call of printk(), one record, one newline at its end. A line that is continued with pr_cont()
 * comes as a line per piece: nothing here tells that another piece will follow, nor may a reader be
 * kept waiting for it.
 *
 * Nothing here may print: it would come back. Losses are counted by the channel.
 */
static void probe_console(void *data, const char *text, size_t len)
{
	struct relay_slot slot;

	/*
	 * pr_cont("\n") ends a line and is none itself. An empty text still has its prefix, as
	 * printk() moves a text over the prefix only as far as it goes.
	 */
	if (!len && text[0] == KERN_SOH_ASCII && text[1] == 'c')
		return;
	if (relay_reserve(chan, len + 1, &slot))
		return;
	memcpy(slot.data, text, len);
	((char *)slot.data)[len] = '\n';
	relay_commit(&slot);
}

static int __init klog_init(void)
{
	const struct rchan_attr attr = {
		.size = sizeof(attr),
		/* Lines are few and wanted at once: tell readers of each. */
		.flags = RELAY_DELIVERY_PACKET |
			 (overwrite ? RELAY_MODE_CONTINUOUS : RELAY_MODE_NO_OVERWRITE),
		.subbuf_size = subbuf_size,
		.n_subbufs = n_subbufs,
	};
	int err;

	chan = relay_open(path, &attr);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	err = register_trace_console(probe_console, NULL);
	if (err)
		relay_close(chan);
	return err;
}
module_init(klog_init);

static void __exit klog_exit(void)
{
	unregister_trace_console(probe_console, NULL);
	/* A probe may still be running, and writes until it is done. */
	tracepoint_synchronize_unregister();
	relay_close(chan);
}
module_exit(klog_exit);

MODULE_DESCRIPTION("relayfs: printk() as a channel");
MODULE_LICENSE("GPL");
