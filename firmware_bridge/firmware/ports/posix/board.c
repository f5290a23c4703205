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

#include "edge_image.h"

struct board {
    struct edge_link link;
    int line;
    struct edge_image image;
    uint8_t *picture;
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
    edge_image_message(&board->image, found);
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
    edge_image_start(&board->image, board->picture, (uint32_t)fread(board->picture, 1, (size_t)size, file));
    fclose(file);
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
        edge_image_poll(&board.image, &board.link);
        edge_link_poll(&board.link);
        if (state != board.link.state) {
            printf("state %d\n", state = board.link.state);
        }
    }
    free(board.picture);
    return 0;
}
