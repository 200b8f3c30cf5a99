// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * A remote processor that is a user process, to test RPMsg against the real kernel.
 * /dev/rproc-py: read/poll = events for the "firmware" (a u32: bits 0-15 kicked notify ids, START, STOP),
 * write u32 = interrupt to Linux on that notify id, or CRASH; mmap offset = device address.
 * Closing the file while the processor runs is a crash.
 */
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/poll.h>
#include <linux/remoteproc.h>

#define EV_START (1u << 30)
#define EV_STOP  (1u << 31)
#define CRASH    0xffffffffu
#define SRAM_DA  0xf0000000u	/* above all memory of the guest */
#define SRAM_LEN 0x10000u

struct cpu {
	struct rproc *rproc;
	void *sram;
	u32 events;
	bool opened;
	spinlock_t lock;
	wait_queue_head_t wait;
};

irqreturn_t rproc_vq_interrupt(struct rproc *rproc, int notifyid);	/* exported, but in no public header */

static struct cpu *the_cpu;
static struct platform_device *pdev;
static char *firmware = "rproc-py.elf";
module_param(firmware, charp, 0444);

static void post(struct cpu *c, u32 bits, u32 drop)
{
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	c->events = (c->events & ~drop) | bits;
	spin_unlock_irqrestore(&c->lock, flags);
	wake_up_interruptible(&c->wait);
}

static int py_prepare(struct rproc *rproc)
{
	struct cpu *c = rproc->priv;
	struct rproc_mem_entry *mem;

	mem = rproc_mem_entry_init(rproc->dev.parent, c->sram, virt_to_phys(c->sram), SRAM_LEN,
				   SRAM_DA, NULL, NULL, "sram");
	if (!mem)
		return -ENOMEM;
	rproc_add_carveout(rproc, mem);
	return 0;
}

static int py_start(struct rproc *rproc)
{
	struct cpu *c = rproc->priv;

	if (!c->opened)
		return -ENODEV;
	post(c, EV_START, ~0u);
	return 0;
}

static int py_stop(struct rproc *rproc)
{
	post(rproc->priv, EV_STOP, ~0u);
	return 0;
}

static void py_kick(struct rproc *rproc, int vqid)
{
	post(rproc->priv, 1u << vqid, 0);
}

static const struct rproc_ops py_ops = {
	.prepare = py_prepare,
	.start = py_start,
	.stop = py_stop,
	.kick = py_kick,
};

static int dev_open(struct inode *inode, struct file *file)
{
	if (the_cpu->opened)
		return -EBUSY;
	the_cpu->opened = true;
	return 0;
}

static int dev_release(struct inode *inode, struct file *file)
{
	the_cpu->opened = false;
	if (the_cpu->rproc->state == RPROC_RUNNING)
		rproc_report_crash(the_cpu->rproc, RPROC_FATAL_ERROR);
	return 0;
}

static ssize_t dev_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct cpu *c = the_cpu;
	u32 got;

	if (len < sizeof(got))
		return -EINVAL;
	if (!(file->f_flags & O_NONBLOCK) && wait_event_interruptible(c->wait, c->events))
		return -ERESTARTSYS;
	spin_lock_irq(&c->lock);
	got = c->events;
	c->events = 0;
	spin_unlock_irq(&c->lock);
	if (!got)
		return -EAGAIN;
	return copy_to_user(buf, &got, sizeof(got)) ? -EFAULT : sizeof(got);
}

static ssize_t dev_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	u32 id;

	if (len != sizeof(id))
		return -EINVAL;
	if (copy_from_user(&id, buf, sizeof(id)))
		return -EFAULT;
	if (id == CRASH)
		rproc_report_crash(the_cpu->rproc, RPROC_FATAL_ERROR);
	else
		rproc_vq_interrupt(the_cpu->rproc, id);
	return len;
}

static __poll_t dev_poll(struct file *file, poll_table *wait)
{
	poll_wait(file, &the_cpu->wait, wait);
	return the_cpu->events ? EPOLLIN : 0;
}

static int dev_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long at = vma->vm_pgoff << PAGE_SHIFT;

	if (at >= SRAM_DA && at < SRAM_DA + SRAM_LEN)
		at = at - SRAM_DA + virt_to_phys(the_cpu->sram);
	return remap_pfn_range(vma, vma->vm_start, at >> PAGE_SHIFT, vma->vm_end - vma->vm_start,
			       vma->vm_page_prot);
}

static const struct file_operations fops = {
	.owner = THIS_MODULE, .open = dev_open, .release = dev_release, .read = dev_read,
	.write = dev_write, .poll = dev_poll, .mmap = dev_mmap,
};
static struct miscdevice misc = { .minor = MISC_DYNAMIC_MINOR, .name = "rproc-py", .fops = &fops };

static int __init py_init(void)
{
	struct rproc *rproc;
	int err;

	pdev = platform_device_register_simple("rproc-py", -1, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	rproc = rproc_alloc(&pdev->dev, "py", &py_ops, firmware, sizeof(*the_cpu));
	if (!rproc)
		return -ENOMEM;
	rproc->auto_boot = false;
	the_cpu = rproc->priv;
	the_cpu->rproc = rproc;
	spin_lock_init(&the_cpu->lock);
	init_waitqueue_head(&the_cpu->wait);
	the_cpu->sram = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, get_order(SRAM_LEN));
	if (!the_cpu->sram)
		return -ENOMEM;
	err = rproc_add(rproc);
	return err ? err : misc_register(&misc);
}

static void __exit py_exit(void)
{
	misc_deregister(&misc);
	rproc_del(the_cpu->rproc);
	free_pages((unsigned long)the_cpu->sram, get_order(SRAM_LEN));
	rproc_free(the_cpu->rproc);
	platform_device_unregister(pdev);
}
module_init(py_init);
module_exit(py_exit);
MODULE_DESCRIPTION("remote processor played by a user process");
MODULE_LICENSE("Dual MIT/GPL");
