#include "edge_link.h"

#include <string.h>

#define RELIABLE 1
#define IDLE 1000u
#define LOST 3500u
#define RESEND_FIRST 200u
#define RESEND_MOST 2000u
#define HELLO_FIRST 250u
#define HELLO_MOST 1000u
#define HELLO_GAP 50u
#define LONG_AGO 10000u
#define NAME_SIZE 24
#define LEAST_PAYLOAD 32

/* --- small things ------------------------------------------------------------------------------------------------ */

uint32_t edge_nonce(uint32_t counter, uint32_t noise)
{
    /* a CRC takes different counters to different numbers, far apart; in which order their bytes are does not matter */
    uint32_t nonce = edge_crc32(noise, (const uint8_t *)&counter, sizeof counter);
    return nonce ? nonce : 1;
}

static void look_at_clock(struct edge_link *link)
{
    link->now = (uint16_t)link->callbacks->ms(link->line.context);
}

/* Whether a time has come that was set at most so far ahead; also after a sketch that slept past the end of 16 bits. */
static bool due(const struct edge_link *link, uint16_t at, uint16_t ahead)
{
    return (uint16_t)(at - link->now - 1) >= ahead;
}

/* --- frames out ------------------------------------------------------------------------------------------------- */

static void put_frame(struct edge_link *link, uint8_t type, uint8_t flags, uint16_t sequence, uint32_t sessions,
                      const uint8_t *payload, uint16_t size)
{
    uint8_t head[EDGE_HEADER_SIZE];
    edge_frame_begin(head, type, flags, sequence, sessions);
    edge_frame_put(&link->line, head, EDGE_HEADER_SIZE, payload, size);
}

static void put(struct edge_link *link, uint8_t type, uint8_t flags, uint16_t sequence, const uint8_t *payload,
                uint16_t size)
{
    put_frame(link, type, flags, sequence, link->sessions, payload, size);
}

static void acknowledge(struct edge_link *link, uint16_t sequence, uint8_t status)
{
    put(link, EDGE_ACK, 0, sequence, &status, 1);
}

static void complain(struct edge_link *link, uint8_t code, uint16_t detail)
{
    uint8_t payload[EDGE_SIZEOF_ERROR];
    payload[EDGE_ERROR_CODE] = code;
    edge_put16(payload + EDGE_ERROR_DETAIL, detail);
    put(link, EDGE_ERROR, 0, 0, payload, sizeof payload);
}

static void say_hello(struct edge_link *link)
{
    uint8_t payload[EDGE_SIZEOF_HELLO + NAME_SIZE];
    size_t length = strlen(link->name);
    length = length > NAME_SIZE ? NAME_SIZE : length;
    payload[EDGE_HELLO_VERSION_MIN] = EDGE_VERSION_MIN;
    payload[EDGE_HELLO_VERSION_MAX] = EDGE_VERSION_MAX;
    payload[EDGE_HELLO_ROLE] = 1;
    edge_put32(payload + EDGE_HELLO_NONCE, link->nonce);
    edge_put32(payload + EDGE_HELLO_PEER_NONCE, link->peer_nonce);
    edge_put16(payload + EDGE_HELLO_MAX_PAYLOAD, EDGE_MAX_PAYLOAD);
    memcpy(payload + EDGE_HELLO_NAME, link->name, length);
    link->told = link->peer_nonce != 0;
    link->hello_last = link->now;
    put_frame(link, EDGE_HELLO, 0, 0, 0, payload, (uint16_t)(EDGE_SIZEOF_HELLO + length));
}

/* --- what arrives ----------------------------------------------------------------------------------------------- */

static void up(struct edge_link *link)
{
    link->state = EDGE_UP;
    link->hello_wait = HELLO_FIRST;
    link->ping_due = (uint16_t)(link->heard + IDLE);
    link->out_due = link->heard;
    link->out_wait = RESEND_FIRST / 2; /* doubled when it is sent again, at once */
}

static void search(struct edge_link *link)
{
    link->state = EDGE_SEARCHING;
    link->hello_due = link->now;
    link->hello_wait = HELLO_FIRST;
}

