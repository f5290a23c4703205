/* The link as a shared library for tests: the caller owns nothing but a pointer. */
#include <stdlib.h>

#include "edge_frame.c"
#include "edge_link.c"

static uint32_t clock_ms;
static uint32_t ms(void *context) { (void)context; return clock_ms; }

struct shim {
    struct edge_link link;
    struct edge_callbacks callbacks;
};

struct shim *shim_new(size_t (*put)(void *, const uint8_t *, size_t), void (*answer)(void *, const struct edge_result *),
                      void (*message)(void *, const struct edge_message *), uint32_t nonce, const char *name)
{
    struct shim *shim = calloc(1, sizeof *shim);
    shim->callbacks.put = put;
    shim->callbacks.ms = ms;
    shim->callbacks.answer = answer;
    shim->callbacks.message = message;
    edge_link_init(&shim->link, &shim->callbacks, shim, nonce, name);
    return shim;
}

void shim_free(struct shim *shim) { free(shim); }
void shim_time(uint32_t to) { clock_ms = to; }
void shim_receive(struct shim *shim, const uint8_t *data, size_t size)
{
    while (size--) {
        edge_link_receive(&shim->link, *data++);
    }
}
void shim_poll(struct shim *shim) { edge_link_poll(&shim->link); }
uint32_t shim_trigger(struct shim *shim, uint8_t source) { return edge_link_trigger(&shim->link, source); }
int shim_state(const struct shim *shim) { return shim->link.state; }
int shim_damaged(const struct shim *shim) { return shim->link.in.damaged; }
bool shim_send(struct shim *shim, uint8_t type, const uint8_t *payload, uint16_t size)
{
    return edge_link_send(&shim->link, type, payload, size);
}
bool shim_idle(const struct shim *shim) { return edge_link_idle(&shim->link); }
void shim_log(struct shim *shim, uint8_t level, const char *text) { edge_link_log(&shim->link, level, text); }
uint32_t shim_pending(const struct shim *shim, unsigned slot) { return shim->link.pending[slot].id; }
bool shim_taken(const struct shim *shim, uint32_t id)
{
    const struct edge_pending *one = shim->link.pending;
    while (one->id != id) {
        one++;
    }
    return one->taken;
}
