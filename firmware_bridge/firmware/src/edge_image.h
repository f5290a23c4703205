/* edge_image: sends a picture, for a board with a camera. Basic usage, beside the link's (edge_link.h):
 *
 *     static struct edge_image image;
 *
 *     static void message(void *context, const struct edge_message *found) { edge_image_message(&image, found); }
 *
 *     if (!edge_image_busy(&image)) edge_image_start(&image, jpeg, jpeg_size);
 *     edge_image_poll(&image, &link); // in the main loop, beside edge_link_poll
 *
 * The picture stays where it is and is sent a piece at a time, each when the host has the one before; triggers go between
 * the pieces. After a cut it goes on where it stopped; a host that was started anew asks for it from its beginning.
 *
 * Threads and interrupts: as the link, whose main loop this belongs to. No heap, no globals.
 */
#ifndef EDGE_IMAGE_H
#define EDGE_IMAGE_H

#include "edge_link.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A picture under way. Zeros (as `static` gives) before the first. Look, but change nothing. */
struct edge_image {
    const uint8_t *data;
    uint32_t size;
    uint32_t sent; /* bytes given to the link */
    uint16_t number;
    uint8_t next; /* which message comes now; 0: none */
};

/* Start sending; one that is under way is given up. `data` must stay as it is while edge_image_busy. */
void edge_image_start(struct edge_image *image, const uint8_t *data, uint32_t size);

/* Give the link the next piece when it has sent the one before. */
void edge_image_poll(struct edge_image *image, struct edge_link *link);

/* Hand every message of the host here: EDGE_IMAGE_RESUME says where to go on. Others are left alone. */
void edge_image_message(struct edge_image *image, const struct edge_message *message);

/* True until the link has been given the last piece. The host may still ask for some of it again, while the next
 * picture has not been started: where it must not be lost, leave the memory as it is until edge_link_idle. */
bool edge_image_busy(const struct edge_image *image);

#ifdef __cplusplus
}
#endif

#endif
