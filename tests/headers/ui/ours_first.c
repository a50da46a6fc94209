// SPDX-License-Identifier: GPL-2.0
// expect: none
/* What includes the kernel's header by itself may come after ours. */

#include <linux/relayfs_fs.h>
#include <trace/events/block.h>

static ssize_t __used use(struct rchan *chan)
{
	return relay_write(chan, "x", 1);
}
