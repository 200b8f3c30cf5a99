/* Arm MPS2+ with image AN521, the first of its two Cortex-M33, at 20 MHz; QEMU has it. */
#define UART 0x50200000u
#define BELL_IRQ 32
#define TICK_CYCLES 2000000u /* 0.1 s */
#include "cmsdk_uart.h"
