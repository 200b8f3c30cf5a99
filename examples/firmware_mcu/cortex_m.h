/* What `firmware.c` asks of a Cortex-M, from M0 to M85. A board says BELL_IRQ, TICK_CYCLES and the wire of its doorbell.
 *
 * Whoever can write memory can raise BELL_IRQ: bit BELL_IRQ % 32 of the word 0xE000E200 + 4 * (BELL_IRQ / 32).
 */
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include <stdint.h>

#define MBOXIO_BEFORE_DOORBELL() __asm__ volatile("dsb" ::: "memory")
#define REGISTER(address) (*(volatile uint32_t *)(address))

enum { VECTORS = 16 + BELL_IRQ + 1 };

/* The system timer ticks, and the doorbell is heard. */
static inline void cortex_m_start(void)
{
    REGISTER(0xE000E014u) = TICK_CYCLES - 1;
    REGISTER(0xE000E018u) = 0;
    REGISTER(0xE000E010u) = 7; /* the processor's clock, with its interrupt, on */
    REGISTER(0xE000E100u + BELL_IRQ / 32 * 4) = 1u << BELL_IRQ % 32;
}

static inline void board_hold(void) { __asm__ volatile("cpsid i" ::: "memory"); }
static inline void board_sleep(void) { __asm__ volatile("dsb\n\twfi" ::: "memory"); }
static inline void board_go_on(void) { __asm__ volatile("cpsie i\n\tisb" ::: "memory"); }

_Noreturn static inline void board_reset(void)
{
    __asm__ volatile("dsb" ::: "memory");
    REGISTER(0xE000ED0Cu) = 0x05FA0004;
    for (;;)
        continue;
}

static inline void board_fault(void) { __asm__ volatile("udf #0"); }

#endif
