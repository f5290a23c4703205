#include "edge_frame.h"

#include <string.h>

/* --- numbers ---------------------------------------------------------------------------------------------------- */

uint16_t edge_get16(const uint8_t *from)
{
    return (uint16_t)(from[0] | (uint16_t)(from[1] << 8));
}

uint32_t edge_get32(const uint8_t *from)
{
    uint32_t value = 0;
    uint8_t at = 4;
    while (at) {
        value = value << 8 | from[--at];
    }
    return value;
}

void edge_put16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

void edge_put32(uint8_t *to, uint32_t value)
{
    edge_put16(to, (uint16_t)value);
    edge_put16(to + 2, (uint16_t)(value >> 16));
}

/* Bit by bit: a table would lie in RAM on an AVR, where it is no faster either. */
uint32_t edge_crc32(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    while (size--) {
        uint8_t bit;
        crc ^= *data++;
        for (bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        }
    }
    return ~crc;
}

/* --- out -------------------------------------------------------------------------------------------------------- */

void edge_frame_begin(uint8_t *head, uint8_t type, uint8_t flags, uint16_t sequence, uint32_t sessions)
{
    head[0] = type;
    head[1] = flags;
    edge_put16(head + 2, sequence);
    edge_put32(head + 4, sessions);
}

/* COBS: each zero becomes the distance to the next one, or to the end. A zero goes in front, too: what came before, cut
 * off half way, ends there. `head` is the header and a LOG's level, `tail` the rest. */
#if EDGE_FRAME_SIZE < 254
void edge_frame_put(const struct edge_out *out, const uint8_t *head, uint8_t head_size, const uint8_t *tail,
                      uint16_t tail_size)
{
    uint8_t line[EDGE_FRAME_SIZE + 3], *frame = line + 2, at, next, size = (uint8_t)(head_size + tail_size);
    line[0] = 0;
    line[1] = 0;
    memcpy(frame, head, head_size);
    memcpy(frame + head_size, tail, tail_size);
    edge_put32(frame + size, edge_crc32(0, frame, size));
    next = (uint8_t)(size + EDGE_CRC_SIZE + 2);
    line[next] = 0;
    for (at = (uint8_t)(next - 1); at > 0; at--) {
        if (!line[at] || at == 1) {
            line[at] = (uint8_t)(next - at);
            next = at;
        }
    }
    (void)out->put(out->context, line, (size_t)size + EDGE_CRC_SIZE + 3);
}
#else
/* Of a large frame a block at a time: the whole of it would not fit the stack of a Pico, which has 2 KB. */
struct block {
    const struct edge_out *out;
    uint8_t size;
    bool lost; /* the line takes no more: the rest is not sent either */
    uint8_t bytes[255];
};

static void put_block(struct block *block, uint8_t first)
{
    const struct edge_out *out = block->out;
    block->bytes[0] = first;
    block->lost = block->lost || out->put(out->context, block->bytes, block->size) < block->size;
    block->size = 1;
}

/* Sends what was collected when a zero ends it, or when it is full and more is to come. */
static void add(struct block *block, const uint8_t *from, uint16_t size)
{
    for (; size--; from++) {
        if (block->size == 0xff) {
            put_block(block, 0xff);
        }
        if (*from) {
            block->bytes[block->size++] = *from;
        } else {
            put_block(block, block->size);
        }
    }
}

void edge_frame_put(const struct edge_out *out, const uint8_t *head, uint8_t head_size, const uint8_t *tail,
                      uint16_t tail_size)
{
    struct block block;
    uint8_t crc[EDGE_CRC_SIZE];
    edge_put32(crc, edge_crc32(edge_crc32(0, head, head_size), tail, tail_size));
    block.out = out;
    block.size = 1;
    block.lost = false;
    put_block(&block, 0);
    add(&block, head, head_size);
    add(&block, tail, tail_size);
    add(&block, crc, EDGE_CRC_SIZE);
    put_block(&block, block.size);
    put_block(&block, 0);
}
#endif

/* --- in --------------------------------------------------------------------------------------------------------- */

static void plain(struct edge_in *in, uint8_t byte)
{
    if (in->size == EDGE_FRAME_SIZE) {
        in->skip = true;
    } else {
        in->frame[in->size++] = byte;
    }
}

/* The size of what was collected between two zeros, or 0 where it is no frame. */
static uint16_t whole(struct edge_in *in)
{
    uint16_t size = in->size;
    if (!in->skip && !in->left && size >= EDGE_FRAME_OVERHEAD &&
        edge_crc32(0, in->frame, (size_t)size - EDGE_CRC_SIZE) == edge_get32(in->frame + size - EDGE_CRC_SIZE)) {
        return size;
    }
    if (in->block) { /* two zeros in a row are nothing */
        in->damaged++;
    }
    return 0;
}

uint16_t edge_frame_take(struct edge_in *in, uint8_t byte)
{
    uint16_t size;
    if (!byte) {
        size = whole(in);
        in->size = 0;
        in->left = 0;
        in->block = 0;
        in->skip = false;
        return size;
    }
    if (in->left) {
        in->left--;
        plain(in, byte);
        return 0;
    }
    if (in->block && in->block != 0xff) {
        plain(in, 0); /* the zero between two blocks */
    }
    in->block = byte;
    in->left = (uint8_t)(byte - 1);
    return 0;
}
