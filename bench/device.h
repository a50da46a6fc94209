/* SPDX-License-Identifier: GPL-2.0 */
/* What the module and the reader say to each other over /dev/relayfs_bench. */
#ifndef RELAYFS_BENCH_DEVICE_H
#define RELAYFS_BENCH_DEVICE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The rings, and records in them: as many times their number as they have words. */
#define BENCH_SUBBUF_SIZE	65536
#define BENCH_N_SUBBUFS		8
#define BENCH_RECORD		64

/* Write so many records. */
#define BENCH_FILL		_IOW('b', 1, __u32)

/* So many sub-buffers of the kernel's relay were consumed. */
#define BENCH_CONSUMED		_IOW('b', 2, __u32)

#endif
