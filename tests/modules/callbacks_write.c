// SPDX-License-Identifier: GPL-2.0
/* Writers in several contexts. */

#include <linux/irq_work.h>
#include <linux/slab.h>

#include "callbacks.h"

#if defined(CONFIG_X86_LOCAL_APIC) && defined(CONFIG_X86_64)
#define WITH_NMI
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

struct order {
	struct client *client;
	const struct cb_call *call;
	void *record;
	struct irq_work work;
	long ret;
	bool done;
};

static void write_all(void *arg)
{
	struct order *order = arg;
	const struct cb_call *call = order->call;

	for (u32 i = 0; i < call->count; i++)
		order->ret = relay_write(order->client->chan, order->record, call->len);
	WRITE_ONCE(order->done, true);
}

static void write_in_irq(struct irq_work *work)
{
	write_all(container_of(work, struct order, work));
}

#ifdef WITH_NMI
static struct order *of_nmi;

static int nmi_handler(unsigned int type, struct pt_regs *regs)
{
	struct order *order = xchg(&of_nmi, NULL);

	if (!order)
		return NMI_DONE;
	write_all(order);
	return NMI_HANDLED;
}

static void write_in_nmi(struct order *order)
{
	preempt_disable();
	WRITE_ONCE(of_nmi, order);
	__apic_send_IPI_self(NMI_VECTOR);
	while (!READ_ONCE(order->done))
		cpu_relax();
	preempt_enable();
}

int callbacks_write_init(void)
{
	return register_nmi_handler(NMI_LOCAL, nmi_handler, 0, "relayfs_callbacks");
}

void callbacks_write_exit(void)
{
	unregister_nmi_handler(NMI_LOCAL, "relayfs_callbacks");
}
#else
static void write_in_nmi(struct order *order)
{
	order->ret = -EOPNOTSUPP;
}

int callbacks_write_init(void)
{
	return 0;
}

void callbacks_write_exit(void)
{
}
#endif

long callbacks_write(struct client *client, const struct cb_call *call)
{
	struct order order = { .client = client, .call = call };
	unsigned long flags;

	order.record = kvmalloc(call->len, GFP_KERNEL);
	if (!order.record)
		return -ENOMEM;
	memset(order.record, call->byte, call->len);
	if (call->op == CB_LOCK_WRITE) {
		relay_lock_channel(client->chan, flags);
		write_all(&order);
		relay_unlock_channel(client->chan, flags);
	} else if (call->context == CB_NMI) {
		write_in_nmi(&order);
	} else if (call->context == CB_HARDIRQ) {
		order.work = IRQ_WORK_INIT_HARD(write_in_irq);
		irq_work_queue(&order.work);
		irq_work_sync(&order.work);
	} else {
		write_all(&order);
	}
	kvfree(order.record);
	return order.ret;
}
