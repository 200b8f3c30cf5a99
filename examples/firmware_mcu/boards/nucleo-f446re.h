/* ST NUCLEO-F446RE (STM32F446RE, a Cortex-M4). Untried. It runs from the internal oscillator, 16 MHz. */
#define BELL_IRQ 55           /* TIM7, which is not used */
#define TICK_CYCLES 1600000u /* 0.1 s */
#include "probe.h"

static inline void board_start(void)
{
    REGISTER(0xE0042004u) |= 1; /* DBGMCU_CR.DBG_SLEEP: a probe reaches the RAM while we sleep (RM0390, 33.16.3) */
    cortex_m_start();
}
