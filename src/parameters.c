// SPDX-License-Identifier: GPL-2.0
/*
 * The module's parameters, over src/memory.rs. In C, as the parameters of the module! macro cannot
 * be seen or changed once the module is loaded.
 */

#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

#include "bindings/helper.h"

static int set_max_bytes(const char *value, const struct kernel_param *kp)
{
	return relayfs_set_max_bytes(value);
}

static int get_max_bytes(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%llu\n", relayfs_max_bytes());
}

static const struct kernel_param_ops max_bytes_ops = {
	.set = set_max_bytes,
	.get = get_max_bytes,
};
module_param_cb(max_bytes, &max_bytes_ops, NULL, 0644);
__MODULE_PARM_TYPE(max_bytes, "bytes");
MODULE_PARM_DESC(max_bytes, "memory all buffers together may have; K, M and G are understood (default: half of the machine's)");

static int set_used_bytes(const char *value, const struct kernel_param *kp)
{
	return -EPERM;
}

static int get_used_bytes(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%llu\n", relayfs_used_bytes());
}

static const struct kernel_param_ops used_bytes_ops = {
	.set = set_used_bytes,
	.get = get_used_bytes,
};
module_param_cb(used_bytes, &used_bytes_ops, NULL, 0444);
__MODULE_PARM_TYPE(used_bytes, "bytes");
MODULE_PARM_DESC(used_bytes, "memory all buffers together have; cannot be set");
