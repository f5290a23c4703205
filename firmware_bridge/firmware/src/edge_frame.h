/* edge_frame: what stands between two zeros on the line: COBS around a header, a payload and a CRC-32.
 *
 *     struct edge_in in = {0};
 *     uint16_t size = edge_frame_take(&in, byte); // not 0: in.frame holds a whole, checked frame until the next byte
 *
 *     uint8_t head[EDGE_HEADER_SIZE];
 *     edge_frame_begin(head, type, flags, sequence, sessions);
 *     edge_frame_put(&out, head, sizeof head, payload, payload_size);
 *
 * edge_link.h stands on this; a sketch needs nothing of it but the numbers at the end.
 *
 * Threads and interrupts: nothing is kept outside the structures; one of them must not be used from two places at once.
 */
#ifndef EDGE_FRAME_H
#define EDGE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge_messages.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of payload the board can take; a board with more memory may define more, up to 4096. At least 32. It must be the
 * same for all files: define it on the compiler's command line. */
#ifndef EDGE_MAX_PAYLOAD
#define EDGE_MAX_PAYLOAD EDGE_DEFAULT_PAYLOAD
#endif

#define EDGE_HEADER_SIZE 8
#define EDGE_CRC_SIZE 4
#define EDGE_FRAME_OVERHEAD (EDGE_HEADER_SIZE + EDGE_CRC_SIZE)
#define EDGE_FRAME_SIZE (EDGE_MAX_PAYLOAD + EDGE_FRAME_OVERHEAD)

/* The frame that is arriving: COBS is undone byte by byte, in the place where it is collected. Begins as zeros. */
struct edge_in {
    uint16_t size;
    uint16_t damaged; /* pieces of the line that were no frame */
    uint8_t left;     /* bytes until the next zero of the plain frame */
    uint8_t block;    /* how long that block was */
    bool skip;        /* longer than any frame may be */
    uint8_t frame[EDGE_FRAME_SIZE];
};

/* Take one byte of the line. The size of the frame that it completes, CRC included, or 0. */
uint16_t edge_frame_take(struct edge_in *in, uint8_t byte);

/* Where bytes go; see `put` in edge_link.h. */
struct edge_out {
    size_t (*put)(void *context, const uint8_t *data, size_t size);
    void *context;
};

/* Write a frame's header. */
void edge_frame_begin(uint8_t *head, uint8_t type, uint8_t flags, uint16_t sequence, uint32_t sessions);

/* Send a frame that begins with `head` (header and what of the payload stands there) and goes on with `tail`. */
void edge_frame_put(const struct edge_out *out, const uint8_t *head, uint8_t head_size, const uint8_t *tail,
                    uint16_t tail_size);

/* CRC-32 (IEEE 802.3), continued: start with 0. */
uint32_t edge_crc32(uint32_t crc, const uint8_t *data, size_t size);

/* Little-endian numbers in payloads. */
uint16_t edge_get16(const uint8_t *from);
uint32_t edge_get32(const uint8_t *from);
void edge_put16(uint8_t *to, uint16_t value);
void edge_put32(uint8_t *to, uint32_t value);

#ifdef __cplusplus
}
#endif

#endif
