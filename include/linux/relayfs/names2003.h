/* SPDX-License-Identifier: GPL-2.0 */
/* Names and forms of 2003 that have another one now. Clients include <linux/relayfs_fs.h>. */
#ifndef _LINUX_RELAYFS_NAMES2003_H
#define _LINUX_RELAYFS_NAMES2003_H

#include <linux/args.h>
#include <linux/relayfs/attr.h>
#include <linux/relayfs/read.h>
#include <linux/relayfs/write.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <vdso/page.h>

/**
 * DOC: names of 2003
 *
 * For clients that know relayfs by its documents of 2003 and 2004. What became of all the rest is
 * in Documentation/api-2003.rst.
 *
 * * %RELAYFS_CHANNEL_VERSION: was 1
 * * %RELAY_TIMESTAMP_GETTIMEOFDAY: %RELAY_TIMESTAMP_MONO, as the time of day jumps
 * * %RELAY_MODE_START_AT_ZERO: 0, as readers begin with the oldest data there is
 * * %RELAY_MIN_BUFS, %RELAY_MAX_BUFS: of &rchan_attr.n_subbufs
 * * %RELAY_MIN_BUFSIZE, %RELAY_MAX_BUF_SIZE: of &rchan_attr.subbuf_size
 * * %RELAY_MAX_TOTAL_BUF_SIZE: of both multiplied; of all buffers together there may be as much as
 *   the module's parameter max_bytes says
 */
#define RELAYFS_CHANNEL_VERSION		2
#define RELAY_TIMESTAMP_GETTIMEOFDAY	RELAY_TIMESTAMP_MONO
#define RELAY_MODE_START_AT_ZERO	0
#define RELAY_MIN_BUFS			2
#define RELAY_MAX_BUFS			(RELAY_MAX_TOTAL_BUF_SIZE / RELAY_MIN_BUFSIZE)
#define RELAY_MIN_BUFSIZE		PAGE_SIZE
#define RELAY_MAX_BUF_SIZE		(RELAY_MAX_TOTAL_BUF_SIZE / RELAY_MIN_BUFS)
#define RELAY_MAX_TOTAL_BUF_SIZE	SZ_1G

/**
 * relay_write_direct() - put bytes into reserved space, and go on behind them
 * @DEST: a variable that points into &relay_slot.data, and is moved on
 * @SRC: what to put there
 * @SIZE: bytes
 *
 * Context: any.
 */
#define relay_write_direct(DEST, SRC, SIZE)					\
do {										\
	size_t __relay_size = (SIZE);						\
										\
	memcpy(DEST, SRC, __relay_size);					\
	(DEST) += __relay_size;							\
} while (0)

/* relay_write(chan, data, len, td_offset, wrote_pos) is what relay_write_delta() does now. */
#define relay_write(chan, data, len, ...) \
	CONCATENATE(__relay_write_, COUNT_ARGS(__VA_ARGS__))(chan, data, len, ##__VA_ARGS__)
#define __relay_write_0	relay_write
#define __relay_write_2	relay_write_delta

/* relay_bytes_consumed(reader, bytes, read_offset): relayfs knows what the reader has read. */
#define relay_bytes_consumed(reader, bytes, ...) \
	CONCATENATE(__relay_bytes_consumed_, COUNT_ARGS(__VA_ARGS__))(reader, bytes, ##__VA_ARGS__)
#define __relay_bytes_consumed_0	relay_bytes_consumed
#define __relay_bytes_consumed_1(reader, bytes, read_offset)	\
	((void)(read_offset), (relay_bytes_consumed)(reader, bytes))

#endif /* _LINUX_RELAYFS_NAMES2003_H */
