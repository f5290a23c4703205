/* A bare ATmega328P (Arduino Uno, Nano) at 16 MHz: UART at 115 200 by interrupts, a beam sensor on D2 (PD2, falling),
 * an LED on D13 (PB5) that is lit while the last answer was a known concept. No Arduino core; it runs in simavr.
 */
#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

#include "edge_link.h"

#ifndef BAUD
#define BAUD 115200
#endif
#define UBRR_VALUE ((F_CPU / 8 + BAUD / 2) / BAUD - 1)

/* Received bytes wait here while main works; longer than a frame, so that one may arrive while another is answered. */
#define RING 128

static volatile uint8_t in[RING], in_head, in_tail;
static volatile uint8_t out[RING], out_head, out_tail;
static volatile uint32_t milliseconds;
static struct edge_link board;

ISR(USART_RX_vect)
{
    uint8_t byte = UDR0, next = (uint8_t)((in_head + 1) % RING);
    if (next != in_tail) { /* a full ring loses the byte; the frame's CRC notices */
        in[in_head] = byte;
        in_head = next;
    }
}

ISR(USART_UDRE_vect)
{
    if (out_head == out_tail) {
        UCSR0B &= (uint8_t)~(1 << UDRIE0);
    } else {
        UDR0 = out[out_tail];
        out_tail = (uint8_t)((out_tail + 1) % RING);
    }
}

ISR(TIMER0_COMPA_vect)
{
    milliseconds++;
}

static size_t put(void *context, const uint8_t *data, size_t size)
{
    size_t done;
    (void)context;
    for (done = 0; done < size; done++) {
        uint8_t next = (uint8_t)((out_head + 1) % RING);
        while (next == out_tail) { /* the interrupt makes room */
        }
        out[out_head] = data[done];
        out_head = next;
        UCSR0B |= 1 << UDRIE0;
    }
    return done;
}

static uint32_t ms(void *context)
{
    uint32_t now;
    (void)context;
    cli();
    now = milliseconds;
    sei();
    return now;
}

static void answer(void *context, const struct edge_result *found)
{
    (void)context;
    if (found->known_flag && found->concept != EDGE_NO_CONCEPT) {
        PORTB |= 1 << PORTB5;
    } else {
        PORTB &= (uint8_t)~(1 << PORTB5);
    }
}

/* Another number at every start: a counter in EEPROM. */
static uint32_t starts(void)
{
    uint32_t count = eeprom_read_dword((const uint32_t *)0) + 1;
    eeprom_write_dword((uint32_t *)0, count);
    return count;
}

int main(void)
{
    static const struct edge_callbacks callbacks = {put, ms, answer, 0};
    uint8_t before = 1;
    UBRR0 = UBRR_VALUE;
    UCSR0A = 1 << U2X0;
    UCSR0B = 1 << RXCIE0 | 1 << RXEN0 | 1 << TXEN0;
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    TCCR0A = 1 << WGM01;
    TCCR0B = 1 << CS01 | 1 << CS00;
    OCR0A = F_CPU / 64 / 1000 - 1;
    TIMSK0 = 1 << OCIE0A;
    DDRB = 1 << DDB5;
    PORTD = 1 << PORTD2; /* pulled up */
    edge_link_init(&board, &callbacks, 0, edge_nonce(starts(), (uint32_t)OSCCAL << 16), "uno");
    set_sleep_mode(SLEEP_MODE_IDLE);
    sei();
    for (;;) {
        uint8_t beam = PIND & 1 << PIND2 ? 1 : 0;
        while (in_head != in_tail) {
            uint8_t byte = in[in_tail];
            in_tail = (uint8_t)((in_tail + 1) % RING);
            edge_link_receive(&board, byte);
        }
        if (before && !beam) {
            edge_link_trigger(&board, 0);
        }
        before = beam;
        edge_link_poll(&board);
        sleep_mode();
    }
}
