// SPDX-License-Identifier: MIT
/* A mailbox with four doors, each with one word in each direction. */

#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mailbox_controller.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/spinlock.h>

#define ACME_TX(door)		(0x10 * (door) + 0x0)
#define ACME_RX(door)		(0x10 * (door) + 0x4)
#define ACME_IRQ_STATUS		0x40
#define ACME_IRQ_ENABLE		0x44
#define ACME_TX_EMPTY(door)	BIT(door)
#define ACME_RX_FULL(door)	BIT(16 + (door))

#define ACME_GROUPS		2
#define ACME_DOORS		4

struct acme_fifo {
	void __iomem *base;
	spinlock_t lock; /* of ACME_IRQ_ENABLE */
	struct mbox_controller controller;
	struct mbox_chan chans[ACME_DOORS];
};

static int acme_fifo_door(struct mbox_chan *chan)
{
	return chan - chan->mbox->chans;
}

static void acme_fifo_enable(struct acme_fifo *fifo, u32 on, u32 off)
{
	unsigned long flags;
	u32 bits;

	spin_lock_irqsave(&fifo->lock, flags);
	bits = readl(fifo->base + ACME_IRQ_ENABLE);
	writel((bits & ~off) | on, fifo->base + ACME_IRQ_ENABLE);
	spin_unlock_irqrestore(&fifo->lock, flags);
}

static bool acme_fifo_last_tx_done(struct mbox_chan *chan)
{
	struct acme_fifo *fifo = dev_get_drvdata(chan->mbox->dev);
	int door = acme_fifo_door(chan);

	return readl(fifo->base + ACME_IRQ_STATUS) & ACME_TX_EMPTY(door);
}

static int acme_fifo_send_data(struct mbox_chan *chan, void *data)
{
	struct acme_fifo *fifo = dev_get_drvdata(chan->mbox->dev);
	int door = acme_fifo_door(chan);
	u32 *word = data;

	if (!acme_fifo_last_tx_done(chan))
		return -EBUSY;
	writel(*word, fifo->base + ACME_TX(door));
	if (chan->mbox->txdone_irq)
		acme_fifo_enable(fifo, ACME_TX_EMPTY(door), 0);
	return 0;
}

static int acme_fifo_startup(struct mbox_chan *chan)
{
	struct acme_fifo *fifo = dev_get_drvdata(chan->mbox->dev);
	int door = acme_fifo_door(chan);

	readl(fifo->base + ACME_RX(door)); /* a word for an earlier owner */
	acme_fifo_enable(fifo, ACME_RX_FULL(door), 0);
	return 0;
}

static void acme_fifo_shutdown(struct mbox_chan *chan)
{
	struct acme_fifo *fifo = dev_get_drvdata(chan->mbox->dev);
	int door = acme_fifo_door(chan);

	acme_fifo_enable(fifo, 0, ACME_RX_FULL(door) | ACME_TX_EMPTY(door));
}

static const struct mbox_chan_ops acme_fifo_ops = {
	.send_data = acme_fifo_send_data,
	.startup = acme_fifo_startup,
	.shutdown = acme_fifo_shutdown,
	.last_tx_done = acme_fifo_last_tx_done,
};

static irqreturn_t acme_fifo_interrupt(int irq, void *dev_id)
{
	struct acme_fifo *fifo = dev_id;
	u32 pending = readl(fifo->base + ACME_IRQ_ENABLE);
	int door;

	/* Later than the enable: what is done is what send_data() has written. */
	pending &= readl(fifo->base + ACME_IRQ_STATUS);
	for (door = 0; door < ACME_DOORS; door++) {
		struct mbox_chan *chan = &fifo->chans[door];

		if (pending & ACME_RX_FULL(door)) {
			u32 word = readl(fifo->base + ACME_RX(door));

			mbox_chan_received_data(chan, &word);
		}
		if (pending & ACME_TX_EMPTY(door)) {
			acme_fifo_enable(fifo, 0, ACME_TX_EMPTY(door));
			mbox_chan_txdone(chan, 0);
		}
	}
	return pending ? IRQ_HANDLED : IRQ_NONE;
}

static struct mbox_chan *acme_fifo_xlate(struct mbox_controller *controller,
					 const struct of_phandle_args *sp)
{
	int per_group = ACME_DOORS / ACME_GROUPS;

	/* <group door> */
	if (sp->args_count != 2)
		return ERR_PTR(-EINVAL);
	if (sp->args[0] >= ACME_GROUPS || sp->args[1] >= per_group)
		return ERR_PTR(-EINVAL);
	return &controller->chans[sp->args[0] * per_group + sp->args[1]];
}

static int acme_fifo_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct acme_fifo *fifo;
	int irq, err;

	fifo = devm_kzalloc(dev, sizeof(*fifo), GFP_KERNEL);
	if (!fifo)
		return -ENOMEM;
	spin_lock_init(&fifo->lock);
	platform_set_drvdata(pdev, fifo);

	fifo->base = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(fifo->base))
		return PTR_ERR(fifo->base);
	writel(0, fifo->base + ACME_IRQ_ENABLE);

	fifo->controller.dev = dev;
	fifo->controller.ops = &acme_fifo_ops;
	fifo->controller.chans = fifo->chans;
	fifo->controller.num_chans = ACME_DOORS;
	fifo->controller.of_xlate = acme_fifo_xlate;
	fifo->controller.txdone_irq = of_device_is_compatible(dev->of_node, "acme,fifo-2");
	fifo->controller.txdone_poll = !fifo->controller.txdone_irq;
	fifo->controller.txpoll_period = 1;

	irq = platform_get_irq(pdev, 0);
	if (irq < 0)
		return irq;
	err = devm_request_irq(dev, irq, acme_fifo_interrupt, 0, dev_name(dev), fifo);
	if (err)
		return err;
	return devm_mbox_controller_register(dev, &fifo->controller);
}

static const struct of_device_id acme_fifo_match[] = {
	{ .compatible = "acme,fifo-1" },
	{ .compatible = "acme,fifo-2" },
	{ }
};
MODULE_DEVICE_TABLE(of, acme_fifo_match);

static struct platform_driver acme_fifo_driver = {
	.probe = acme_fifo_probe,
	.driver = {
		.name = "acme-fifo",
		.of_match_table = acme_fifo_match,
	},
};
module_platform_driver(acme_fifo_driver);

MODULE_DESCRIPTION("Acme FIFO mailbox");
MODULE_LICENSE("Dual MIT/GPL");