static void hello(struct edge_link *link, const uint8_t *payload, uint16_t size)
{
    struct edge_pending *one;
    uint32_t nonce, known;
    uint16_t room;
    if (size < EDGE_SIZEOF_HELLO) {
        return;
    }
    nonce = edge_get32(payload + EDGE_HELLO_NONCE);
    known = edge_get32(payload + EDGE_HELLO_PEER_NONCE);
    if (payload[EDGE_HELLO_ROLE] != 0 || !nonce || nonce == link->nonce) {
        return;
    }
    if (payload[EDGE_HELLO_VERSION_MAX] < EDGE_VERSION_MIN || payload[EDGE_HELLO_VERSION_MIN] > EDGE_VERSION_MAX) {
        static const uint8_t mine[EDGE_SIZEOF_ERROR] = {EDGE_ERROR_VERSION, EDGE_VERSION_MAX, 0};
        link->state = EDGE_INCOMPATIBLE;
        link->hello_due = (uint16_t)(link->now + HELLO_MOST);
        put_frame(link, EDGE_ERROR, 0, 0, 0, mine, sizeof mine);
        return;
    }
    link->heard = link->now;
    room = edge_get16(payload + EDGE_HELLO_MAX_PAYLOAD);
    link->payload = room > EDGE_MAX_PAYLOAD ? EDGE_MAX_PAYLOAD : room < LEAST_PAYLOAD ? LEAST_PAYLOAD : room;
    if (nonce != link->peer_nonce) {
        link->state = EDGE_SEARCHING;
        link->peer_nonce = nonce;
        link->sessions = link->nonce ^ nonce;
        link->told = false;
        for (one = link->pending; one < link->pending + EDGE_PENDING; one++) {
            one->taken = false; /* a host that was started anew may have no journal; one that has, knows them */
        }
    }
    if (known != link->nonce || !link->told) {
        say_hello(link);
    }
    if (known == link->nonce && link->state != EDGE_UP) {
        up(link);
    }
}

static uint8_t result(struct edge_link *link, const uint8_t *payload)
{
    struct edge_result found;
    struct edge_pending *one = link->pending, *end = one + EDGE_PENDING;
    found.trigger = edge_get32(payload + EDGE_RESULT_ID);
    while (one < end && one->id != found.trigger) {
        one++;
    }
    if (one == end || !found.trigger || edge_get32(payload + EDGE_RESULT_NONCE) != link->nonce) {
        return EDGE_STATUS_STALE;
    }
    one->id = 0;
    if (link->out_trigger == one) { /* it has arrived, too, though its ACK may have been lost: the place is free */
        link->out_trigger = NULL;
    }
    found.concept = payload[EDGE_RESULT_CONCEPT];
    found.score = edge_get16(payload + EDGE_RESULT_SCORE);
    found.known = edge_get16(payload + EDGE_RESULT_KNOWN);
    found.known_flag = payload[EDGE_RESULT_FLAGS] & EDGE_FLAG_KNOWN;
    found.failed = payload[EDGE_RESULT_FLAGS] & EDGE_FLAG_FAILED;
    if (link->callbacks->answer) {
        link->callbacks->answer(link->line.context, &found);
    }
    return EDGE_STATUS_TAKEN;
}

static uint8_t taken(struct edge_link *link, uint8_t type, const uint8_t *payload, uint16_t size)
{
    struct edge_message message;
    uint8_t least = 0;
    switch (type) {
    case EDGE_RESULT:
        least = EDGE_SIZEOF_RESULT;
        break;
    case EDGE_CONCEPTS:
        least = EDGE_SIZEOF_CONCEPTS;
        break;
    case EDGE_CONFIG:
        least = EDGE_SIZEOF_CONFIG;
        break;
    case EDGE_IMAGE_RESUME:
        least = EDGE_SIZEOF_IMAGE_RESUME;
        break;
    default: /* newer than this, or not for a board */
        complain(link, EDGE_ERROR_UNKNOWN_TYPE, type);
        return EDGE_STATUS_UNKNOWN_TYPE;
    }
    if (size < least) {
        complain(link, EDGE_ERROR_MALFORMED, type);
        return EDGE_STATUS_REFUSED;
    }
    if (type == EDGE_RESULT) {
        return result(link, payload);
    }
    message.type = type;
    message.size = size;
    message.payload = payload;
    if (link->callbacks->message) {
        link->callbacks->message(link->line.context, &message);
    }
    return EDGE_STATUS_TAKEN;
}

