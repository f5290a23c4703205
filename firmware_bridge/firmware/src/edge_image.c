#include "edge_image.h"

#include <string.h>

void edge_image_start(struct edge_image *image, const uint8_t *data, uint32_t size)
{
    image->data = data;
    image->size = size;
    image->sent = 0;
    image->number++;
    image->next = size ? EDGE_IMAGE_BEGIN : 0; /* of nothing, nothing is sent */
}

/* What the first message says of the picture; returns its size. */
static uint16_t describe(struct edge_image *image, uint8_t *payload)
{
    edge_put32(payload + EDGE_IMAGE_BEGIN_SIZE, image->size);
    edge_put32(payload + EDGE_IMAGE_BEGIN_CRC, edge_crc32(0, image->data, (size_t)image->size));
    image->sent = 0;
    image->next = EDGE_IMAGE_CHUNK;
    return EDGE_SIZEOF_IMAGE_BEGIN;
}

static uint16_t cut(struct edge_image *image, uint8_t *payload, uint16_t room)
{
    uint32_t left = image->size - image->sent;
    uint16_t size = left < room ? (uint16_t)left : room;
    edge_put32(payload + EDGE_IMAGE_CHUNK_OFFSET, image->sent);
    memcpy(payload + EDGE_IMAGE_CHUNK_DATA, image->data + image->sent, size);
    image->sent += size;
    if (image->sent == image->size) {
        image->next = EDGE_IMAGE_END;
    }
    return (uint16_t)(EDGE_SIZEOF_IMAGE_CHUNK + size);
}

void edge_image_poll(struct edge_image *image, struct edge_link *link)
{
    uint8_t *payload, type = image->next;
    uint16_t size = EDGE_SIZEOF_IMAGE_END;
    if (!type || (payload = edge_link_room(link)) == NULL) {
        return;
    }
    edge_put16(payload + EDGE_IMAGE_CHUNK_IMAGE, image->number); /* stands first in all three */
    if (type == EDGE_IMAGE_BEGIN) {
        size = describe(image, payload);
    } else if (type == EDGE_IMAGE_CHUNK) {
        size = cut(image, payload, (uint16_t)(link->payload - EDGE_SIZEOF_IMAGE_CHUNK));
    } else {
        image->next = 0;
    }
    (void)edge_link_send(link, type, payload, size);
}

void edge_image_message(struct edge_image *image, const struct edge_message *message)
{
    uint32_t offset;
    if (message->type != EDGE_IMAGE_RESUME || !image->data ||
        edge_get16(message->payload + EDGE_IMAGE_RESUME_IMAGE) != image->number) {
        return;
    }
    offset = edge_get32(message->payload + EDGE_IMAGE_RESUME_OFFSET);
    if (offset > image->size) {
        return;
    }
    image->sent = offset;
    image->next = !offset ? EDGE_IMAGE_BEGIN : offset < image->size ? EDGE_IMAGE_CHUNK : EDGE_IMAGE_END;
}

bool edge_image_busy(const struct edge_image *image) { return image->next != 0; }
