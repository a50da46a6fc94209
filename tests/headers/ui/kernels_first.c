// SPDX-License-Identifier: GPL-2.0
// expect: Include <linux/relayfs_fs.h> before <linux/relay.h>

#include <linux/relay.h>
#include <linux/relayfs_fs.h>
