/* An ATmega328P in simavr whose serial port is a pseudo-terminal, at the speed of the real chip.
 *
 *   simavr FIRMWARE.elf [--speed FACTOR] [--link PATH] [--seed NUMBER] [--lenient]
 *
 * prints "PTY PATH" once the board runs, then "PIN B5 1" for every output pin that changes and "OVERRUN" for every
 * received byte that was lost because the firmware was slow. It is told on stdin, a line each:
 *
 *   pin D2 0     drive an input pin        reset      pull the reset line
 *   unplug       take the port away        plug       bring it back (another pty, the same --link)
 *   peek 0x88    print "PEEK value" of a byte of its memory or registers
 *   stats        print "STATS {json}"      (end of input ends the run)
 *
 * Against simavr 1.6 as it comes, a byte takes 10 bit times, not 11; the receiver holds 3 bytes as the chip does, not 64
 * (--lenient leaves 64); and simulated time follows the wall clock also while the firmware never sleeps.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <avr_eeprom.h>
#include <avr_ioport.h>
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_cycle_timers.h>
#include <sim_elf.h>

DEFINE_FIFO(uint16_t, uart_fifo);

enum { QUEUE = 1 << 16, SLICES_PER_SECOND = 2000, PAINT = 0xA5, CHIP_HOLDS = 3, LATE_NS = 100000000 };

typedef struct {
    unsigned char bytes[QUEUE];
    unsigned head, tail;
} queue_t;

typedef struct {
    avr_t *avr;
    avr_uart_t *uart;
    avr_irq_t *uart_in;
    int master, slave, lenient;
    const char *link;
    double speed;
    queue_t to_board, to_host;
    avr_cycle_count_t fed_at;
    unsigned ram_start, overruns, resets;
    unsigned char pins[26];
    char line[256];
    unsigned line_length;
} board_t;

/* --- queues ------------------------------------------------------------------------------------------------------ */

static unsigned used(const queue_t *queue) { return queue->head - queue->tail; }

static void put(queue_t *queue, unsigned char byte) {
    if (used(queue) < QUEUE) /* what does not fit is lost, as on a wire */
        queue->bytes[queue->head++ % QUEUE] = byte;
}

static unsigned char take(queue_t *queue) { return queue->bytes[queue->tail++ % QUEUE]; }

static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
}

/* --- the serial port --------------------------------------------------------------------------------------------- */

static void plug(board_t *board) {
    struct termios raw;
    char name[128];
    if (board->master >= 0)
        return;
    /* before anybody opens it: a fresh pty is cooked and would echo. The slave stays open, so that the master survives
     * a host that comes and goes */
    if (openpty(&board->master, &board->slave, name, NULL, NULL) || tcgetattr(board->slave, &raw)) {
        perror("openpty");
        exit(1);
    }
    cfmakeraw(&raw);
    tcsetattr(board->slave, TCSANOW, &raw);
    fcntl(board->master, F_SETFL, O_NONBLOCK);
    if (board->link) {
        unlink(board->link);
        if (symlink(name, board->link)) {
            perror(board->link);
            exit(1);
        }
    }
    say("PTY %s\n", board->link ? board->link : name);
}

static void unplug(board_t *board) {
    if (board->master < 0)
        return;
    if (board->link)
        unlink(board->link);
    close(board->slave);
    close(board->master);
    board->master = board->slave = -1;
    board->to_board.tail = board->to_board.head;
    board->to_host.tail = board->to_host.head;
}

static avr_cycle_count_t byte_time(board_t *board) {
    unsigned char *data = board->avr->data;
    unsigned divider = data[0xC4] | (data[0xC5] & 15) << 8; /* UBRR0 */
    return 10 * (divider + 1) * (data[board->uart->r_ucsra] & 2 ? 8u : 16u); /* U2X0 */
}

static avr_cycle_count_t feed(avr_t *avr, avr_cycle_count_t when, void *param) {
    board_t *board = param;
    (void)when;
    if (!used(&board->to_board))
        return 0;
    board->uart->cycles_per_byte = byte_time(board);
    if (!board->lenient && uart_fifo_get_read_size(&board->uart->input) >= CHIP_HOLDS) {
        take(&board->to_board);
        avr_regbit_set(avr, board->uart->dor);
        board->overruns++;
        say("OVERRUN\n");
    } else {
        avr_raise_irq(board->uart_in, take(&board->to_board));
    }
    board->fed_at = avr->cycle;
    return avr->cycle + byte_time(board);
}

static void start_feeding(board_t *board) {
    avr_cycle_count_t next = board->fed_at + byte_time(board), now = board->avr->cycle;
    if (used(&board->to_board) && !avr_cycle_timer_status(board->avr, feed, board))
        avr_cycle_timer_register(board->avr, next > now ? next - now : 1, feed, board);
}

