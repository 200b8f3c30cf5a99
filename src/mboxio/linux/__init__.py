"""The names of the Linux mailbox framework, over the core: drivers and clients port line by line.

Functions, structures and errors are those of ``linux/mailbox_controller.h`` and
``linux/mailbox_client.h`` (v6.12), and of the request mechanism that was proposed for them: errors
are returned as negative numbers, and a channel or an error comes back from the functions that
return a pointer there. Ops get the channel first, callbacks their client. `docs/linux.md` says what
differs from the kernel and how all of it is called natively.
"""

from mboxio.linux.channel import (
    HOUR_MS,
    MBOX_NO_MSG,
    MBOX_TX_QUEUE_LEN,
    TXDONE,
    mbox_chan,
)
from mboxio.linux.client import (
    mbox_bind_client,
    mbox_cancel_request,
    mbox_chan_tx_slots_available,
    mbox_client_peek_data,
    mbox_client_txdone,
    mbox_flush,
    mbox_free_channel,
    mbox_request_channel,
    mbox_request_channel_byname,
    mbox_send_message,
    mbox_send_request,
    mbox_wait_request,
)
from mboxio.linux.completion import (
    complete,
    complete_all,
    completion,
    reinit_completion,
    wait_for_completion,
    wait_for_completion_timeout,
)
from mboxio.linux.controller import (
    devm_mbox_controller_register,
    devm_mbox_controller_unregister,
    mbox_chan_received_data,
    mbox_chan_txdone,
    mbox_controller_register,
    mbox_controller_unregister,
    mbox_request_complete,
)
from mboxio.linux.io import (
    iomem,
    readl,
    readl_relaxed,
    writel,
    writel_relaxed,
)
from mboxio.linux.irq import (
    IRQ_HANDLED,
    IRQ_NONE,
)
from mboxio.linux.of import (
    device_node,
    of_device_is_compatible,
    of_fdt_unflatten_tree,
    of_find_node_by_path,
    of_phandle_args,
    of_property_read_bool,
    of_property_read_string,
    of_property_read_u32,
)
from mboxio.linux.platform import (
    of_device_id,
    platform_device,
    platform_device_unregister,
    platform_driver,
    platform_driver_probe,
)
from mboxio.linux.platform_controller import (
    PlatformController,
    PlatformOptions,
)
from mboxio.linux.probing import (
    dev_err_probe,
    dev_get_drvdata,
    devm_platform_ioremap_resource,
    devm_request_irq,
    of_device_get_match_data,
    platform_get_drvdata,
    platform_get_irq,
    platform_set_drvdata,
)
from mboxio.linux.request import (
    mbox_wait,
)
from mboxio.linux.structs import (
    ENOTSUPP,
    EPROBE_DEFER,
    IS_ERR,
    MBOX_REQ_MAY_SLEEP,
    device,
    mbox_chan_ops,
    mbox_client,
    mbox_controller,
    mbox_request,
    module,
)
from mboxio.linux.waiting import (
    in_interrupt,
    interrupt_context,
)

__all__ = [
    "ENOTSUPP",
    "EPROBE_DEFER",
    "HOUR_MS",
    "IRQ_HANDLED",
    "IRQ_NONE",
    "IS_ERR",
    "MBOX_NO_MSG",
    "MBOX_REQ_MAY_SLEEP",
    "MBOX_TX_QUEUE_LEN",
    "TXDONE",
    "PlatformController",
    "PlatformOptions",
    "complete",
    "complete_all",
    "completion",
    "dev_err_probe",
    "dev_get_drvdata",
    "device",
    "device_node",
    "devm_mbox_controller_register",
    "devm_mbox_controller_unregister",
    "devm_platform_ioremap_resource",
    "devm_request_irq",
    "in_interrupt",
    "interrupt_context",
    "iomem",
    "mbox_bind_client",
    "mbox_cancel_request",
    "mbox_chan",
    "mbox_chan_ops",
    "mbox_chan_received_data",
    "mbox_chan_tx_slots_available",
    "mbox_chan_txdone",
    "mbox_client",
    "mbox_client_peek_data",
    "mbox_client_txdone",
    "mbox_controller",
    "mbox_controller_register",
    "mbox_controller_unregister",
    "mbox_flush",
    "mbox_free_channel",
    "mbox_request",
    "mbox_request_channel",
    "mbox_request_channel_byname",
    "mbox_request_complete",
    "mbox_send_message",
    "mbox_send_request",
    "mbox_wait",
    "mbox_wait_request",
    "module",
    "of_device_get_match_data",
    "of_device_id",
    "of_device_is_compatible",
    "of_fdt_unflatten_tree",
    "of_find_node_by_path",
    "of_phandle_args",
    "of_property_read_bool",
    "of_property_read_string",
    "of_property_read_u32",
    "platform_device",
    "platform_device_unregister",
    "platform_driver",
    "platform_driver_probe",
    "platform_get_drvdata",
    "platform_get_irq",
    "platform_set_drvdata",
    "readl",
    "readl_relaxed",
    "reinit_completion",
    "wait_for_completion",
    "wait_for_completion_timeout",
    "writel",
    "writel_relaxed",
]
