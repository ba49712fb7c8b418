// The bare server on io_uring: one request accepts all, one per connection receives all, the sends of a turn go with the call that waits for the next.
#define _GNU_SOURCE
#include "frames.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { ENTRIES = 4096, BUFFERS = 16, BUFFER_SIZE = 64 * 1024, INCREMENTAL = 2, BUFFER_GOES_ON = 16, PATIENCE = 50, MOST_WAITED_FOR = 256 };
enum { ACCEPT, RECEIVE, SEND };

static int ring, listener;
static unsigned *submission_head, *submission_tail, *completion_head, *completion_tail, submission_mask, completion_mask, tail;
static struct io_uring_sqe *requests;
static struct io_uring_cqe *completions;

static struct io_uring_buf_ring *buffers;
static uint8_t *buffer_memory;
static size_t used[BUFFERS];
static uint16_t buffer_tail;

static int dirty[MAX_CONNECTIONS], dirty_count;

static unsigned load(const unsigned *from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }

static void enter(unsigned wait) {
    struct io_uring_getevents_arg argument = {.pad = wait > 1 ? PATIENCE : 0};
    __atomic_store_n(submission_tail, tail, __ATOMIC_RELEASE);
    __atomic_store_n(&buffers->tail, buffer_tail, __ATOMIC_RELEASE);
    long result = syscall(__NR_io_uring_enter, ring, tail - load(submission_head), wait, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
    if (result < 0 && errno != EINTR && errno != ETIME && errno != EBUSY && errno != EAGAIN) die("io_uring_enter");
}

static struct io_uring_sqe *request(int operation, int fd, int kind) {
    while (tail - load(submission_head) >= ENTRIES) enter(0);
    struct io_uring_sqe *entry = &requests[tail++ & submission_mask];
    memset(entry, 0, sizeof *entry);
    entry->opcode = (uint8_t)operation;
    entry->fd = fd;
    entry->user_data = (uint64_t)kind << 32 | (unsigned)fd;
    return entry;
}

static void give_buffer(uint16_t id) {
    used[id] = 0;
    // The first buffer's last field is the ring's tail: all but that is written.
    struct io_uring_buf *buffer = &buffers->bufs[buffer_tail++ & (BUFFERS - 1)];
    buffer->addr = (uint64_t)(buffer_memory + (size_t)id * BUFFER_SIZE);
    buffer->len = BUFFER_SIZE;
    buffer->bid = id;
}

static void set_up(void) {
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        .cq_entries = 65536,
    };
    ring = (int)syscall(__NR_io_uring_setup, ENTRIES, &parameters);
    if (ring < 0) die("io_uring_setup");
    size_t size = parameters.cq_off.cqes + parameters.cq_entries * sizeof *completions, other = parameters.sq_off.array + ENTRIES * sizeof(unsigned);
    if (size < other) size = other;
    uint8_t *rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
    requests = mmap(NULL, ENTRIES * sizeof *requests, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
    if (rings == MAP_FAILED || (void *)requests == MAP_FAILED) die("mmap");
    submission_head = (unsigned *)(rings + parameters.sq_off.head);
    submission_tail = (unsigned *)(rings + parameters.sq_off.tail);
    submission_mask = *(unsigned *)(rings + parameters.sq_off.ring_mask);
    completion_head = (unsigned *)(rings + parameters.cq_off.head);
    completion_tail = (unsigned *)(rings + parameters.cq_off.tail);
    completion_mask = *(unsigned *)(rings + parameters.cq_off.ring_mask);
    completions = (struct io_uring_cqe *)(rings + parameters.cq_off.cqes);
    unsigned *array = (unsigned *)(rings + parameters.sq_off.array);
    for (unsigned i = 0; i < ENTRIES; i++) array[i] = i;

    buffers = aligned_alloc(4096, 4096);
    memset(buffers, 0, 4096);
    buffer_memory = aligned_alloc(4096, (size_t)BUFFERS * BUFFER_SIZE + 4096);
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)buffers, .ring_entries = BUFFERS};
    // Buffers that are filled piece by piece: the field has a name in newer headers only.
    memcpy((uint8_t *)&registration + 14, &(uint16_t){INCREMENTAL}, 2);
    if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_PBUF_RING, &registration, 1) < 0) die("buffers");
    for (uint16_t i = 0; i < BUFFERS; i++) give_buffer(i);
}

static void accept_all(void) {
    struct io_uring_sqe *entry = request(IORING_OP_ACCEPT, listener, ACCEPT);
    entry->ioprio = IORING_ACCEPT_MULTISHOT;
    entry->accept_flags = SOCK_CLOEXEC;
}

static void receive_all(int fd) {
    struct io_uring_sqe *entry = request(IORING_OP_RECV, fd, RECEIVE);
    entry->ioprio = IORING_RECV_MULTISHOT;
    entry->flags = IOSQE_BUFFER_SELECT;
}

static void to_send(connection *c, const uint8_t *bytes, size_t length) {
    keep_output(c, bytes, length);
    if (!c->dirty) {
        c->dirty = true;
        dirty[dirty_count++] = c->fd;
    }
}