static void sent(avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq;
    board_t *board = param;
    if (board->master >= 0)
        put(&board->to_host, (unsigned char)value);
    board->uart->cycles_per_byte = byte_time(board);
}

static void exchange(board_t *board) {
    unsigned char bytes[4096];
    while (board->master >= 0 && used(&board->to_host)) {
        unsigned from = board->to_host.tail % QUEUE;
        unsigned length = used(&board->to_host) < QUEUE - from ? used(&board->to_host) : QUEUE - from;
        ssize_t written = write(board->master, board->to_host.bytes + from, length);
        if (written <= 0)
            break;
        board->to_host.tail += (unsigned)written;
    }
    if (board->master < 0 || used(&board->to_board) > QUEUE - sizeof bytes)
        return;
    ssize_t length = read(board->master, bytes, sizeof bytes);
    for (ssize_t at = 0; at < length; at++)
        put(&board->to_board, bytes[at]);
    start_feeding(board);
}

/* --- pins, memory, commands -------------------------------------------------------------------------------------- */

static void changed(avr_irq_t *irq, uint32_t value, void *param) {
    board_t *board = param;
    char port = (char)('B' + irq->irq / 8 % 3);
    unsigned bit = irq->irq % 8;
    unsigned char *known = &board->pins[port - 'A'];
    if ((*known >> bit & 1u) == value)
        return;
    *known = (unsigned char)(*known ^ 1u << bit);
    say("PIN %c%u %u %.3f\n", port, bit, (unsigned)value, 1e3 * (double)board->avr->cycle / board->avr->frequency);
}

static void watch_pins(board_t *board) {
    static char texts[24][8]; /* simavr keeps the pointers */
    static const char *names[24];
    for (unsigned at = 0; at < 24; at++) {
        snprintf(texts[at], sizeof texts[at], "=%c%u", 'B' + at / 8, at % 8);
        names[at] = texts[at];
    }
    avr_irq_t *mine = avr_alloc_irq(&board->avr->irq_pool, 0, 24, names);
    for (unsigned at = 0; at < 24; at++) {
        avr_irq_t *pin = avr_io_getirq(board->avr, AVR_IOCTL_IOPORT_GETIRQ('B' + at / 8), at % 8);
        mine[at].irq = at;
        if (!pin)
            continue;
        avr_connect_irq(pin, mine + at);
        avr_irq_register_notify(mine + at, changed, board);
    }
}

static void drive_pin(board_t *board, char port, unsigned bit, unsigned value) {
    avr_irq_t *pin = avr_io_getirq(board->avr, AVR_IOCTL_IOPORT_GETIRQ(port), (int)bit);
    if (pin && bit < 8 && port >= 'A' && port <= 'Z') {
        board->pins[port - 'A'] =
            (unsigned char)((board->pins[port - 'A'] & ~(1u << bit)) | (value & 1u) << bit);
        avr_raise_irq(pin, value & 1);
    }
}

static void paint(board_t *board) {
    memset(board->avr->data + board->ram_start, PAINT, board->avr->ramend + 1u - board->ram_start);
}

static unsigned stack_used(board_t *board) {
    unsigned at = board->ram_start;
    while (at <= board->avr->ramend && board->avr->data[at] == PAINT)
        at++;
    return board->avr->ramend + 1u - at;
}

static void restart(board_t *board) {
    avr_reset(board->avr); /* also forgets cycle timers, ours among them */
    board->resets++;
    board->fed_at = board->avr->cycle;
    paint(board);
    start_feeding(board);
}

static void obey(board_t *board, const char *line) {
    char port;
    unsigned bit, value;
    if (sscanf(line, "pin %c%u %u", &port, &bit, &value) == 3)
        drive_pin(board, port, bit, value);
    else if (!strcmp(line, "reset"))
        restart(board);
    else if (sscanf(line, "peek %x", &value) == 1 && value <= board->avr->ramend)
        say("PEEK %u\n", board->avr->data[value]);
    else if (!strcmp(line, "unplug"))
        unplug(board);
    else if (!strcmp(line, "plug"))
        plug(board);
    else if (!strcmp(line, "stats"))
        say("STATS {\"cycles\": %llu, \"overruns\": %u, \"resets\": %u, \"stack\": %u, \"ram_free\": %u}\n",
            (unsigned long long)board->avr->cycle, board->overruns, board->resets, stack_used(board),
            board->avr->ramend + 1u - board->ram_start - stack_used(board));
    else
        say("UNKNOWN %s\n", line);
}

/* False at the end of input. */
static int listen_to_stdin(board_t *board) {
    char bytes[256];
    ssize_t length = read(0, bytes, sizeof bytes);
    for (ssize_t at = 0; at < length; at++) {
        if (bytes[at] != '\n') {
            if (board->line_length < sizeof board->line - 1)
                board->line[board->line_length++] = bytes[at];
            continue;
        }
        board->line[board->line_length] = 0;
        board->line_length = 0;
        obey(board, board->line);
    }
    return length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR));
}

