#include "edge_link.h"

#include <string.h>

#define HEADER 8
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

/* --- numbers ---------------------------------------------------------------------------------------------------- */

uint16_t edge_get16(const uint8_t *from)
{
    return (uint16_t)(from[0] | (uint16_t)(from[1] << 8));
}

uint32_t edge_get32(const uint8_t *from)
{
    return edge_get16(from) | (uint32_t)edge_get16(from + 2) << 16;
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

uint32_t edge_nonce(uint32_t counter, uint32_t noise)
{
    uint32_t nonce = (counter + 1) * 2654435769u ^ noise; /* neighbouring counters far apart (Knuth, vol. 3, 6.4) */
    return nonce ? nonce : 1;
}

static uint16_t now(const struct edge_link *link)
{
    return (uint16_t)link->callbacks->ms(link->context);
}

static bool due(uint16_t at, uint16_t when)
{
    return (uint16_t)(at - when) < 0x8000;
}

/* --- frames out ------------------------------------------------------------------------------------------------- */

/* COBS: each zero becomes the distance to the next. `line`: a zero, a free byte, then the frame; returns the length of
 * all of it with the zero that ends it. */
#if EDGE_FRAME_SIZE < 254
static size_t encode(uint8_t *line, size_t size)
{
    size_t at, next = size + 2;
    line[next] = 0;
    for (at = size + 1; at > 0; at--) {
        if (!line[at] || at == 1) {
            line[at] = (uint8_t)(next - at);
            next = at;
        }
    }
    return size + 3;
}
#define LINE_SIZE (EDGE_FRAME_SIZE + 3)
#else
#define LINE_SIZE (2 * EDGE_FRAME_SIZE + EDGE_FRAME_SIZE / 254 + 4)
/* A block without zeros has at most 254 bytes, so that the frame moves as it is encoded. */
static size_t encode(uint8_t *line, size_t size)
{
    size_t from, at = 2, code = 1;
    uint8_t length = 1;
    memmove(line + LINE_SIZE - EDGE_FRAME_SIZE, line + 2, size);
    for (from = LINE_SIZE - EDGE_FRAME_SIZE; size--; from++) {
        uint8_t byte = line[from];
        if (byte) {
            line[at++] = byte;
            length++;
        }
        if (!byte || length == 0xff) {
            line[code] = length;
            length = 1;
            code = at++;
        }
    }
    line[code] = length;
    line[at++] = 0;
    return at;
}
#endif

static void put_frame(struct edge_link *link, uint8_t type, uint8_t flags, uint16_t sequence, uint32_t tag,
                      const uint8_t *payload, uint16_t size)
{
    uint8_t line[LINE_SIZE], *frame = line + 2;
    size_t length = HEADER + (size_t)size;
    line[0] = 0;
    line[1] = 0;
    frame[0] = type;
    frame[1] = flags;
    edge_put16(frame + 2, sequence);
    edge_put32(frame + 4, tag);
    if (size) {
        memcpy(frame + HEADER, payload, size);
    }
    edge_put32(frame + length, edge_crc32(0, frame, length));
    (void)link->callbacks->put(link->context, line, encode(line, length + 4));
}

static void put(struct edge_link *link, uint8_t type, uint8_t flags, uint16_t sequence, const uint8_t *payload,
                uint16_t size)
{
    put_frame(link, type, flags, sequence, link->nonce ^ link->peer_nonce, payload, size);
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
    link->hello_last = now(link);
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
    link->hello_due = now(link);
    link->hello_wait = HELLO_FIRST;
}

static void hello(struct edge_link *link, const uint8_t *payload, uint16_t size)
{
    uint32_t nonce, known;
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
        link->hello_due = (uint16_t)(now(link) + HELLO_MOST);
        put_frame(link, EDGE_ERROR, 0, 0, 0, mine, sizeof mine);
        return;
    }
    link->heard = now(link);
    if (nonce != link->peer_nonce) {
        link->state = EDGE_SEARCHING;
        link->peer_nonce = nonce;
        link->told = false;
        link->pending_taken = 0; /* a host that was started anew may have no journal; one that has, knows them */
    }
    if (known != link->nonce || !link->told) {
        say_hello(link);
    }
    if (known == link->nonce && link->state != EDGE_UP) {
        up(link);
    }
}

