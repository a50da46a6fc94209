// SPDX-License-Identifier: GPL-2.0
// expect: <linux/relayfs_events.h> needs the short names

#define RELAYFS_NO_SHORT_NAMES
#include <linux/relayfs_events.h>