static unsigned send_piece(connection *c, const uint8_t *bytes, size_t length) {
    struct io_uring_sqe *entry = request(IORING_OP_SEND, c->fd, SEND);
    entry->addr = (uint64_t)bytes;
    entry->len = (unsigned)length;
    entry->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    c->sending = true;
    return 1;
}

// Sends what waits, if nothing is under way. Returns how many requests that took.
static unsigned go_on_sending(connection *c) {
    const uint8_t *start;
    size_t length;
    if (c->sending || c->closing) return 0;
    if (c->flight_start < c->flight_end) return send_piece(c, c->flight + c->flight_start, c->flight_end - c->flight_start);
    if (c->output_start < c->output_end) {
        uint8_t *memory = c->flight;
        size_t memory_room = c->flight_room;
        c->flight = c->output;
        c->flight_start = c->output_start;
        c->flight_end = c->output_end;
        c->flight_room = c->output_room;
        c->output = memory;
        c->output_room = memory_room;
        c->output_start = c->output_end = 0;
        return send_piece(c, c->flight + c->flight_start, c->flight_end - c->flight_start);
    }
    return c->role == RECEIVER && (length = unread(c, &start)) > 0 ? send_piece(c, start, length) : 0;
}

static void close_when_idle(connection *c) {
    c->closing = true;
    if (!c->sending) ended(c);
}

static void received(connection *c, uint8_t *bytes, size_t length) {
    uint8_t *answer;
    size_t taken = 0, answer_length;
    bool joined = c->partial_length > 0;
    if (joined) {
        keep_partial(c, bytes, length);
        bytes = c->partial;
        length = c->partial_length;
    }
    if (c->role == HANDSHAKE) {
        char text[256];
        size_t size = answer_handshake(c, bytes, length, &taken, text);
        if (size) to_send(c, (uint8_t *)text, size);
    }
    if (c->role != HANDSHAKE) {
        taken += take_frames(c, bytes + taken, length - taken, &answer, &answer_length);
        if (!answer) {
            shutdown(c->fd, SHUT_RDWR);
            return;
        }
        if (answer_length) to_send(c, answer, answer_length);
    }
    size_t left = length - taken;
    if (joined) {
        memmove(c->partial, c->partial + taken, left);
        c->partial_length = left;
    } else if (left) {
        keep_partial(c, bytes + taken, left);
    }
}

static void on_received(connection *c, const struct io_uring_cqe *completion) {
    if (completion->flags & IORING_CQE_F_BUFFER) {
        uint16_t id = (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
        if (completion->res > 0 && !c->closing) received(c, buffer_memory + (size_t)id * BUFFER_SIZE + used[id], (size_t)completion->res);
        if (completion->flags & BUFFER_GOES_ON) {
            used[id] += completion->res > 0 ? (size_t)completion->res : 0;
        } else {
            give_buffer(id);
        }
    }
    if (completion->flags & IORING_CQE_F_MORE) return;
    if (completion->res > 0 || completion->res == -ENOBUFS) {
        receive_all(c->fd);
    } else {
        close_when_idle(c);
    }
}

static void on_sent(connection *c, int result) {
    c->sending = false;
    if (result < 0 || c->closing) {
        if (c->closing) ended(c);
        return;
    }
    if (c->flight_start < c->flight_end) {
        c->flight_start += (size_t)result;
    } else {
        c->sent += (uint64_t)result;
    }
    if (!c->dirty && (c->flight_start < c->flight_end || c->output_start < c->output_end)) {
        c->dirty = true;
        dirty[dirty_count++] = c->fd;
    }
}

int main(int count, char **arguments) {
    listener = listen_on(count > 1 ? atoi(arguments[1]) : 9000, 0);
    set_up();
    accept_all();
    unsigned sends = 0;
    for (;;) {
        uint64_t before = published_end;
        enter((sends < MOST_WAITED_FOR ? sends : MOST_WAITED_FOR) + 1);
        sends = 0;
        bool late = false;
        for (unsigned left = load(completion_tail) - *completion_head; left > 0; left--) {
            struct io_uring_cqe completion = completions[*completion_head & completion_mask];
            __atomic_store_n(completion_head, *completion_head + 1, __ATOMIC_RELEASE);
            int kind = (int)(completion.user_data >> 32);
            if (kind == ACCEPT) {
                if (completion.res >= 0 && opened(completion.res)) receive_all(completion.res);
                if (!(completion.flags & IORING_CQE_F_MORE)) accept_all();
                continue;
            }
            connection *c = connections[(int)(unsigned)completion.user_data];
            if (!c) continue;
            if (kind == RECEIVE) {
                on_received(c, &completion);
            } else {
                late |= c->role == RECEIVER && published_end - c->sent > (uint64_t)(completion.res > 0 ? completion.res : 0);
                on_sent(c, completion.res);
            }
        }
        for (int i = 0; i < dirty_count; i++) {
            connection *c = connections[dirty[i]];
            if (c) {
                c->dirty = false;
                sends += go_on_sending(c);
            }
        }
        dirty_count = 0;
        if (published_end != before || late) {
            for (int i = 0; i < receiver_count; i++) sends += go_on_sending(connections[receivers[i]]);
        }
    }
}
