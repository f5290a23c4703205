#include "uart.h"

#include <avr/interrupt.h>
#include <avr/io.h>

/* The interrupts' own: this file is the one that cannot do without variables that outlive a function. Each index has one
 * writer, and a byte is read and written at once, so nothing has to be locked. */
static volatile uint8_t rx[UART_RX_SIZE], tx[UART_TX_SIZE];
static volatile uint8_t rx_head, rx_tail, tx_head, tx_tail;

ISR(USART_RX_vect) {
    uint8_t byte = UDR0;
    uint8_t head = rx_head;
    if ((uint8_t)(head - rx_tail) < UART_RX_SIZE) { /* else lost: the frame's CRC will say so */
        rx[head % UART_RX_SIZE] = byte;
        rx_head = (uint8_t)(head + 1u);
    }
}

ISR(USART_UDRE_vect) {
    uint8_t tail = tx_tail;
    if (tail == tx_head) {
        UCSR0B &= (uint8_t)~_BV(UDRIE0);
        return;
    }
    UDR0 = tx[tail % UART_TX_SIZE];
    tx_tail = (uint8_t)(tail + 1u);
}

void uart_begin(uint32_t baud) {
    UCSR0A = _BV(U2X0);
    UBRR0 = (uint16_t)((F_CPU / 4u / baud - 1u) / 2u);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
}

uint8_t uart_take(uint8_t *byte) {
    uint8_t tail = rx_tail;
    if (tail == rx_head)
        return 0;
    *byte = rx[tail % UART_RX_SIZE];
    rx_tail = (uint8_t)(tail + 1u);
    return 1;
}

uint16_t uart_put(const uint8_t *bytes, uint16_t length) {
    uint16_t taken = 0;
    uint8_t head = tx_head;
    while (taken < length && (uint8_t)(head - tx_tail) < UART_TX_SIZE)
        tx[head++ % UART_TX_SIZE] = bytes[taken++];
    tx_head = head;
    if (taken) {
        /* the read and the write back are two instructions on this register, and the interrupt clears the same bit */
        uint8_t status = SREG;
        cli();
        UCSR0B |= _BV(UDRIE0);
        SREG = status;
    }
    return taken;
}

uint8_t uart_waiting(void) { return rx_head != rx_tail || tx_head != tx_tail; }
