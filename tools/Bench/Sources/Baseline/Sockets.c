// Datagrams over the loopback: what the network's rows send and receive by, and the bare receive loop that they are
// compared with.
#include "Baseline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 32, OCTETS = 2048 };

struct baseline_batch {
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in sources[BATCH];
    uint8_t octets[BATCH][OCTETS];
};

static struct sockaddr_in address(uint32_t ipv4, uint16_t port) {
    struct sockaddr_in it = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(ipv4)}};
    return it;
}

int baseline_udp_open(uint32_t ipv4, int receive_buffer) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    struct sockaddr_in own = address(ipv4, 0);
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (bind(descriptor, (struct sockaddr *)&own, sizeof own) == 0) return descriptor;
    close(descriptor);
    return -1;
}

uint16_t baseline_udp_port(int descriptor) {
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    return getsockname(descriptor, (struct sockaddr *)&own, &size) == 0 ? ntohs(own.sin_port) : 0;
}

void baseline_udp_close(int descriptor) { close(descriptor); }

bool baseline_udp_send(int descriptor, const uint8_t *octets, size_t count, uint32_t ipv4, uint16_t port) {
    struct sockaddr_in to = address(ipv4, port);
    return sendto(descriptor, octets, count, 0, (struct sockaddr *)&to, sizeof to) == (ssize_t)count;
}

struct baseline_batch *baseline_batch_new(void) {
    struct baseline_batch *batch = calloc(1, sizeof *batch);
    if (!batch) abort();
    return batch;
}

void baseline_batch_free(struct baseline_batch *batch) { free(batch); }

int baseline_batch_receive(struct baseline_batch *batch, int descriptor) {
    for (int place = 0; place < BATCH; place++) {
        batch->vectors[place] = (struct iovec){batch->octets[place], OCTETS};
        batch->headers[place].msg_hdr = (struct msghdr){
            .msg_name = &batch->sources[place],
            .msg_namelen = sizeof batch->sources[place],
            .msg_iov = &batch->vectors[place],
            .msg_iovlen = 1};
    }
    int count = recvmmsg(descriptor, batch->headers, BATCH, 0, NULL);
    return count < 0 ? 0 : count;
}

struct baseline_datagram baseline_batch_datagram(const struct baseline_batch *batch, int place) {
    return (struct baseline_datagram){
        batch->octets[place], batch->headers[place].msg_len, ntohl(batch->sources[place].sin_addr.s_addr),
        ntohs(batch->sources[place].sin_port)};
}

int baseline_poll_open(void) { return epoll_create1(EPOLL_CLOEXEC); }

bool baseline_poll_add(int poll, int descriptor, uint32_t tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};
    return epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

int baseline_poll_wait(int poll, uint32_t *tags, int count, int64_t nanoseconds) {
    struct epoll_event events[256];
    struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int ready = epoll_pwait2(poll, events, count < 256 ? count : 256, &timeout, NULL);
    for (int place = 0; place < ready; place++) tags[place] = events[place].data.u32;
    return ready < 0 ? 0 : ready;
}
