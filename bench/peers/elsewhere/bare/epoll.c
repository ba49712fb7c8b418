// The bare server on epoll: one receive into one large buffer, frames answered where they lie, one send.
#define _GNU_SOURCE
#include "frames.h"

#include <sys/epoll.h>

enum { RECEIVE_SIZE = 512 * 1024, EVENTS = 512 };

static int epoll;

static void watch(int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll, operation, fd, &event) < 0) die("epoll_ctl");
}

static void want_room(connection *c, bool wanted) {
    if (c->sending != wanted) {
        c->sending = wanted;
        watch(EPOLL_CTL_MOD, c->fd, EPOLLIN | (wanted ? EPOLLOUT : 0));
    }
}

static void send_bytes(connection *c, const uint8_t *bytes, size_t length) {
    ssize_t sent = c->sending ? 0 : send(c->fd, bytes, length, MSG_NOSIGNAL);
    if (sent < 0) sent = 0;
    if ((size_t)sent < length) {
        keep_output(c, bytes + sent, length - (size_t)sent);
        want_room(c, true);
    }
}

static void send_published(connection *c) {
    const uint8_t *start;
    size_t length;
    while (!c->sending && (length = unread(c, &start)) > 0) {
        ssize_t sent = send(c->fd, start, length, MSG_NOSIGNAL);
        if (sent > 0) c->sent += (uint64_t)sent;
        if (sent < (ssize_t)length) want_room(c, true);
    }
}

static void send_waiting(connection *c) {
    while (c->output_start < c->output_end) {
        ssize_t sent = send(c->fd, c->output + c->output_start, c->output_end - c->output_start, MSG_NOSIGNAL);
        if (sent <= 0) return;
        c->output_start += (size_t)sent;
    }
    want_room(c, false);
    if (c->role == RECEIVER) send_published(c);
}

static void receive(connection *c, uint8_t *buffer) {
    // A frame that is under way goes on where it began.
    bool joined = c->partial_length > 0;
    uint8_t *to = joined ? room(&c->partial, &c->partial_room, c->partial_length + RECEIVE_SIZE) + c->partial_length : buffer;
    ssize_t count = recv(c->fd, to, RECEIVE_SIZE, 0);
    if (count <= 0) {
        if (count == 0 || (errno != EAGAIN && errno != EINTR)) ended(c);
        return;
    }
    uint8_t *bytes = joined ? c->partial : buffer, *answer;
    size_t length = c->partial_length + (size_t)count, taken = 0, answer_length;
    if (c->role == HANDSHAKE) {
        char text[256];
        size_t size = answer_handshake(c, bytes, length, &taken, text);
        if (size) send_bytes(c, (uint8_t *)text, size);
    }
    if (c->role != HANDSHAKE) {
        size_t of_frames = take_frames(c, bytes + taken, length - taken, &answer, &answer_length);
        if (!answer) {
            ended(c);
            return;
        }
        taken += of_frames;
        if (answer_length) send_bytes(c, answer, answer_length);
    }
    size_t left = length - taken;
    if (joined) {
        memmove(c->partial, c->partial + taken, left);
        c->partial_length = left;
    } else if (left) {
        keep_partial(c, buffer + taken, left);
    }
}

int main(int count, char **arguments) {
    int listener = listen_on(count > 1 ? atoi(arguments[1]) : 9000, SOCK_NONBLOCK);
    uint8_t *buffer = aligned_alloc(4096, RECEIVE_SIZE + 4096);
    static struct epoll_event events[EVENTS];
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        uint64_t before = published_end;
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int accepted;
                while ((accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                    if (opened(accepted)) watch(EPOLL_CTL_ADD, accepted, EPOLLIN);
                }
                continue;
            }
            if (events[i].events & EPOLLOUT && connections[fd]) send_waiting(connections[fd]);
            if (events[i].events & ~EPOLLOUT && connections[fd]) receive(connections[fd], buffer);
        }
        if (published_end != before) {
            for (int i = 0; i < receiver_count; i++) send_published(connections[receivers[i]]);
        }
    }
}
