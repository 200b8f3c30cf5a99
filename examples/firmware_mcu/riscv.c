/* How a RISC-V hart starts, and its one vector. */
#include BOARD

extern uint32_t data_start[], data_end[], data_in_flash[], bss_start[], bss_end[];
int main(void);
void start(void), begin(void), on_tick(void), on_bell(void), on_trap(void);

#define TIME (CLINT + 0xBFF8u)
#define TIME_COMPARE (CLINT + 0x4000u)

void next_tick(void)
{
    uint32_t low = REGISTER(TIME), high = REGISTER(TIME + 4), then = low + TICK_CYCLES;
    REGISTER(TIME_COMPARE + 4) = 0xFFFFFFFFu; /* never, while half of it is written */
    REGISTER(TIME_COMPARE) = then;
    REGISTER(TIME_COMPARE + 4) = high + (then < low);
}

__attribute__((interrupt, aligned(4))) void on_trap(void)
{
    uint32_t cause;
    __asm__ volatile("csrr %0, mcause" : "=r"(cause));
    if (cause == 0x80000003u) {
        on_bell();
    } else if (cause == 0x80000007u) {
        next_tick();
        on_tick();
    } else {
        for (;;) /* a fault: it stays here for the debugger, and its heart stands still. A product resets */
            continue;
    }
}

void begin(void)
{
    const uint32_t *from = data_in_flash;
    for (volatile uint32_t *to = data_start; to < data_end;) *to++ = *from++;
    for (volatile uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    __asm__ volatile("csrw mtvec, %0" : : "r"(on_trap));
    main();
}

__attribute__((naked, section(".vectors"))) void start(void)
{
    __asm__ volatile("la sp, stack_top\n\tj begin");
}
