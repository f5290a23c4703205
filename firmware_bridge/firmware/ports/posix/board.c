/* A board as a program: opens a pty, prints "PTY /dev/pts/N", and does what its standard input says, a line each:
 *
 *     trigger SOURCE        prints "trigger ID" (0: too many wait)
 *     log TEXT
 *     image FILE            sends a picture
 *     restart NONCE         forgets everything, as after a power cut
 *     quit
 *
 * and prints "answer ID CONCEPT SCORE KNOWN FLAGS", "message TYPE HEX" and "state N" as they come.
 */
#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 600
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "edge_link.h"

struct board {
    struct edge_link link;
    int line;
    char *picture;
    uint32_t size, sent;
    uint16_t image;
    enum { NOTHING, BEGIN, CHUNKS, END } sending;
};

static size_t put(void *context, const uint8_t *data, size_t size)
{
    ssize_t done = write(((struct board *)context)->line, data, size);
    return done < 0 ? 0 : (size_t)done;
}

static uint32_t ms(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static void answer(void *context, const struct edge_result *found)
{
    (void)context;
    printf("answer %u %u %u %u %u\n", (unsigned)found->trigger, found->concept, found->score, found->known,
           (unsigned)found->known_flag | (unsigned)found->failed << 1);
}

static void message(void *context, const struct edge_message *found)
{
    struct board *board = context;
    uint16_t i;
    if (found->type == EDGE_IMAGE_RESUME && edge_get16(found->payload) == board->image && board->picture) {
        board->sent = edge_get32(found->payload + EDGE_IMAGE_RESUME_OFFSET);
        board->sending = board->sent ? CHUNKS : BEGIN;
    }
    printf("message %u ", found->type);
    for (i = 0; i < found->size; i++) {
        printf("%02x", found->payload[i]);
    }
    printf("\n");
}

static void load(struct board *board, const char *path)
{
    FILE *file = fopen(path, "rb");
    long size;
    if (!file) {
        printf("no file\n");
        return;
    }
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    free(board->picture);
    board->picture = malloc((size_t)size);
    board->size = (uint32_t)fread(board->picture, 1, (size_t)size, file);
    board->sent = 0;
    board->image++;
    board->sending = BEGIN;
    fclose(file);
}

/* One piece at a time: the next when the host has the one before. */
static void feed(struct board *board)
{
    uint8_t payload[EDGE_MAX_PAYLOAD];
    uint32_t room = EDGE_MAX_PAYLOAD - EDGE_SIZEOF_IMAGE_CHUNK, left = board->size - board->sent;
    if (board->sending == NOTHING || !edge_link_idle(&board->link)) {
        return;
    }
    edge_put16(payload, board->image);
    if (board->sending == BEGIN) {
        edge_put32(payload + EDGE_IMAGE_BEGIN_SIZE, board->size);
        edge_put32(payload + EDGE_IMAGE_BEGIN_CRC, edge_crc32(0, (uint8_t *)board->picture, board->size));
        edge_link_send(&board->link, EDGE_IMAGE_BEGIN, payload, EDGE_SIZEOF_IMAGE_BEGIN);
        board->sent = 0;
        board->sending = CHUNKS;
    } else if (board->sending == CHUNKS && left) {
        left = left < room ? left : room;
        edge_put32(payload + EDGE_IMAGE_CHUNK_OFFSET, board->sent);
        memcpy(payload + EDGE_IMAGE_CHUNK_DATA, board->picture + board->sent, left);
        edge_link_send(&board->link, EDGE_IMAGE_CHUNK, payload, (uint16_t)(EDGE_SIZEOF_IMAGE_CHUNK + left));
        board->sent += left;
    } else {
        edge_link_send(&board->link, EDGE_IMAGE_END, payload, EDGE_SIZEOF_IMAGE_END);
        board->sending = NOTHING;
    }
}

static const struct edge_callbacks callbacks = {put, ms, answer, message};

static int command(struct board *board, char *line)
{
    line[strcspn(line, "\n")] = 0;
    if (!strncmp(line, "trigger ", 8)) {
        printf("trigger %u\n", (unsigned)edge_link_trigger(&board->link, (uint8_t)atoi(line + 8)));
    } else if (!strncmp(line, "log ", 4)) {
        edge_link_log(&board->link, 20, line + 4);
    } else if (!strncmp(line, "image ", 6)) {
        load(board, line + 6);
    } else if (!strncmp(line, "restart ", 8)) {
        edge_link_init(&board->link, &callbacks, board, (uint32_t)strtoul(line + 8, NULL, 10), "posix");
    } else if (!strcmp(line, "quit")) {
        return 0;
    }
    return 1;
}

static int open_line(void)
{
    struct termios raw;
    int line = posix_openpt(O_RDWR | O_NOCTTY), other;
    if (line < 0 || grantpt(line) || unlockpt(line)) {
        return -1;
    }
    other = open(ptsname(line), O_RDWR | O_NOCTTY); /* kept open: reading then waits instead of failing */
    if (other < 0 || tcgetattr(other, &raw)) {
        return -1;
    }
    cfmakeraw(&raw);
    tcsetattr(other, TCSANOW, &raw);
    fcntl(line, F_SETFL, O_NONBLOCK);
    printf("PTY %s\n", ptsname(line));
    return line;
}

int main(int count, char **arguments)
{
    static struct board board;
    int state = -1, going = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    board.line = open_line();
    if (board.line < 0) {
        perror("pty");
        return 1;
    }
    edge_link_init(&board.link, &callbacks, &board, count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1, "posix");
    while (going) {
        struct pollfd ready[2] = {{board.line, POLLIN, 0}, {0, POLLIN, 0}};
        uint8_t data[256];
        ssize_t got, i;
        poll(ready, 2, 2);
        while ((got = read(board.line, data, sizeof data)) > 0) {
            for (i = 0; i < got; i++) {
                edge_link_receive(&board.link, data[i]);
            }
        }
        if (ready[1].revents) {
            char line[512];
            got = 0;
            while (got < (ssize_t)sizeof line - 1 && read(0, line + got, 1) == 1 && line[got++] != '\n') {
            }
            line[got] = 0;
            going = got ? command(&board, line) : 0;
        }
        feed(&board);
        edge_link_poll(&board.link);
        if (state != board.link.state) {
            printf("state %d\n", state = board.link.state);
        }
    }
    free(board.picture);
    return 0;
}