static void reliable(struct edge_link *link, uint8_t type, uint16_t sequence, const uint8_t *payload, uint16_t size)
{
    struct edge_seen *seen = &link->seen[link->newest];
    if (seen->nonce != link->peer_nonce) { /* another session of the host: the other place is its, or becomes it */
        link->newest ^= 1;
        seen = &link->seen[link->newest];
    }
    if (seen->nonce != link->peer_nonce) {
        seen->nonce = link->peer_nonce;
        seen->sequence = (uint16_t)(sequence - 1);
    }
    if ((uint16_t)(sequence - seen->sequence - 1) < 0x7fff) { /* ahead of the last one: new */
        seen->status = taken(link, type, payload, size);
        seen->sequence = sequence;
    }
    acknowledge(link, sequence, seen->status);
}

static void acknowledged(struct edge_link *link, uint16_t sequence)
{
    if (link->out_fresh || sequence != link->sequence) {
        return;
    }
    link->out_type = 0;
    if (link->out_trigger) {
        link->out_trigger->taken = true;
        link->out_trigger = NULL;
    }
}

static void received(struct edge_link *link, uint16_t length)
{
    const uint8_t *frame = link->in.frame, *payload = link->in.frame + EDGE_HEADER_SIZE;
    uint16_t size = (uint16_t)(length - EDGE_FRAME_OVERHEAD), sequence = edge_get16(frame + 2);
    uint8_t type = frame[0];
    look_at_clock(link);
    if (type == EDGE_HELLO) {
        hello(link, payload, size);
        return;
    }
    if (!link->peer_nonce || edge_get32(frame + 4) != link->sessions ||
        link->state == EDGE_INCOMPATIBLE) {
        if ((uint16_t)(link->now - link->hello_last) >= HELLO_GAP) {
            say_hello(link); /* of another life of either end: say who is here */
        }
        return;
    }
    link->heard = link->now;
    link->ping_due = (uint16_t)(link->heard + IDLE);
    if (link->state != EDGE_UP) {
        up(link);
    }
    if (frame[1] & RELIABLE) {
        reliable(link, type, sequence, payload, size);
    } else if (type == EDGE_ACK && size >= EDGE_SIZEOF_ACK) {
        acknowledged(link, sequence);
    } else if (type == EDGE_PING && size >= EDGE_SIZEOF_PING) {
        put(link, EDGE_PONG, 0, 0, payload, EDGE_SIZEOF_PING);
    } else if (type > EDGE_ERROR) {
        complain(link, EDGE_ERROR_UNKNOWN_TYPE, type);
    }
}

void edge_link_receive(struct edge_link *link, uint8_t byte)
{
    uint16_t size = edge_frame_take(&link->in, byte);
    if (size) {
        received(link, size);
    }
}

/* --- what is due ------------------------------------------------------------------------------------------------ */

/* The oldest trigger the host has not accepted, unless something is under way. */
static void next_out(struct edge_link *link)
{
    struct edge_pending *one, *oldest = NULL;
    if (link->out_type) {
        return;
    }
    for (one = link->pending; one < link->pending + EDGE_PENDING; one++) {
        if (one->id && !one->taken && (!oldest || one->id < oldest->id)) {
            oldest = one;
        }
    }
    if (oldest) {
        edge_put32(link->out + EDGE_TRIGGER_ID, oldest->id);
        link->out[EDGE_TRIGGER_SOURCE] = oldest->source;
        edge_put32(link->out + EDGE_TRIGGER_TIME, oldest->ms);
        link->out_type = EDGE_TRIGGER;
        link->out_size = EDGE_SIZEOF_TRIGGER;
        link->out_fresh = true;
        link->out_trigger = oldest;
    }
}

