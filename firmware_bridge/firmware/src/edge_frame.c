#include "edge_frame.h"

#ifdef __AVR__
#include <avr/pgmspace.h>
#define TABLE_WORD(at) pgm_read_dword(&nibbles[at])
#else
#define PROGMEM
#define TABLE_WORD(at) nibbles[at]
#endif

/* of anything with its CRC behind it */
#define CRC_RESIDUE 0x2144DF1CuL

#define LONGEST_RUN 254u
#define NO_ZERO 0xFFu

enum { IDLE, CODE, COPY, END };

/* Four bits at a time: 64 bytes of flash instead of 1 KB, and still 4 times as fast as bit by bit. */
static const uint32_t nibbles[16] PROGMEM = {
    0x00000000uL, 0x1DB71064uL, 0x3B6E20C8uL, 0x26D930ACuL, 0x76DC4190uL, 0x6B6B51F4uL, 0x4DB26158uL, 0x5005713CuL,
    0xEDB88320uL, 0xF00F9344uL, 0xD6D6A3E8uL, 0xCB61B38CuL, 0x9B64C2B0uL, 0x86D3D2D4uL, 0xA00AE278uL, 0xBDBDF21CuL,
};

uint32_t edge_crc32(uint32_t before, const uint8_t *bytes, uint16_t length) {
    uint32_t crc = ~before;
    while (length--) {
        crc ^= *bytes++;
        crc = crc >> 4 ^ TABLE_WORD(crc & 15u);
        crc = crc >> 4 ^ TABLE_WORD(crc & 15u);
    }
    return ~crc;
}

/* --- receiving --------------------------------------------------------------------------------------------------- */

void edge_decoder_reset(edge_decoder_t *decoder) {
    decoder->length = 0;
    decoder->left = 0;
    decoder->code = 0;
    decoder->lost = 0;
}

static void append(edge_decoder_t *decoder, uint8_t byte) {
    if (decoder->length < decoder->capacity)
        decoder->bytes[decoder->length++] = byte;
    else
        decoder->lost = 1;
}

static uint8_t finish(edge_decoder_t *decoder) {
    uint16_t length = decoder->length;
    uint8_t empty = !decoder->code;
    uint8_t broken = (uint8_t)(decoder->lost || decoder->left || length <= EDGE_CRC_SIZE ||
                               edge_crc32(0, decoder->bytes, length) != CRC_RESIDUE);
    edge_decoder_reset(decoder);
    if (empty)
        return EDGE_MORE;
    if (broken)
        return EDGE_BROKEN;
    decoder->length = (uint16_t)(length - EDGE_CRC_SIZE);
    return EDGE_FRAME;
}

uint8_t edge_decoder_take(edge_decoder_t *decoder, uint8_t byte) {
    if (!byte)
        return finish(decoder);
    if (!decoder->code)
        decoder->length = 0; /* what was the last frame is given up now */
    if (decoder->left) {
        decoder->left--;
        append(decoder, byte);
        return EDGE_MORE;
    }
    if (decoder->code && decoder->code != NO_ZERO)
        append(decoder, 0);
    decoder->code = byte;
    decoder->left = (uint8_t)(byte - 1u);
    return EDGE_MORE;
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

/* The next COBS code: the distance to the next zero, or to the end, where another zero is thought. */
static void plan(edge_encoder_t *encoder) {
    uint16_t at = encoder->at;
    uint8_t run = 0;
    while (at < encoder->length && encoder->bytes[at] && run < LONGEST_RUN) {
        at++;
        run++;
    }
    encoder->left = run;
    encoder->code = (uint8_t)(run + 1u);
    encoder->step = CODE;
}

void edge_encoder_start(edge_encoder_t *encoder, uint8_t *bytes, uint16_t length) {
    uint32_t crc = edge_crc32(0, bytes, length);
    uint8_t at;
    for (at = 0; at < EDGE_CRC_SIZE; at++) {
        bytes[length++] = (uint8_t)crc;
        crc >>= 8;
    }
    encoder->bytes = bytes;
    encoder->length = length;
    encoder->at = 0;
    plan(encoder);
}

uint8_t edge_encoder_busy(const edge_encoder_t *encoder) { return encoder->step != IDLE; }

uint8_t edge_encoder_piece(edge_encoder_t *encoder, const uint8_t **piece) {
    if (encoder->step == IDLE)
        return 0;
    if (encoder->step == COPY) {
        *piece = encoder->bytes + encoder->at;
        return encoder->left;
    }
    *piece = &encoder->code;
    return 1;
}

static void next_block(edge_encoder_t *encoder) {
    /* a block of the longest run has no zero behind it */
    uint8_t zero = encoder->code != NO_ZERO;
    encoder->at = (uint16_t)(encoder->at + zero);
    if (encoder->at < encoder->length + zero) {
        plan(encoder);
        return;
    }
    encoder->step = END;
    encoder->code = 0;
}

void edge_encoder_sent(edge_encoder_t *encoder, uint8_t length) {
    if (!length)
        return;
    if (encoder->step == END) {
        encoder->step = IDLE;
        return;
    }
    if (encoder->step == COPY) {
        encoder->at = (uint16_t)(encoder->at + length);
        encoder->left = (uint8_t)(encoder->left - length);
    }
    encoder->step = COPY;
    if (!encoder->left)
        next_block(encoder);
}
