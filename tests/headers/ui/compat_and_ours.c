// SPDX-License-Identifier: GPL-2.0
// expect: none
/* A client that goes over to the interface of relayfs' own, bit by bit. */

#define RELAYFS_NO_SHORT_NAMES
#include <linux/relay_compat.h>
#include <linux/relayfs_fs.h>

static void __used use(struct rchan *old, struct relayfs_chan *new)
{
	relay_write(old, "x", 1);
	relayfs_write(new, "x", 1);
}
