// SPDX-License-Identifier: GPL-2.0
/*
 * What a record costs its writer, beside the peers in the same boot. Prints a table to the kernel
 * log. Under QEMU's -icount one nanosecond is one instruction. For readers: see device.c.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/module.h>

#include "bench.h"

static uint rounds = 20000;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "records per measurement");

static bool reading;
module_param(reading, bool, 0444);
MODULE_PARM_DESC(reading, "serve a reader instead of measuring");

static const struct contestant *const contestants[] = {
	&bench_memcpy, &bench_relay_nosave, &bench_relay, &bench_ftrace,
	&bench_relayfs, &bench_relayfs_slot, &bench_relayfs_global,
	&bench_relayfs_locking,
	&bench_relayfs_event, &bench_relayfs_event_tsc,
};

static const size_t sizes[] = { 8, 64, 256, 1024 };

static void write_nothing(const void *data, size_t len)
{
	barrier();
}

/* Nanoseconds per call of write(), times 10. */
static u64 measure(void (*write)(const void *data, size_t len), size_t len)
{
	static u8 data[1024];
	u64 start;
	uint i;

	/* Once round the ring: page faults and cold caches are not the question. */
	for (i = 0; i < rounds; i++)
		write(data, len);
	start = ktime_get_ns();
	for (i = 0; i < rounds; i++)
		write(data, len);
	return (ktime_get_ns() - start) * 10 / rounds;
}

static int __init measure_writes(void)
{
	u64 cost[ARRAY_SIZE(sizes)], nothing;
	int i, j, ret;

	pr_info("%-36s %8s %8s %8s %8s\n", "ns per record of", "8 B", "64 B", "256 B", "1024 B");
	nothing = measure(write_nothing, 8);
	for (i = 0; i < ARRAY_SIZE(contestants); i++) {
		ret = contestants[i]->setup(65536, 8);
		if (ret) {
			pr_err("%s: set-up failed: %d\n", contestants[i]->name, ret);
			return ret;
		}
		for (j = 0; j < ARRAY_SIZE(sizes); j++)
			cost[j] = measure(contestants[i]->write, sizes[j]) - nothing;
		contestants[i]->teardown();
		pr_info("%-36s %6llu.%llu %6llu.%llu %6llu.%llu %6llu.%llu\n", contestants[i]->name,
			cost[0] / 10, cost[0] % 10, cost[1] / 10, cost[1] % 10,
			cost[2] / 10, cost[2] % 10, cost[3] / 10, cost[3] % 10);
	}
	return 0;
}

static int __init bench_init(void)
{
	return reading ? bench_devices_begin() : measure_writes();
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	if (reading)
		bench_devices_end();
}
module_exit(bench_exit);

MODULE_DESCRIPTION("relayfs: cost of a record, beside the peers");
MODULE_LICENSE("GPL");
