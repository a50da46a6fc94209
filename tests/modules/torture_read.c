// SPDX-License-Identifier: GPL-2.0
/* The torture client's readers. What they get goes to who asks, for it to be checked. */

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "torture.h"

#define MOST	BIT(20)	/* bytes of one read */

/* Added under the lock. Each is read by one, who ends before they are removed. */
static struct {
	struct rchan_reader *reader;
	u32 how;
} readers[TORTURE_READERS];
static u32 n_readers;

int torture_add_reader(struct torture_reader *r)
{
	bool consumes = r->how == TORTURE_CONSUMES;
	struct rchan_reader *reader;

	if (!torture.chan || n_readers == TORTURE_READERS || r->how > TORTURE_SAYS)
		return -EINVAL;
	if (r->cpu < 0)
		reader = add_rchan_reader(torture.chan, consumes);
	else
		reader = add_rchan_cpu_reader(torture.chan, torture.global ? RELAY_CPU_NONE :
					      r->cpu, consumes);
	if (IS_ERR(reader))
		return PTR_ERR(reader);
	readers[n_readers].reader = reader;
	readers[n_readers].how = r->how;
	r->id = n_readers++;
	return 0;
}

/* Without the lock, as it may wait; also when the channel is closed. */
long torture_read(struct torture_read __user *user)
{
	struct rchan_reader *reader;
	struct torture_read r;
	void *data;

	if (copy_from_user(&r, user, sizeof(r)))
		return -EFAULT;
	if (r.id >= READ_ONCE(n_readers) || r.len > MOST)
		return -EINVAL;
	reader = readers[r.id].reader;
	data = kvmalloc(r.len, GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	r.ret = relay_read(reader, data, r.len, r.wait);
	if (r.ret > 0 && copy_to_user(u64_to_user_ptr(r.data), data, r.ret))
		r.ret = -EFAULT;
	kvfree(data);
	if (r.ret < 0)
		return r.ret;
	if (readers[r.id].how == TORTURE_SAYS)
		relay_bytes_consumed(reader, r.ret);
	r.lost = relay_reader_lost(reader);
	return copy_to_user(user, &r, sizeof(r)) ? -EFAULT : 0;
}

void torture_remove_readers(void)
{
	while (n_readers)
		WARN_ON(remove_rchan_reader(readers[--n_readers].reader));
}
