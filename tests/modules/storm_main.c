// SPDX-License-Identifier: GPL-2.0
/*
 * A client that opens, uses and closes channels without pause. What must not be warns, which fails
 * the test that loaded it. All draws follow from the seed, but what the CPUs do with them does not.
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "storm.h"

static ulong seed = 1;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "Where the draws begin");

struct storm_life storm_lives[STORM_LIVES];
atomic_long_t storm_written, storm_read, storm_ended, storm_told, storm_from_users;

static int get_count(char *to, const struct kernel_param *kp)
{
	return sysfs_emit(to, "%ld\n", atomic_long_read(kp->arg));
}

static const struct kernel_param_ops count_ops = { .get = get_count };

module_param_cb(written, &count_ops, &storm_written, 0444);
MODULE_PARM_DESC(written, "Records accepted so far");
module_param_cb(read, &count_ops, &storm_read, 0444);
MODULE_PARM_DESC(read, "Records read and found right so far, in the kernel");
module_param_cb(ended, &count_ops, &storm_ended, 0444);
MODULE_PARM_DESC(ended, "Channels closed so far, their accounts right");
module_param_cb(told, &count_ops, &storm_told, 0444);
MODULE_PARM_DESC(told, "Callbacks so far");
module_param_cb(from_users, &count_ops, &storm_from_users, 0444);
MODULE_PARM_DESC(from_users, "Records of users so far");

static int direct(void *data)
{
	struct storm_life *life = data;

	while (!kthread_should_stop()) {
		storm_live(life);
		msleep(storm_draw(&life->rnd, 20));
	}
	return 0;
}

static void stop(void)
{
	for (u32 id = 0; id < STORM_LIVES; id++)
		if (storm_lives[id].task)
			kthread_stop(storm_lives[id].task);
	storm_stop_writers();
}

static int __init storm_init(void)
{
	int error;

	for (u32 id = 0; id < STORM_LIVES; id++)
		raw_spin_lock_init(&storm_lives[id].lock);
	error = storm_start_writers(seed);
	for (u32 id = 0; id < STORM_LIVES && !error; id++) {
		struct storm_life *life = &storm_lives[id];

		life->id = id;
		prandom_seed_state(&life->rnd, seed * 31 + STORM_WRITERS + id);
		life->task = kthread_run(direct, life, "storm-life/%u", id);
		if (IS_ERR(life->task)) {
			life->task = NULL;
			error = -ENOMEM;
		}
	}
	if (error)
		stop();
	return error;
}
module_init(storm_init);

static void __exit storm_exit(void)
{
	stop();
}
module_exit(storm_exit);

MODULE_DESCRIPTION("relayfs: channels that live short and hard");
MODULE_LICENSE("GPL");
