// SPDX-License-Identifier: GPL-2.0
// expect: none
/* Both in one file, a channel of each. */

#define RELAYFS_NO_SHORT_NAMES
#include <linux/relayfs_fs.h>
#include <linux/relay.h>

static void deliver(struct relayfs_chan *chan, const struct relay_delivery *delivery)
{
	relayfs_write(chan, delivery->data, delivery->len);
}

static const struct relayfs_callbacks callbacks = { .deliver = deliver };

static void __used use(struct dentry *parent, const struct rchan_callbacks *kernels)
{
	struct rchan_attr attr = {
		.size = sizeof(attr),
		.flags = RELAY_USAGE_GLOBAL,
		.callbacks = &callbacks,
	};
	struct relayfs_chan *ours = relayfs_open("name", &attr);
	struct rchan *theirs = relay_open("name", parent, 4096, 4, kernels, NULL);

	relayfs_write(ours, "x", 1);
	relay_write(theirs, "x", 1);
	relay_flush(theirs);
	relayfs_flush(ours);
	relay_close(theirs);
	relayfs_close(ours);
}
