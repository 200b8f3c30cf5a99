/* How a Cortex-M starts: its vectors, and RAM as C wants it. */
#include BOARD

extern uint32_t stack_top[], data_start[], data_end[], data_in_flash[], bss_start[], bss_end[];
int main(void);
void start(void), on_tick(void), on_bell(void);

void start(void)
{
    const uint32_t *from = data_in_flash;
    for (volatile uint32_t *to = data_start; to < data_end;) *to++ = *from++;
    for (volatile uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    main();
}

/* It stays here for the debugger, and its heart stands still: the host sees it. A product resets. */
static void fault(void)
{
    for (;;)
        continue;
}

union vector {
    const void *stack;
    void (*handler)(void);
};
__attribute__((section(".vectors"), used)) static const union vector vectors[VECTORS] = {
    {.stack = stack_top}, {.handler = start}, {.handler = fault}, {.handler = fault},
    [15] = {.handler = on_tick}, [16 + BELL_IRQ] = {.handler = on_bell},
};
#ifdef BOOT_WORDS
__attribute__((section(".boot"), used)) static const uint32_t boot_words[] = {BOOT_WORDS};
#endif