static void transmit(struct edge_link *link)
{
    next_out(link);
    if (!link->out_type) {
        return;
    }
    if (link->out_fresh) {
        link->sequence = (uint16_t)(link->sequence == 0xffff ? 1 : link->sequence + 1);
        link->out_wait = RESEND_FIRST;
        link->out_fresh = false;
    } else if (!due(link, link->out_due, RESEND_MOST)) {
        return;
    } else {
        link->resent++;
        link->out_wait = (uint16_t)(link->out_wait * 2u > RESEND_MOST ? RESEND_MOST : link->out_wait * 2u);
    }
    link->out_due = (uint16_t)(link->now + link->out_wait);
    put(link, link->out_type, RELIABLE, link->sequence, link->out, link->out_size);
}

void edge_link_poll(struct edge_link *link)
{
    uint16_t time;
    look_at_clock(link);
    time = link->now;
    if ((uint16_t)(time - link->hello_last) > LONG_AGO) {
        link->hello_last = (uint16_t)(time - LONG_AGO);
    }
    if (link->state == EDGE_UP) {
        if ((uint16_t)(time - link->heard) > LOST) {
            search(link);
        } else if (due(link, link->ping_due, IDLE)) {
            uint8_t payload[EDGE_SIZEOF_PING] = {0, 0, 0, 0};
            edge_put16(payload, time);
            link->ping_due = (uint16_t)(time + IDLE);
            put(link, EDGE_PING, 0, 0, payload, sizeof payload);
        }
    }
    if (link->state == EDGE_UP) {
        transmit(link);
    } else if (due(link, link->hello_due, HELLO_MOST)) {
        say_hello(link);
        link->hello_due = (uint16_t)(time + link->hello_wait);
        link->hello_wait = (uint16_t)(link->hello_wait * 2u > HELLO_MOST ? HELLO_MOST : link->hello_wait * 2u);
    }
}

/* --- what a sketch calls ---------------------------------------------------------------------------------------- */

void edge_link_init(struct edge_link *link, const struct edge_callbacks *callbacks, void *context, uint32_t nonce,
                    const char *name)
{
    memset(link, 0, sizeof *link);
    link->callbacks = callbacks;
    link->line.put = callbacks->put;
    link->line.context = context;
    link->nonce = nonce ? nonce : 1;
    link->name = name ? name : "";
    link->payload = LEAST_PAYLOAD;
    link->hello_wait = HELLO_FIRST;
    look_at_clock(link);
    link->hello_due = link->now;
    link->hello_last = (uint16_t)(link->hello_due - LONG_AGO);
}

uint32_t edge_link_trigger(struct edge_link *link, uint8_t source)
{
    struct edge_pending *one;
    for (one = link->pending; one < link->pending + EDGE_PENDING; one++) {
        if (!one->id) {
            one->id = ++link->last_trigger;
            one->ms = link->callbacks->ms(link->line.context);
            one->source = source;
            one->taken = false;
            return one->id;
        }
    }
    return 0;
}

void edge_link_log(struct edge_link *link, uint8_t level, const char *text)
{
    uint8_t head[EDGE_HEADER_SIZE + EDGE_SIZEOF_LOG];
    size_t length = strlen(text);
    if (link->state != EDGE_UP) {
        return;
    }
    length = length >= link->payload ? (size_t)link->payload - EDGE_SIZEOF_LOG : length;
    edge_frame_begin(head, EDGE_LOG, 0, 0, link->sessions);
    head[EDGE_HEADER_SIZE + EDGE_LOG_LEVEL] = level;
    edge_frame_put(&link->line, head, sizeof head, (const uint8_t *)text, (uint16_t)length);
}

uint8_t *edge_link_room(struct edge_link *link)
{
    next_out(link); /* triggers come first, or a long picture would hold them up */
    return link->out_type ? NULL : link->out;
}

bool edge_link_send(struct edge_link *link, uint8_t type, const uint8_t *payload, uint16_t size)
{
    uint8_t *room = edge_link_room(link);
    if (!room || size > link->payload) {
        return false;
    }
    if (payload != room) { /* it may have been written there */
        memcpy(room, payload, size);
    }
    link->out_type = type;
    link->out_size = size;
    link->out_fresh = true;
    return true;
}

bool edge_link_idle(const struct edge_link *link)
{
    return link->out_type == 0;
}
