/* Raspberry Pi Pico: the link over USB, a beam sensor on GP2, the LED lit while the last answer was a known concept. */
#include <stdio.h>

#include "edge_link.h"
#include "pico/rand.h"
#include "pico/stdlib.h"

#define SENSOR 2

static size_t put(void *context, const uint8_t *data, size_t size)
{
    size_t done;
    (void)context;
    for (done = 0; done < size; done++) {
        putchar_raw(data[done]);
    }
    stdio_flush();
    return size;
}

static uint32_t ms(void *context)
{
    (void)context;
    return to_ms_since_boot(get_absolute_time());
}

static void answer(void *context, const struct edge_result *found)
{
    (void)context;
    gpio_put(PICO_DEFAULT_LED_PIN, found->known_flag && found->concept != EDGE_NO_CONCEPT);
}

int main(void)
{
    static const struct edge_callbacks callbacks = {put, ms, answer, NULL};
    static struct edge_link board;
    bool before = true;
    stdio_init_all();
    stdio_set_translate_crlf(&stdio_usb, false);
    gpio_init(SENSOR);
    gpio_pull_up(SENSOR);
    gpio_init(PICO_DEFAULT_LED_PIN);
    gpio_set_dir(PICO_DEFAULT_LED_PIN, GPIO_OUT);
    edge_link_init(&board, &callbacks, NULL, get_rand_32() | 1, "pico");
    for (;;) {
        int byte;
        bool beam = gpio_get(SENSOR);
        while ((byte = getchar_timeout_us(0)) >= 0) {
            edge_link_receive(&board, (uint8_t)byte);
        }
        if (before && !beam) {
            edge_link_trigger(&board, 0);
        }
        before = beam;
        edge_link_poll(&board);
    }
}
