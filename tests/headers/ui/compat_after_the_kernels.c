// SPDX-License-Identifier: GPL-2.0
// expect: <linux/relay_compat.h> replaces <linux/relay.h>

#include <linux/relay.h>
#include <linux/relay_compat.h>
