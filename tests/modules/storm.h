/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _STORM_H
#define _STORM_H

/* Inside relayfs_storm: channels that live short and hard. */

#include <linux/prandom.h>
#include <linux/relayfs_fs.h>
#include <linux/spinlock.h>

#include "relayfs_test.h"

#define STORM_LIVES	4
#define STORM_WRITERS	(2 * STORM_CPUS)	/* a thread and a timer on each CPU */
#define STORM_CPUS	8
#define STORM_USERS	6			/* users that write, at most, as writers from */
#define STORM_IDS	(STORM_WRITERS + STORM_USERS) /* STORM_WRITERS on */
#define STORM_RECORD	480			/* the longest, in bytes */

/**
 * struct storm_life - a place in which one channel lives after the other
 * @lock: guards @chan
 * @chan: the channel, for those who want to write; NULL: there is none
 * @users: who uses it
 * @written: records that were accepted
 * @bytes: their bytes
 * @refused: records that were not
 * @numbers: how many records each writer has tried to write to this channel
 * @from_users: records users wrote, as it was told
 * @user_bytes: their bytes
 * @delivered: bytes that were delivered
 * @missed: something was gone before it could be
 * @over: relay_close() has returned: nobody may be told anything any more
 * @rnd: the director's dice
 * @task: the director
 * @id: number of the place
 * @sized: how often it was told of sizes
 * @fileops: how often it was asked whether a file may be opened or mapped
 * @callbacks: what it wants to be told
 * @flags: the channel's
 * @users_write: users may write
 * @sizes_itself: it may be resized by others than the director
 * @was_reset: something was thrown away
 * @can_verify: its stream is records and nothing else
 */
struct storm_life {
	raw_spinlock_t lock;
	struct rchan *chan;
	atomic_t users;
	atomic64_t written;
	atomic64_t bytes;
	atomic64_t refused;
	atomic_t numbers[STORM_WRITERS];
	atomic64_t from_users;
	atomic64_t user_bytes;
	atomic64_t delivered;
	bool missed;
	bool over;
	struct rnd_state rnd;
	struct task_struct *task;
	u32 id;
	atomic_t sized;
	atomic_t fileops;
	struct rchan_callbacks callbacks;
	u32 flags;
	bool users_write;
	bool sizes_itself;
	bool was_reset;
	bool can_verify;
};

/**
 * struct storm_reader - reads all of a channel from its beginning
 * @reader: what reads
 * @buf: where to, and what is left there of a record that was not read to its end
 * @have: how many bytes these are
 * @records: records read
 * @cut: a reset has perhaps cut off a read: what was read of a run then counts as missed, too
 * @last: number of the last record of each writer
 */
struct storm_reader {
	struct rchan_reader *reader;
	unsigned char *buf;
	size_t have;
	u64 records;
	bool cut;
	u32 last[STORM_IDS];
};

extern struct storm_life storm_lives[STORM_LIVES];

/* Since the module was loaded: records written, read, lives ended, callbacks, users' records. */
extern atomic_long_t storm_written, storm_read, storm_ended, storm_told, storm_from_users;

static inline u32 storm_draw(struct rnd_state *rnd, u32 below)
{
	return (u64)prandom_u32_state(rnd) * below >> 32;
}

/* The channel of a life, to be left; NULL if there is none. Any context but NMI. */
struct rchan *storm_enter(struct storm_life *life);
void storm_leave(struct storm_life *life);

/* A reader, or NULL. It must be the first. */
struct storm_reader *storm_reader_open(struct rchan *chan);
/* Reads what there is, @times times at most; false: and there was the end. */
bool storm_reader_read(struct storm_reader *r, u32 times);
/* All was thrown away: what is left of a record remains that. */
void storm_reader_reset(struct storm_reader *r);
/* When the channel is closed, to which from @least to @most records were written. */
void storm_reader_close(struct storm_reader *r, u64 least, u64 most);
/* Somebody else who reads for a moment and consumes what he has read, or speaks for a mapping. */
void storm_consume(struct storm_life *life, struct rchan *chan);

/* What it wants to be told; NULL: nothing. */
const struct rchan_callbacks *storm_draw_callbacks(struct storm_life *life);
/* A file beside those of the channel. */
void storm_make_control(struct storm_life *life, struct rchan *chan);

int storm_start_writers(u64 seed);
void storm_stop_writers(void);

/* One channel, from relay_open() to the last look at its accounts. */
void storm_live(struct storm_life *life);

#endif /* _STORM_H */
