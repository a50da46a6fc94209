// SPDX-License-Identifier: GPL-2.0
/*
 * For readers: /dev/relayfs_bench writes the same records to relayfs, to the kernel's relay and to
 * a plain buffer, and is itself what reads the latter. /dev/relayfs_bench_relay is the relay's
 * file, as debugfs does not let files be mapped. The channel is "bench".
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/uaccess.h>

#include "bench.h"
#include "device.h"

static const struct contestant *const filled[] = {
	&bench_memcpy, &bench_relay_discard, &bench_relayfs_discard,
};

static u64 next_record;

/* The caller's business: one at a time, and no more than there is room for. */
static long fill(u32 records)
{
	u64 words[BENCH_RECORD / sizeof(u64)];
	u32 record, i;

	bench_memcpy_rewind();
	for (record = 0; record < records; record++) {
		for (i = 0; i < ARRAY_SIZE(words); i++)
			words[i] = next_record;
		next_record++;
		for (i = 0; i < ARRAY_SIZE(filled); i++)
			filled[i]->write(words, sizeof(words));
	}
	return 0;
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	u32 n;

	if (get_user(n, (u32 __user *)arg))
		return -EFAULT;
	switch (cmd) {
	case BENCH_FILL:
		return fill(n);
	case BENCH_CONSUMED:
		bench_relay_consumed(n);
		return 0;
	default:
		return -ENOTTY;
	}
}

static ssize_t bench_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	return bench_memcpy_read(to, len);
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = bench_ioctl,
	.read = bench_read,
};

static int relay_open_file(struct inode *inode, struct file *file)
{
	file->private_data = bench_relay_buf();
	return 0;
}

static ssize_t relay_read_file(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	return bench_relay_fops->read(file, to, len, pos);
}

static int relay_map_file(struct vm_area_desc *desc)
{
	return bench_relay_fops->mmap_prepare(desc);
}

static const struct file_operations relay_fops = {
	.owner = THIS_MODULE,
	.open = relay_open_file,
	.read = relay_read_file,
	.mmap_prepare = relay_map_file,
};

static struct miscdevice devices[] = {
	{ .minor = MISC_DYNAMIC_MINOR, .name = "relayfs_bench", .fops = &bench_fops },
	{ .minor = MISC_DYNAMIC_MINOR, .name = "relayfs_bench_relay", .fops = &relay_fops },
};

int bench_devices_begin(void)
{
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(filled); i++) {
		ret = filled[i]->setup(BENCH_SUBBUF_SIZE, BENCH_N_SUBBUFS);
		if (ret)
			goto err_teardown;
	}
	ret = misc_register(&devices[0]);
	if (ret)
		goto err_teardown;
	ret = misc_register(&devices[1]);
	if (!ret)
		return 0;
	misc_deregister(&devices[0]);
err_teardown:
	while (i--)
		filled[i]->teardown();
	return ret;
}

void bench_devices_end(void)
{
	int i;

	misc_deregister(&devices[1]);
	misc_deregister(&devices[0]);
	for (i = 0; i < ARRAY_SIZE(filled); i++)
		filled[i]->teardown();
}
