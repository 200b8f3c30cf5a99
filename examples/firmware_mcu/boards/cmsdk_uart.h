/* The doorbell of Arm's MPS boards: a byte each way over a UART of the CMSDK. A board says UART. */
#include "cortex_m.h"

static inline void board_start(void)
{
    REGISTER(UART + 0x10) = 16;   /* the slowest divisor that QEMU takes is the fastest */
    REGISTER(UART + 0x08) = 0x0b; /* transmit, receive, interrupt when received */
    /* QEMU keeps a byte that came before this and tells of no other until someone reads. */
    (void)REGISTER(UART);
    cortex_m_start();
}

static inline void board_ring(void)
{
    if (!(REGISTER(UART + 0x04) & 1)) REGISTER(UART) = '!'; /* if it is full, the host is being rung for anyway */
}

static inline void board_hear(void)
{
    REGISTER(UART + 0x0c) = 2;
    while (REGISTER(UART + 0x04) & 2) (void)REGISTER(UART);
}
