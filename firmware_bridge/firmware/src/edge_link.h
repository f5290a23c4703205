/* edge_link: a microcontroller's end of the Edge Concepts serial link.
 *
 *     static size_t put(void *context, const uint8_t *data, size_t size) { return Serial.write(data, size); }
 *     static uint32_t ms(void *context) { return millis(); }
 *     static void answer(void *context, const struct edge_result *result) { if (result->known_flag) open_gate(); }
 *
 *     struct edge_link link;
 *     struct edge_callbacks callbacks = {put, ms, answer, NULL};
 *     edge_link_init(&link, &callbacks, NULL, nonce, "gate");
 *
 *     for (;;) {
 *         while (Serial.available()) edge_link_receive(&link, Serial.read());
 *         if (beam_broken()) edge_link_trigger(&link, 0);
 *         edge_link_poll(&link);
 *     }
 *
 * C99, no heap, no globals, no dependence on a board: everything is in `struct edge_link`, which the caller owns; the
 * four callbacks are all it knows of the hardware. docs/serial-protocol.md is the contract, link.py the same machine on
 * the other side.
 *
 * Threads and interrupts: not re-entrant. Call all functions of one link from one place, the main loop; an interrupt
 * puts received bytes into a ring and main gives them to edge_link_receive. Callbacks are called from inside
 * edge_link_receive and edge_link_poll, and may call edge_link_trigger, edge_link_log and edge_link_send.
 *
 * What it promises: a trigger for which edge_link_trigger returned an id is sent until the host has accepted it, over
 * noise and a cable that was pulled out; the host answers each accepted trigger, and `answer` is called once for each. A
 * board that is started anew forgets its triggers; the host's answer to one of those is told STALE and not shown here.
 */
#ifndef EDGE_LINK_H
#define EDGE_LINK_H

#include "edge_frame.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Triggers that may wait for their answer at the same time. */
#ifndef EDGE_PENDING
#define EDGE_PENDING 4
#endif

/* The answer to a trigger. */
struct edge_result {
    uint32_t trigger;  /* what edge_link_trigger returned */
    uint16_t score;    /* 0 to 65535 for 0 to 1 */
    uint16_t known;    /* 0 to 65535 for 0 to 1: does it resemble anything taught? */
    uint8_t concept;   /* index in the table of names; EDGE_NO_CONCEPT for none */
    bool known_flag;   /* whether `known` is above the model's threshold */
    bool failed;       /* nobody could look: no camera, no model */
};

/* Any other message of the host: EDGE_CONCEPTS, EDGE_CONFIG, EDGE_IMAGE_RESUME. Offsets are in edge_messages.h. */
struct edge_message {
    uint8_t type;
    uint16_t size;
    const uint8_t *payload; /* valid during the call */
};

struct edge_callbacks {
    /* Write bytes to the line; returns how many were taken. Where there is no room it had better wait for some: what is
     * not taken is lost with its frame, and sent again later. At most EDGE_FRAME_SIZE + 3 bytes at once, and 255. */
    size_t (*put)(void *context, const uint8_t *data, size_t size);
    /* Milliseconds since the start; may wrap around. */
    uint32_t (*ms)(void *context);
    /* A trigger was answered. May be NULL. */
    void (*answer)(void *context, const struct edge_result *result);
    /* Another message came. May be NULL. */
    void (*message)(void *context, const struct edge_message *message);
};

enum edge_state { EDGE_SEARCHING, EDGE_UP, EDGE_INCOMPATIBLE };

/* A trigger without an answer. */
struct edge_pending {
    uint32_t id; /* 0: free */
    uint32_t ms;
    uint8_t source;
    bool taken; /* the host has accepted it */
};

/* Everything there is of a link. Look, but change nothing. (What is used most stands first: an AVR reaches 64 bytes
 * behind a pointer with one instruction.) */
struct edge_link {
    const struct edge_callbacks *callbacks;
    struct edge_out line;
    uint32_t nonce;      /* this start of the board */
    uint32_t peer_nonce; /* the host's, 0 while it is not known */
    uint32_t sessions;   /* both, exclusive or: what a frame of this session carries */

    /* milliseconds; 16 bits are enough for waits of seconds */
    uint16_t now;   /* when edge_link_receive or edge_link_poll began */
    uint16_t heard; /* the last frame from the host */
    uint16_t hello_due;
    uint16_t hello_last;
    uint16_t hello_wait;
    uint16_t ping_due;
    uint8_t state;
    bool told; /* our HELLO has named the host's nonce */

    /* sending: one reliable message at a time */
    uint8_t out_type; /* 0: nothing is under way */
    bool out_fresh;   /* never sent yet */
    struct edge_pending *out_trigger; /* whose TRIGGER is under way, if one is */
    uint16_t payload; /* bytes that both ends can take */
    uint16_t out_size;
    uint16_t out_wait;
    uint16_t out_due;
    uint16_t sequence;

    /* the last reliable message that was taken from the two newest sessions of the host */
    uint8_t newest;
    struct edge_seen {
        uint32_t nonce;
        uint16_t sequence;
        uint8_t status;
    } seen[2];

    uint16_t resent;
    uint32_t last_trigger;
    const char *name;
    struct edge_pending pending[EDGE_PENDING];
    struct edge_in in;
    uint8_t out[EDGE_MAX_PAYLOAD];
};

/* Start a link. `nonce`: another number than at any earlier start, and not 0 (edge_nonce helps). `name`: at most 24
 * bytes, and must stay there. */
void edge_link_init(struct edge_link *link, const struct edge_callbacks *callbacks, void *context, uint32_t nonce,
                    const char *name);

/* Take one byte of the line. */
void edge_link_receive(struct edge_link *link, uint8_t byte);

/* Do what is due. Call it often, at least every 20 ms. */
void edge_link_poll(struct edge_link *link);

/* Ask for an answer; its id, or 0 while EDGE_PENDING others wait. `source`: which sensor. */
uint32_t edge_link_trigger(struct edge_link *link, uint8_t source);

/* Tell the host something; lost when the line is bad. `level`: 10 debug, 20 info, 30 warning, 40 error. */
void edge_link_log(struct edge_link *link, uint8_t level, const char *text);

/* Send another reliable message of a board; false while one is under way or a trigger waits, or where it is longer than
 * link->payload. It is kept, and sent until the host has it; then the next may come. edge_image.h sends pictures so. */
bool edge_link_send(struct edge_link *link, uint8_t type, const uint8_t *payload, uint16_t size);

/* Where edge_link_send would keep a payload (EDGE_MAX_PAYLOAD bytes, to be written there without a buffer of one's own),
 * or NULL while it would refuse it. */
uint8_t *edge_link_room(struct edge_link *link);

/* True when nothing waits for the host's acknowledgement. */
bool edge_link_idle(const struct edge_link *link);

/* A nonce from whatever differs between starts: a counter in EEPROM, noise of an open analogue pin. */
uint32_t edge_nonce(uint32_t counter, uint32_t noise);

#ifdef __cplusplus
}
#endif

#endif