/* --- time -------------------------------------------------------------------------------------------------------- */

static long long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void no_sleep(avr_t *avr, avr_cycle_count_t cycles) {
    (void)avr;
    (void)cycles; /* the slices below wait for the wall clock */
}

static long long simulated(board_t *board) {
    return (long long)(1e9 * (double)board->avr->cycle / board->avr->frequency / board->speed);
}

/* One slice of simulated time after another, each followed by waiting until the wall clock has caught up. */
static int run(board_t *board) {
    avr_cycle_count_t slice = board->avr->frequency / SLICES_PER_SECOND, until = board->avr->cycle;
    long long start = nanoseconds() - simulated(board);
    for (;;) {
        for (until += slice; board->avr->cycle < until;) {
            int state = avr_run(board->avr);
            if (state == cpu_Done || state == cpu_Crashed) {
                say("CRASHED at %#x\n", board->avr->pc);
                return 1;
            }
        }
        until = board->avr->cycle;
        for (;;) {
            exchange(board);
            long long ahead = start + simulated(board) - nanoseconds();
            struct timespec wait = {0, ahead > 0 ? ahead : 0};
            if (ahead < -LATE_NS) /* a busy machine: time is lost, not made up for */
                start = nanoseconds() - simulated(board);
            struct pollfd watched[2] = {{0, POLLIN, 0}, {board->master, POLLIN, 0}};
            if (used(&board->to_board) > QUEUE / 2)
                watched[1].fd = -1;
            int ready = ppoll(watched, 2, &wait, NULL);
            if (ready > 0 && watched[0].revents && !listen_to_stdin(board))
                return 0;
            if (ready <= 0 || ahead <= 0)
                break;
        }
    }
}

/* --- start ------------------------------------------------------------------------------------------------------- */

static void fill_eeprom(board_t *board, unsigned seed) {
    unsigned char bytes[1024];
    avr_eeprom_desc_t whole = {bytes, 0, sizeof bytes};
    srandom(seed); /* another board each time, unless told which */
    for (unsigned at = 0; at < sizeof bytes; at++)
        bytes[at] = (unsigned char)random();
    avr_ioctl(board->avr, AVR_IOCTL_EEPROM_SET, &whole);
}

static void find_uart(board_t *board) {
    uint32_t no_flags = 0; /* by default it sleeps on polling and prints what is sent */
    avr_io_t *io = board->avr->io_port;
    while (io && strcmp(io->kind, "uart"))
        io = io->next;
    if (!io) {
        fprintf(stderr, "this chip has no UART\n");
        exit(1);
    }
    board->uart = (avr_uart_t *)io;
    avr_ioctl(board->avr, AVR_IOCTL_UART_SET_FLAGS('0'), &no_flags);
    board->uart_in = avr_io_getirq(board->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(board->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), sent, board);
}

static void load(board_t *board, const char *path, unsigned seed) {
    elf_firmware_t firmware;
    memset(&firmware, 0, sizeof firmware);
    if (elf_read_firmware(path, &firmware)) {
        fprintf(stderr, "%s: not an AVR ELF file\n", path);
        exit(1);
    }
    if (!firmware.mmcu[0])
        strcpy(firmware.mmcu, "atmega328p");
    if (!firmware.frequency)
        firmware.frequency = 16000000;
    board->avr = avr_make_mcu_by_name(firmware.mmcu);
    if (!board->avr)
        exit(1);
    avr_init(board->avr);
    avr_load_firmware(board->avr, &firmware);
    board->avr->sleep = no_sleep;
    board->ram_start = 0x100u + firmware.datasize + firmware.bsssize;
    find_uart(board);
    watch_pins(board);
    fill_eeprom(board, seed);
    paint(board);
}

int main(int count, char **words) {
    static board_t board;
    unsigned seed = (unsigned)nanoseconds() ^ (unsigned)getpid() << 16;
    board.speed = 1;
    board.master = board.slave = -1;
    for (int at = 2; at < count; at++) {
        if (!strcmp(words[at], "--speed") && at + 1 < count)
            board.speed = atof(words[++at]);
        else if (!strcmp(words[at], "--link") && at + 1 < count)
            board.link = words[++at];
        else if (!strcmp(words[at], "--seed") && at + 1 < count)
            seed = (unsigned)strtoul(words[++at], NULL, 0);
        else if (!strcmp(words[at], "--lenient"))
            board.lenient = 1;
        else
            count = 0;
    }
    if (count < 2 || board.speed <= 0) {
        fprintf(stderr, "simavr FIRMWARE.elf [--speed FACTOR] [--link PATH] [--seed NUMBER] [--lenient]\n");
        return 2;
    }
    fcntl(0, F_SETFL, O_NONBLOCK);
    load(&board, words[1], seed);
    plug(&board);
    int result = run(&board);
    unplug(&board);
    return result;
}
