/* Arm MPS2 with image AN385, a Cortex-M3 at 25 MHz; QEMU has it. */
#define UART 0x40004000u
#define BELL_IRQ 0
#define TICK_CYCLES 2500000u /* 0.1 s */
/* Until 7.2 at least, QEMU drops the fences of a guest with one CPU. Access to a device orders them: it takes a lock. */
#define MBOXIO_FULL_FENCE() (__atomic_thread_fence(__ATOMIC_SEQ_CST), (void)REGISTER(UART + 0x04))
#include "cmsdk_uart.h"
