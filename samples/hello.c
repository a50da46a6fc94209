// SPDX-License-Identifier: GPL-2.0
/* The smallest client: a channel, a record a second. Read it: cat /sys/kernel/relay/hello */

#include <linux/module.h>
#include <linux/relayfs_fs.h>
#include <linux/workqueue.h>

static struct rchan *chan;

static void greet(struct work_struct *work)
{
	relay_write(chan, "hello, world\n", 13);
	schedule_delayed_work(to_delayed_work(work), HZ);
}
static DECLARE_DELAYED_WORK(greeter, greet);

static int __init hello_init(void)
{
	chan = relay_open("hello", NULL);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	schedule_delayed_work(&greeter, 0);
	return 0;
}
module_init(hello_init);

static void __exit hello_exit(void)
{
	cancel_delayed_work_sync(&greeter);
	relay_close(chan);
}
module_exit(hello_exit);

MODULE_DESCRIPTION("relayfs: the smallest client");
MODULE_LICENSE("GPL");
