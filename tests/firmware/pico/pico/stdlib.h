/* The part of the Pico SDK that the Pico's board uses, so that it is compiled where the SDK is not. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
typedef unsigned int uint;
typedef uint64_t absolute_time_t;
typedef struct stdio_driver stdio_driver_t;
struct stdio_driver {
    int unused;
};
extern stdio_driver_t stdio_usb;
#define PICO_DEFAULT_LED_PIN 25
#define GPIO_OUT true
bool stdio_init_all(void);
void stdio_set_translate_crlf(stdio_driver_t *driver, bool translate);
void stdio_flush(void);
int putchar_raw(int c);
int getchar_timeout_us(uint32_t timeout_us);
uint32_t to_ms_since_boot(absolute_time_t t);
absolute_time_t get_absolute_time(void);
void gpio_init(uint gpio);
void gpio_pull_up(uint gpio);
void gpio_set_dir(uint gpio, bool out);
void gpio_put(uint gpio, bool value);
bool gpio_get(uint gpio);
