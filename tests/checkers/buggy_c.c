// SPDX-License-Identifier: GPL-2.0
/* Deliberate bugs in C, one per value of "bug"; see buggy_rust.rs. */

#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

static int bug;
module_param(bug, int, 0);

/* What the compiler must not know: READ_ONCE() them. */
static int four = 4;
static int forty = 40;

static int rcu_without_lock(void)
{
	static int __rcu *pointer;

	pr_info("%p\n", rcu_dereference(pointer));
	return 0;
}

static int index_out_of_bounds(void)
{
	/* Within the object, so that it is nobody's business but UBSAN's. */
	struct {
		int array[4];
		int behind;
	} data = {};

	pr_info("%d\n", data.array[READ_ONCE(four)]);
	return 0;
}

static int shift_out_of_bounds(void)
{
	pr_info("%d\n", 1 << READ_ONCE(forty));
	return 0;
}

struct with_timer {
	struct timer_list timer;
};

static void expired(struct timer_list *timer)
{
}

static int free_active_timer(void)
{
	struct with_timer *w = kmalloc(sizeof(*w), GFP_KERNEL);

	if (!w)
		return -ENOMEM;
	timer_setup(&w->timer, expired, 0);
	mod_timer(&w->timer, jiffies + 1000 * HZ);
	kfree(w);
	return 0;
}

static int list_corruption(void)
{
	LIST_HEAD(list);
	struct list_head entry;

	list_add(&entry, &list);
	entry.prev = &entry;
	list_del(&entry);
	return 0;
}

#define ACCESSES 100000

static u64 counter;

static int count(void *done)
{
	for (u32 i = 0; i < ACCESSES; i++) {
		counter += i;
		barrier();
	}
	complete(done);
	return 0;
}

static int race(void)
{
	DECLARE_COMPLETION_ONSTACK(done);

	for (int i = 0; i < 2; i++) {
		if (IS_ERR(kthread_run(count, &done, "buggy/%d", i)))
			complete(&done);
	}
	for (int i = 0; i < 2; i++)
		wait_for_completion(&done);
	return 0;
}

/* Buffers are mapped as this is. */
static int behind_vmalloc(void)
{
	char *data = vmalloc(100);

	if (!data)
		return -ENOMEM;
	pr_info("%d\n", READ_ONCE(data[100]));
	vfree(data);
	return 0;
}

static int free_page_twice(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return -ENOMEM;
	__free_page(page);
	__free_page(page);
	return 0;
}

static int module_kept(void)
{
	__module_get(THIS_MODULE);
	return 0;
}

static int (*const bugs[])(void) = {
	[1] = rcu_without_lock,
	[2] = index_out_of_bounds,
	[3] = shift_out_of_bounds,
	[4] = free_active_timer,
	[5] = list_corruption,
	[6] = race,
	[7] = behind_vmalloc,
	[8] = free_page_twice,
	[9] = module_kept,
};

static int __init buggy_init(void)
{
	return bug > 0 && bug < ARRAY_SIZE(bugs) ? bugs[bug]() : -EINVAL;
}
module_init(buggy_init);

static void __exit buggy_exit(void)
{
}
module_exit(buggy_exit);

MODULE_DESCRIPTION("relayfs: deliberate bugs in C, to test the checkers");
MODULE_LICENSE("GPL");
