/* What `firmware.c` asks of a RISC-V hart that has a CLINT. A board says CLINT, TICK_CYCLES and how it is reset.
 *
 * Whoever can write memory can ring: 1 in the first word of the CLINT.
 */
#ifndef RISCV_H
#define RISCV_H

#include <stdint.h>

#define MBOXIO_BEFORE_DOORBELL() __asm__ volatile("fence rw, rw" ::: "memory")
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SOFTWARE_PENDING REGISTER(CLINT)

void next_tick(void);

/* The timer ticks, and the doorbell is heard. */
static inline void board_start(void)
{
    next_tick();
    __asm__ volatile("csrw mie, %0" : : "r"(1u << 3 | 1u << 7)); /* software, timer */
    __asm__ volatile("csrsi mstatus, 8" ::: "memory");
}

static inline void board_ring(void) {}
static inline void board_hear(void) { SOFTWARE_PENDING = 0; }
static inline void board_hold(void) { __asm__ volatile("csrci mstatus, 8" ::: "memory"); }
static inline void board_sleep(void) { __asm__ volatile("fence\n\twfi" ::: "memory"); }
static inline void board_go_on(void) { __asm__ volatile("csrsi mstatus, 8" ::: "memory"); }
static inline void board_fault(void) { __asm__ volatile(".word 0" ::: "memory"); }

#endif
