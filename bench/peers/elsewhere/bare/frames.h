// What both bare servers share: the handshake, frames, connections, and the log of what is published.
//
// These are no WebSocket servers to be used: whole frames of text or binary are sent back with the mask taken off as they come. There is no limit, no UTF-8, no fragment,
// no control frame but the end, and no timeout. They show what a server would cost that is nothing but its system calls.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <immintrin.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1 << 16, LOG_SIZE = 1 << 26, MAX_HEADER = 14 };

typedef enum { HANDSHAKE, ECHO, RECEIVER, PUBLISHER } role;

typedef struct {
    int fd;
    role role;
    bool sending;          // a send is under way, or waits for room
    bool dirty;            // io_uring: something is to be sent at the turn's end
    bool closing;          // io_uring: over when the kernel has let go
    uint8_t *partial;      // the beginning of a frame that has not come whole
    size_t partial_length, partial_room;
    uint8_t *output;       // what the socket has not taken yet
    size_t output_start, output_end, output_room;
    uint8_t *flight;       // io_uring: what the kernel is sending
    size_t flight_start, flight_end, flight_room;
    uint64_t sent;         // a receiver's place in the log
} connection;

static connection *connections[MAX_CONNECTIONS];
static int receivers[MAX_CONNECTIONS];
static int receiver_count;

// All that was published, as frames; receivers are sent from here. Written round: nobody is to be so far behind that it matters.
static uint8_t *published;
static uint64_t published_end;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int listen_on(int port, int flags) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) die("listen");
    published = aligned_alloc(4096, LOG_SIZE);
    return fd;
}

static connection *opened(int fd) {
    int on = 1;
    if (fd >= MAX_CONNECTIONS) {
        close(fd);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection *c = calloc(1, sizeof *c);
    c->fd = fd;
    return connections[fd] = c;
}

static void ended(connection *c) {
    for (int i = 0; i < receiver_count; i++) {
        if (receivers[i] == c->fd) receivers[i] = receivers[--receiver_count];
    }
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->partial);
    free(c->output);
    free(c->flight);
    free(c);
}

static uint8_t *room(uint8_t **memory, size_t *size, size_t needed) {
    if (*size < needed) {
        *size = needed < 4096 ? 4096 : needed * 2;
        *memory = realloc(*memory, *size);
    }
    return *memory;
}

static void keep_partial(connection *c, const uint8_t *bytes, size_t length) {
    room(&c->partial, &c->partial_room, c->partial_length + length);
    memcpy(c->partial + c->partial_length, bytes, length);
    c->partial_length += length;
}

static void keep_output(connection *c, const uint8_t *bytes, size_t length) {
    if (c->output_start == c->output_end) c->output_start = c->output_end = 0;
    room(&c->output, &c->output_room, c->output_end + length);
    memcpy(c->output + c->output_end, bytes, length);
    c->output_end += length;
}

// RFC 6455 §5.3. Reads and writes whole vectors behind the end: every buffer has room for that.
static void unmask(uint8_t *to, const uint8_t *from, size_t length, uint32_t key) {
    __m256i wide = _mm256_set1_epi32((int)key);
    size_t i = 0;
    for (; i + 32 <= length; i += 32) {
        _mm256_storeu_si256((__m256i *)(to + i), _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(from + i)), wide));
    }
    for (; i < length; i++) to[i] = from[i] ^ (uint8_t)(key >> (8 * (i & 3)));
}

static size_t write_header(uint8_t *to, uint8_t first, uint64_t length) {
    to[0] = first;
    if (length < 126) {
        to[1] = (uint8_t)length;
        return 2;
    }
    if (length < 65536) {
        to[1] = 126;
        to[2] = (uint8_t)(length >> 8);
        to[3] = (uint8_t)length;
        return 4;
    }
    to[1] = 127;
    for (int i = 0; i < 8; i++) to[2 + i] = (uint8_t)(length >> (56 - 8 * i));
    return 10;
}

static void publish(uint8_t first, const uint8_t *payload, uint64_t length, uint32_t key) {
    uint64_t start = published_end % LOG_SIZE;
    if (start + length + MAX_HEADER > LOG_SIZE) {
        fprintf(stderr, "the log is full\n");
        exit(1);
    }
    size_t header = write_header(published + start, first, length);
    unmask(published + start + header, payload, length, key);
    published_end += header + length;
}

// Takes whole frames and puts what is to be sent back over them: an answer is no longer than what it answers, so it lies where that was.
// Returns how many bytes were taken; *answer and *answer_length say where the answers lie. *answer is NULL when the peer has ended.
static size_t take_frames(connection *c, uint8_t *bytes, size_t length, uint8_t **answer, size_t *answer_length) {
    size_t taken = 0;
    uint8_t *begin = NULL, *end = NULL;
    while (length - taken >= 6) {
        uint8_t *frame = bytes + taken;
        uint64_t payload = frame[1] & 127;
        size_t header = 6;
        if (payload == 126) {
            header = 8;
            payload = (uint64_t)frame[2] << 8 | frame[3];
        } else if (payload == 127) {
            header = 14;
            if (length - taken < header) break;
            payload = 0;
            for (int i = 0; i < 8; i++) payload = payload << 8 | frame[2 + i];
        }
        if (length - taken < header + payload) break;
        uint32_t key;
        memcpy(&key, frame + header - 4, 4);
        uint8_t first = frame[0];
        if ((first & 15) == 8) {
            *answer = NULL;
            return length;
        }
        if (c->role == PUBLISHER) {
            publish(first, frame + header, payload, key);
        } else if (c->role == ECHO) {
            uint8_t *to = begin ? end : frame + 4;
            size_t own = header - 4;
            if (!begin) begin = to;
            unmask(to + own, frame + header, payload, key);
            write_header(to, first, payload);
            end = to + own + payload;
        }
        taken += header + payload;
    }
    *answer = begin ? begin : bytes;
    *answer_length = begin ? (size_t)(end - begin) : 0;
    return taken;
}

// Answers the handshake (RFC 6455 §4.2.2) once all of it is there. Returns how long the answer is; 0: it is not; the request's length is in *taken.
static size_t answer_handshake(connection *c, const uint8_t *bytes, size_t length, size_t *taken, char *answer) {
    const char *text = (const char *)bytes, *end = memmem(text, length, "\r\n\r\n", 4), *key = NULL;
    if (!end) return 0;
    for (const char *line = text; line < end; line++) {
        if (*line == '\n' && !strncasecmp(line + 1, "Sec-WebSocket-Key:", 18)) key = line + 19;
    }
    if (!key) return 0;
    while (*key == ' ') key++;
    char joined[60];
    memcpy(joined, key, 24);
    memcpy(joined + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    uint8_t hash[SHA_DIGEST_LENGTH];
    SHA1((uint8_t *)joined, sizeof joined, hash);
    char accept[32];
    EVP_EncodeBlock((uint8_t *)accept, hash, sizeof hash);
    c->role = !strncmp(text, "GET /fanout/publish ", 20) ? PUBLISHER : !strncmp(text, "GET /fanout ", 12) ? RECEIVER : ECHO;
    if (c->role == RECEIVER) {
        receivers[receiver_count++] = c->fd;
        c->sent = published_end;
    }
    *taken = (size_t)(end + 4 - text);
    return (size_t)sprintf(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
}

// What a receiver is to be sent of the log, in one piece.
static size_t unread(const connection *c, const uint8_t **start) {
    uint64_t at = c->sent % LOG_SIZE, length = published_end - c->sent;
    *start = published + at;
    return length < LOG_SIZE - at ? length : LOG_SIZE - at;
}
