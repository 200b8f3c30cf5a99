/* What the driver of the tutorial uses of Linux, declared so that a compiler can check the page. It was
 * also compiled against the headers of Linux 6.1 and 6.12.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define __iomem
#define BIT(n) (1UL << (n))
#define EBUSY 16
#define EINVAL 22
#define ENOMEM 12
#define GFP_KERNEL 0
#define MODULE_DESCRIPTION(text) extern const char acme_description[]
#define MODULE_DEVICE_TABLE(kind, table) extern const void *acme_table
#define MODULE_LICENSE(text) extern const char acme_license[]
#define module_platform_driver(driver) struct platform_driver *acme_module(void) { return &driver; }
#define spin_lock_init(lock) spinlock_init(lock)
#define spin_lock_irqsave(lock, flags) ((flags) = spinlock_take(lock))

typedef uint32_t u32;
typedef struct { int taken; } spinlock_t;
typedef enum { IRQ_NONE, IRQ_HANDLED } irqreturn_t;
struct device_node;
struct device { struct device_node *of_node; };
struct platform_device { struct device dev; };
struct of_phandle_args { struct device_node *np; int args_count; uint32_t args[16]; };
struct of_device_id { char compatible[128]; const void *data; };
struct platform_driver {
	int (*probe)(struct platform_device *pdev);
	struct { const char *name; const struct of_device_id *of_match_table; } driver;
};

struct mbox_controller;
struct mbox_chan { struct mbox_controller *mbox; void *con_priv; };
struct mbox_chan_ops {
	int (*send_data)(struct mbox_chan *chan, void *data);
	int (*startup)(struct mbox_chan *chan);
	void (*shutdown)(struct mbox_chan *chan);
	bool (*last_tx_done)(struct mbox_chan *chan);
};
struct mbox_controller {
	struct device *dev;
	const struct mbox_chan_ops *ops;
	struct mbox_chan *chans;
	int num_chans;
	bool txdone_irq;
	bool txdone_poll;
	unsigned txpoll_period;
	struct mbox_chan *(*of_xlate)(struct mbox_controller *mbox, const struct of_phandle_args *sp);
};

void spinlock_init(spinlock_t *lock);
unsigned long spinlock_take(spinlock_t *lock);
void spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);
u32 readl(const volatile void __iomem *addr);
void writel(u32 value, volatile void __iomem *addr);
void *ERR_PTR(long error);
bool IS_ERR(const void *pointer);
long PTR_ERR(const void *pointer);
void *devm_kzalloc(struct device *dev, size_t size, int flags);
const char *dev_name(const struct device *dev);
void *dev_get_drvdata(const struct device *dev);
void platform_set_drvdata(struct platform_device *pdev, void *data);
void __iomem *devm_platform_ioremap_resource(struct platform_device *pdev, unsigned index);
int platform_get_irq(struct platform_device *pdev, unsigned index);
int devm_request_irq(struct device *dev, unsigned irq, irqreturn_t (*handler)(int, void *),
		     unsigned long flags, const char *name, void *dev_id);
bool of_device_is_compatible(const struct device_node *np, const char *compatible);
void mbox_chan_received_data(struct mbox_chan *chan, void *data);
void mbox_chan_txdone(struct mbox_chan *chan, int r);
int devm_mbox_controller_register(struct device *dev, struct mbox_controller *mbox);
