/* The ATmega328P's serial port with a ring buffer each way, moved by interrupts. Nothing here waits. */
#ifndef EDGE_AVR_UART_H
#define EDGE_AVR_UART_H

#include <stdint.h>

/* A received frame must fit the time the main loop may be away: 64 bytes are 5.5 ms at 115200 baud. Powers of two, at
 * most 128. */
#define UART_RX_SIZE 64u
#define UART_TX_SIZE 32u

/* Starts the port and needs interrupts to be enabled afterwards (sei). 115200 baud at 16 MHz is 2.1 % fast, which most
 * hosts accept; 250000, 500000 and 1000000 are exact. */
void uart_begin(uint32_t baud);

/* Takes one received byte into *byte; 0 when there is none. */
uint8_t uart_take(uint8_t *byte);

/* Puts what fits into the ring to be sent; returns how many bytes that was. */
uint16_t uart_put(const uint8_t *bytes, uint16_t length);

/* True where the interrupt has stored something since, or is still sending: do not sleep deeper than idle. */
uint8_t uart_waiting(void);

#endif
