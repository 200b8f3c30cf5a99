/* Raspberry Pi Pico 2 (RP2350, a Cortex-M33). Untried. It runs from the ring oscillator, about 11 MHz. */
#define BELL_IRQ 46           /* SPAREIRQ_IRQ_0: no device has it */
#define TICK_CYCLES 1100000u /* about 0.1 s */
/* The boot ROM starts what has this block in its first 4 KiB (RP2350 datasheet, "Minimum Arm IMAGE_DEF"). */
#define BOOT_WORDS 0xFFFFDED3u, 0x10210142u, 0x000001FFu, 0x00000000u, 0xAB123579u
#include "probe.h"

static inline void board_start(void) { cortex_m_start(); }
