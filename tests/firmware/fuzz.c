/* Random bytes, and frames that were spoilt, into a link that sends a picture: run under the sanitizers.
 * fuzz MILLIONS SEED; built also with a large EDGE_MAX_PAYLOAD */
#include <stdio.h>
#include <stdlib.h>

#include "edge_frame.c"
#include "edge_link.c"
#include "edge_image.c"

static uint64_t state;
static uint32_t clock_ms, answers;
static uint8_t last[8192];
static size_t last_size;
static struct edge_image image;

static uint32_t random32(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}
static size_t keep(void *context, const uint8_t *data, size_t size)
{
    if (context) { /* the other end: what it sends is kept */
        memcpy(last + last_size, data, size);
        last_size += size;
    }
    return random32() % 64 ? size : size / 2; /* a full line now and then */
}
static uint32_t ms(void *context) { (void)context; return clock_ms; }
static void answer(void *context, const struct edge_result *result) { (void)context; (void)result; answers++; }
static void message(void *context, const struct edge_message *found)
{
    volatile uint8_t sum = 0;
    uint16_t i;
    (void)context;
    for (i = 0; i < found->size; i++) {
        sum = (uint8_t)(sum + found->payload[i]);
    }
    edge_image_message(&image, found);
}

int main(int count, char **arguments)
{
    static const struct edge_callbacks host = {keep, ms, NULL, NULL};
    struct edge_callbacks callbacks = {keep, ms, answer, message};
    struct edge_link link, other;
    long long millions = count > 1 ? atoll(arguments[1]) : 1, bytes;
    static uint8_t picture[5000];
    uint32_t nonce = 9;
    static const uint8_t types[] = {EDGE_HELLO, EDGE_ACK, EDGE_PING, EDGE_PONG, EDGE_RESULT, EDGE_CONCEPTS,
                                    EDGE_CONFIG, EDGE_LOG, EDGE_ERROR, EDGE_IMAGE_RESUME, EDGE_TRIGGER, 0x7f};
    state = count > 2 ? (uint64_t)atoll(arguments[2]) * 2654435769u + 1 : 88172645463325252u;
    edge_link_init(&link, &callbacks, NULL, 7, "fuzzed");
    edge_link_init(&other, &host, &other, 9, "host");
    for (bytes = 0; bytes < millions * 1000000;) {
        uint8_t payload[EDGE_MAX_PAYLOAD];
        uint16_t size = (uint16_t)(random32() % (EDGE_MAX_PAYLOAD + 1)), i;
        uint32_t how = random32() % 8;
        last_size = 0;
        for (i = 0; i < size; i++) {
            payload[i] = (uint8_t)(random32() % 4 ? random32() : 0);
        }
        if (how == 0) { /* a host says hello, sometimes knowing who is here */
            payload[0] = payload[1] = 1;
            payload[2] = 0;
            nonce = random32() % 8 ? nonce : 9 + random32() % 3; /* or another one */
            edge_put32(payload + 3, nonce);
            edge_put16(payload + 11, (uint16_t)(random32() % 2 ? 4096 : random32()));
            edge_put32(payload + 7, random32() % 2 ? 7 : random32());
            put_frame(&other, EDGE_HELLO, 0, 0, 0, payload, size < 13 ? 13 : size);
        } else if (how < 6) {
            if (random32() % 2 && size >= 8) {
                edge_put32(payload, 7);
                edge_put32(payload + 4, link.last_trigger - random32() % 6);
            }
            put_frame(&other, types[random32() % sizeof types], (uint8_t)(random32() % 2),
                      (uint16_t)(random32() % 2 ? link.sequence : random32()), 7 ^ nonce, payload, size);
        } else {
            last_size = size;
            memcpy(last, payload, size);
        }
        if (random32() % 4 == 0 && last_size) {
            last[random32() % last_size] ^= (uint8_t)(1u << random32() % 8);
        }
        {
            uint8_t line[sizeof last];
            size_t length = last_size, at;
            memcpy(line, last, length);
            for (at = 0; at < length; at++) {
                edge_link_receive(&link, line[at]);
            }
            bytes += (long long)length + 1;
        }
        clock_ms += random32() % 50;
        if (random32() % 4 == 0) {
            (void)edge_link_trigger(&link, (uint8_t)random32());
        }
        if (random32() % 64 == 0) {
            edge_image_start(&image, picture, random32() % (sizeof picture + 1));
        }
        if (random32() % 16 == 0) {
            edge_link_log(&link, 10, "what a board says of itself, and more of it than one frame of the smallest kind can hold");
        }
        edge_image_poll(&image, &link);
        edge_link_poll(&link);
    }
    printf("%lld bytes, %u answers, %u pieces damaged\n", bytes, answers, link.in.damaged);
    return 0;
}
