/* An ATmega328P that runs a firmware in step with the wall clock, its UART on a pty: simavr FIRMWARE.elf [SPEED]
 *
 * Prints "PTY /dev/pts/N". Reads lines: "pin 0|1" sets D2, "reset" starts the chip anew, "quit". Prints "led 0|1" when
 * D13 changes, and "overruns N" at the end.
 *
 * simavr 1.6 counts 11 bits a byte and has a receive buffer of 64 where the chip has 2; both are put right here, so that
 * a firmware that is too slow loses bytes as the chip would. One thread: the pty is looked at every half millisecond of
 * the chip's time, and waited on for as long as the chip is ahead of the clock.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <avr_ioport.h>
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_elf.h>
#include <sim_io.h>

#define WAITING 65536

static avr_t *avr;
static avr_uart_t *uart;
static avr_irq_t *input;
static int line;
static uint8_t to_chip[WAITING], from_chip[WAITING];
static size_t to_head, to_tail, from_count;
static unsigned long overruns;

static void no_sleep(avr_t *one, avr_cycle_count_t cycles)
{
    (void)one;
    (void)cycles;
}

static avr_cycle_count_t byte_cycles(void)
{
    unsigned ubrr = avr_regbit_get(avr, uart->ubrrl) | (unsigned)avr_regbit_get(avr, uart->ubrrh) << 8;
    unsigned per_bit = (avr_regbit_get(avr, uart->u2x) ? 8 : 16) * (ubrr + 1);
    uart->cycles_per_byte = 10 * (avr_cycle_count_t)per_bit;
    return uart->cycles_per_byte;
}

static avr_cycle_count_t feed(avr_t *one, avr_cycle_count_t when, void *context)
{
    (void)one;
    (void)context;
    avr_cycle_count_t every = byte_cycles();
    if (to_head != to_tail && avr_regbit_get(avr, uart->rxen)) {
        uint8_t byte = to_chip[to_tail];
        to_tail = (to_tail + 1) % WAITING;
        if (((unsigned)(uart->input.write - uart->input.read) & 63u) >= 3) {
            overruns++;
        } else {
            avr_raise_irq(input, byte);
        }
    }
    return when + (every ? every : 1600);
}

static void sent(avr_irq_t *irq, uint32_t value, void *context)
{
    (void)irq;
    (void)context;
    if (from_count < WAITING) {
        from_chip[from_count++] = (uint8_t)value;
    }
}

static void led(avr_irq_t *irq, uint32_t value, void *context)
{
    (void)irq;
    (void)context;
    printf("led %u\n", value & 1);
}

static void find_uart(void)
{
    avr_io_t *io;
    for (io = avr->io_port; io; io = io->next) {
        if (io->kind && !strcmp(io->kind, "uart") && ((avr_uart_t *)io)->name == '0') {
            uart = (avr_uart_t *)io;
        }
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int open_line(void)
{
    struct termios raw;
    int other;
    char name[64];
    if (openpty(&line, &other, name, NULL, NULL)) {
        return 0;
    }
    tcgetattr(other, &raw);
    cfmakeraw(&raw);
    tcsetattr(other, TCSANOW, &raw);
    fcntl(line, F_SETFL, O_NONBLOCK);
    printf("PTY %s\n", name);
    return 1;
}

static int command(char *text)
{
    if (!strncmp(text, "pin ", 4)) {
        avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('D'), 2), (uint32_t)atoi(text + 4));
    } else if (!strncmp(text, "reset", 5)) {
        avr_reset(avr);
        avr_cycle_timer_register(avr, 1600, feed, NULL);
    }
    return strncmp(text, "quit", 4) != 0;
}

int main(int count, char **arguments)
{
    static elf_firmware_t firmware;
    uint32_t flags = 0;
    double speed = count > 2 ? atof(arguments[2]) : 1, begun;
    avr_cycle_count_t until;
    int going = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count < 2 || elf_read_firmware(arguments[1], &firmware)) {
        fprintf(stderr, "simavr FIRMWARE.elf [SPEED]\n");
        return 1;
    }
    strcpy(firmware.mmcu, "atmega328p");
    firmware.frequency = 16000000;
    avr = avr_make_mcu_by_name(firmware.mmcu);
    avr_init(avr);
    avr_load_firmware(avr, &firmware);
    avr->sleep = no_sleep;
    find_uart();
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    input = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), sent, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('B'), 5), led, NULL);
    avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('D'), 2), 1);
    avr_cycle_timer_register(avr, 1600, feed, NULL);
    if (!open_line()) {
        return 1;
    }
    begun = seconds();
    until = 0;
    while (going) {
        uint8_t data[512];
        ssize_t got, i;
        double ahead;
        struct pollfd ready[2] = {{line, POLLIN, 0}, {0, POLLIN, 0}};
        until += 8000;
        while (avr->cycle < until) {
            int state = avr_run(avr);
            if (state == cpu_Done || state == cpu_Crashed) {
                fprintf(stderr, "the chip has stopped\n");
                return 1;
            }
        }
        if (from_count) {
            got = write(line, from_chip, from_count);
            (void)got;
            from_count = 0;
        }
        ahead = (double)avr->cycle / 16e6 / speed - (seconds() - begun);
        if (ahead < -0.5) { /* the machine was busy: do not race to catch up */
            begun -= ahead;
        }
        {
            struct timespec wait = {0, ahead > 0 ? (long)(1e9 * (ahead < 0.5 ? ahead : 0.5)) : 0};
            ppoll(ready, 2, &wait, NULL);
        }
        while ((got = read(line, data, sizeof data)) > 0) {
            for (i = 0; i < got; i++) {
                to_chip[to_head] = data[i];
                to_head = (to_head + 1) % WAITING;
            }
        }
        if (ready[1].revents) {
            char text[128];
            got = 0;
            while (got < (ssize_t)sizeof text - 1 && read(0, text + got, 1) == 1 && text[got++] != '\n') {
            }
            text[got] = 0;
            going = got && command(text);
        }
    }
    printf("overruns %lu\n", overruns);
    return 0;
}
