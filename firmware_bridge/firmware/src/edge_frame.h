/* Frames on a serial line: COBS(content + CRC-32 of it, little endian) and a zero byte.
 *
 * Nothing here knows what a frame says; edge_link.h does. Both directions work byte by byte: a frame is decoded where it
 * is collected, and encoded while it is sent, so that each needs one buffer of the frame's size and none beside it.
 * No heap, no globals, nothing that waits.
 */
#ifndef EDGE_FRAME_H
#define EDGE_FRAME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDGE_CRC_SIZE 4u

/* CRC-32 (IEEE 802.3, as in zip and Python's zlib.crc32) of the bytes, going on from that of the bytes before them (0 at
 * the start). */
uint32_t edge_crc32(uint32_t before, const uint8_t *bytes, uint16_t length);

/* Collects one frame. bytes and capacity are the caller's; the rest is set by edge_decoder_reset. */
typedef struct {
    uint8_t *bytes;
    uint16_t capacity;
    uint16_t length; /* decoded so far */
    uint8_t left;    /* bytes until the next COBS code */
    uint8_t code;    /* that code's value; 0 before a frame's first byte */
    uint8_t lost;    /* this frame is too long, or had an error on the line */
} edge_decoder_t;

enum { EDGE_MORE = 0, EDGE_FRAME = 1, EDGE_BROKEN = 2 };

/* Waits for the start of a frame. */
void edge_decoder_reset(edge_decoder_t *decoder);

/* Takes one received byte. EDGE_FRAME: bytes[0 .. length) is a whole frame's content, its CRC checked and taken off;
 * valid until the next call. EDGE_BROKEN: a frame ended that was damaged, cut short or too long. Zeros without anything
 * between them are nothing. */
uint8_t edge_decoder_take(edge_decoder_t *decoder, uint8_t byte);

/* Sends one frame. Content and its CRC are in bytes[0 .. length). */
typedef struct {
    const uint8_t *bytes;
    uint16_t length;
    uint16_t at;  /* next byte to encode */
    uint8_t left; /* bytes to copy before the next COBS code */
    uint8_t code; /* the COBS code of these bytes, or the zero that ends the frame */
    uint8_t step; /* what comes next: a code, copying, the end, nothing */
} edge_encoder_t;

/* Appends the CRC to the content of this length (the buffer has room for EDGE_CRC_SIZE more) and starts encoding. */
void edge_encoder_start(edge_encoder_t *encoder, uint8_t *bytes, uint16_t length);

/* True while there is more to send. */
uint8_t edge_encoder_busy(const edge_encoder_t *encoder);

/* The next piece to send, at most 255 bytes: sets *piece and returns its length, 0 when all was sent. Tell
 * edge_encoder_sent how much of it was taken before asking again. */
uint8_t edge_encoder_piece(edge_encoder_t *encoder, const uint8_t **piece);
void edge_encoder_sent(edge_encoder_t *encoder, uint8_t length);

#ifdef __cplusplus
}
#endif
#endif
