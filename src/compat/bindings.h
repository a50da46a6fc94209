/* SPDX-License-Identifier: GPL-2.0 */
/* Input of the bindgen run for the kernel's relay interface, whose names are those of our own. */
#ifndef RELAYFS_COMPAT_BINDINGS_H
#define RELAYFS_COMPAT_BINDINGS_H

#include <linux/relay_compat.h>

#endif
