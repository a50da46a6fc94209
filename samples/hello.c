// SPDX-License-Identifier: GPL-2.0
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
	if (!IS_ERR(chan))
		schedule_delayed_work(&greeter, 0);
	return PTR_ERR_OR_ZERO(chan);
}
module_init(hello_init);

static void __exit hello_exit(void)
{
	cancel_delayed_work_sync(&greeter);
	relay_close(chan);
}
module_exit(hello_exit);
MODULE_DESCRIPTION("The smallest relayfs client: a record a second in the channel \"hello\"");
MODULE_LICENSE("GPL");