/* RESULT says that the trigger was accepted, too: its ACK may have been lost. */
static uint8_t result(struct edge_link *link, const uint8_t *payload)
{
    struct edge_result found;
    uint8_t slot;
    found.trigger = edge_get32(payload + EDGE_RESULT_ID);
    if (edge_get32(payload + EDGE_RESULT_NONCE) != link->nonce || !found.trigger) {
        return EDGE_STATUS_STALE;
    }
    for (slot = 0; slot < EDGE_PENDING && link->pending_id[slot] != found.trigger; slot++) {
    }
    if (slot == EDGE_PENDING) {
        return EDGE_STATUS_STALE;
    }
    link->pending_id[slot] = 0;
    found.concept = payload[EDGE_RESULT_CONCEPT];
    found.score = edge_get16(payload + EDGE_RESULT_SCORE);
    found.known = edge_get16(payload + EDGE_RESULT_KNOWN);
    found.known_flag = payload[EDGE_RESULT_FLAGS] & EDGE_FLAG_KNOWN;
    found.failed = payload[EDGE_RESULT_FLAGS] & EDGE_FLAG_FAILED;
    if (link->callbacks->answer) {
        link->callbacks->answer(link->context, &found);
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
        link->callbacks->message(link->context, &message);
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
    uint8_t slot;
    if (!link->out_type || link->out_fresh || sequence != link->sequence) {
        return;
    }
    if (link->out_type == EDGE_TRIGGER) {
        for (slot = 0; slot < EDGE_PENDING; slot++) {
            if (link->pending_id[slot] == edge_get32(link->out + EDGE_TRIGGER_ID)) {
                link->pending_taken |= (uint8_t)(1u << slot);
            }
        }
    }
    link->out_type = 0;
}

static void received(struct edge_link *link, uint16_t length)
{
    const uint8_t *frame = link->in, *payload = link->in + HEADER;
    uint16_t size = (uint16_t)(length - EDGE_FRAME_OVERHEAD), sequence = edge_get16(frame + 2);
    uint8_t type = frame[0];
    if (type == EDGE_HELLO) {
        hello(link, payload, size);
        return;
    }
    if (!link->peer_nonce || edge_get32(frame + 4) != (link->nonce ^ link->peer_nonce) ||
        link->state == EDGE_INCOMPATIBLE) {
        if (due(now(link), (uint16_t)(link->hello_last + HELLO_GAP))) { /* of another life of either end: say who is here */
            say_hello(link);
        }
        return;
    }
    link->heard = now(link);
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

static void piece(struct edge_link *link)
{
    uint16_t length = link->in_size;
    bool whole = link->in_code == 0; /* a block that is cut off is no frame */
    if (link->in_skip || !whole || length < EDGE_FRAME_OVERHEAD ||
        edge_crc32(0, link->in, (size_t)length - 4) != edge_get32(link->in + length - 4)) {
        if (link->in_block || link->in_skip) { /* two zeros in a row are nothing */
            link->damaged++;
        }
        return;
    }
    received(link, length);
}

static void plain(struct edge_link *link, uint8_t byte)
{
    if (link->in_size == EDGE_FRAME_SIZE) {
        link->in_skip = true;
    } else {
        link->in[link->in_size++] = byte;
    }
}

void edge_link_receive(struct edge_link *link, uint8_t byte)
{
    if (byte == 0) {
        piece(link);
        link->in_size = 0;
        link->in_code = 0;
        link->in_block = 0;
        link->in_skip = false;
        return;
    }
    if (link->in_skip) {
        return;
    }
    if (link->in_code) {
        link->in_code--;
        plain(link, byte);
        return;
    }
    if (link->in_block && link->in_block != 0xff) {
        plain(link, 0); /* the zero between two blocks */
    }
    link->in_block = byte;
    link->in_code = (uint8_t)(byte - 1);
}

/* --- what is due ------------------------------------------------------------------------------------------------ */

/* The next trigger the host has not accepted, unless something is under way. */
static void next_out(struct edge_link *link)
{
    uint8_t slot, oldest = EDGE_PENDING;
    if (link->out_type) {
        return;
    }
    for (slot = 0; slot < EDGE_PENDING; slot++) {
        if (link->pending_id[slot] && !(link->pending_taken >> slot & 1u) &&
            (oldest == EDGE_PENDING || link->pending_id[slot] < link->pending_id[oldest])) {
            oldest = slot;
        }
    }
    if (oldest != EDGE_PENDING) {
        uint8_t payload[EDGE_SIZEOF_TRIGGER];
        edge_put32(payload + EDGE_TRIGGER_ID, link->pending_id[oldest]);
        payload[EDGE_TRIGGER_SOURCE] = link->pending_source[oldest];
        edge_put32(payload + EDGE_TRIGGER_TIME, link->pending_ms[oldest]);
        (void)edge_link_send(link, EDGE_TRIGGER, payload, sizeof payload);
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
    } else if (!due(now(link), link->out_due)) {
        return;
    } else {
        link->resent++;
        link->out_wait = (uint16_t)(link->out_wait * 2u > RESEND_MOST ? RESEND_MOST : link->out_wait * 2u);
    }
    link->out_due = (uint16_t)(now(link) + link->out_wait);
    put(link, link->out_type, RELIABLE, link->sequence, link->out, link->out_size);
}

void edge_link_poll(struct edge_link *link)
{
    uint16_t time = now(link);
    if ((uint16_t)(time - link->hello_last) > LONG_AGO) {
        link->hello_last = (uint16_t)(time - LONG_AGO);
    }
    if (link->state == EDGE_UP) {
        if ((uint16_t)(time - link->heard) > LOST) {
            search(link);
        } else if (due(time, link->ping_due)) {
            uint8_t payload[EDGE_SIZEOF_PING] = {0, 0, 0, 0};
            edge_put16(payload, time);
            link->ping_due = (uint16_t)(time + IDLE);
            put(link, EDGE_PING, 0, 0, payload, sizeof payload);
        }
    }
    if (link->state == EDGE_UP) {
        transmit(link);
    } else if (due(time, link->hello_due)) {
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
    link->context = context;
    link->nonce = nonce ? nonce : 1;
    link->name = name ? name : "";
    link->hello_wait = HELLO_FIRST;
    link->hello_due = now(link);
    link->hello_last = (uint16_t)(link->hello_due - LONG_AGO);
}

uint32_t edge_link_trigger(struct edge_link *link, uint8_t source)
{
    uint8_t slot;
    for (slot = 0; slot < EDGE_PENDING; slot++) {
        if (!link->pending_id[slot]) {
            link->pending_id[slot] = ++link->next_trigger;
            link->pending_ms[slot] = link->callbacks->ms(link->context);
            link->pending_source[slot] = source;
            link->pending_taken &= (uint8_t)~(1u << slot);
            return link->next_trigger;
        }
    }
    return 0;
}

void edge_link_log(struct edge_link *link, uint8_t level, const char *text)
{
    uint8_t payload[EDGE_MAX_PAYLOAD];
    size_t length = strlen(text);
    if (link->state != EDGE_UP) {
        return;
    }
    length = length > EDGE_MAX_PAYLOAD - 1 ? EDGE_MAX_PAYLOAD - 1 : length;
    payload[EDGE_LOG_LEVEL] = level;
    memcpy(payload + EDGE_LOG_TEXT, text, length);
    put(link, EDGE_LOG, 0, 0, payload, (uint16_t)(1 + length));
}

bool edge_link_send(struct edge_link *link, uint8_t type, const uint8_t *payload, uint16_t size)
{
    if (link->out_type || size > EDGE_MAX_PAYLOAD) {
        return false;
    }
    link->out_type = type;
    link->out_size = size;
    link->out_fresh = true;
    memcpy(link->out, payload, size);
    return true;
}

bool edge_link_idle(const struct edge_link *link)
{
    return link->out_type == 0;
}
