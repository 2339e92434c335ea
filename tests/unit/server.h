/* A server on 127.0.0.1 that answers from a script, for the tests of the client: one thread, one connection at a time.
 * What was asked is there to be read after server_stop. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_SERVER_H
#define PILLION_TESTS_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVER_REQUESTS_MAX = 8, SERVER_REQUEST_MAX = 256 * 1024 };

enum server_then {
    SERVER_KEEPS,   /* waits for the next request on this connection */
    SERVER_CLOSES,  /* after the answer */
    SERVER_RESETS,  /* after the answer, with RST */
    SERVER_REPEATS, /* the last line or what stands behind it, until the client has had enough */
    SERVER_HANGS,   /* until the client goes */
};

struct server_reply {
    const char      *answer; /* sent as it is; NULL: nothing */
    enum server_then then;
};

struct server {
    const struct server_reply *replies; /* the last one stands for all further requests */
    size_t                     reply_count;
    int                        listener;
    int                        port;
    pthread_t                  thread;
    int                        connections;
    _Atomic size_t             request_count;
    char                      *requests[SERVER_REQUESTS_MAX];
};

/* Head and body; false when the client went before they were whole. */
static bool server_read(int fd, char *request)
{
    size_t len = 0;
    size_t need = SERVER_REQUEST_MAX - 1;
    while (len < need) {
        ssize_t n = recv(fd, request + len, SERVER_REQUEST_MAX - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *body_len = strstr(request, "Content-Length: ");
        if (end)
            need = (size_t)(end + 4 - request) + (body_len && body_len < end ? (size_t)atol(body_len + 16) : 0);
    }
    return true;
}

static bool server_answer(int fd, const struct server_reply *reply)
{
    const char *answer = reply->answer ? reply->answer : "";
    bool        sent = send(fd, answer, strlen(answer), MSG_NOSIGNAL) >= 0;
    if (reply->then == SERVER_REPEATS) {
        char        line[4096];
        const char *last = answer;
        size_t      count = 0;
        for (const char *p = answer; p[0] && p[1]; p++)
            if (p[0] == '\n')
                last = p + 1;
        for (size_t len = strlen(last); len > 0 && count + len < sizeof line; count += len)
            memcpy(line + count, last, len);
        while (send(fd, line, count, MSG_NOSIGNAL) > 0)
            ;
    }
    if (reply->then == SERVER_HANGS) {
        char byte;
        while (recv(fd, &byte, 1, 0) > 0)
            ;
    }
    if (reply->then == SERVER_RESETS) {
        struct linger at_once = {1, 0};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    return sent && reply->then == SERVER_KEEPS;
}

static void *server_run(void *pointer)
{
    struct server *server = pointer;
    char          *request = malloc(SERVER_REQUEST_MAX);
    int            fd;
    while (request && (fd = accept(server->listener, NULL, NULL)) >= 0) {
        bool more = true;
        server->connections++;
        while (more && server_read(fd, request)) {
            size_t number = server->request_count;
            if (number < SERVER_REQUESTS_MAX)
                server->requests[number] = strdup(request);
            server->request_count++;
            more = server_answer(fd, &server->replies[number < server->reply_count ? number : server->reply_count - 1]);
        }
        close(fd);
    }
    free(request);
    return NULL;
}

static bool server_start(struct server *server, const struct server_reply *replies, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t          size = sizeof address;
    *server = (struct server){.replies = replies, .reply_count = count};
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(server->listener, 8) != 0 || getsockname(server->listener, (struct sockaddr *)&address, &size) != 0)
        return false;
    server->port = ntohs(address.sin_port);
    return pthread_create(&server->thread, NULL, server_run, server) == 0;
}

/* Clients must be gone; a second call does nothing. */
static void server_stop(struct server *server)
{
    if (server->listener < 0)
        return;
    (void)shutdown(server->listener, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    close(server->listener);
    server->listener = -1;
}

static void server_done(struct server *server)
{
    server_stop(server);
    for (size_t i = 0; i < SERVER_REQUESTS_MAX; i++)
        free(server->requests[i]);
}

/* A request's header: "" when it has none, and its body. */
static const char *server_header(const struct server *server, size_t number, const char *name, char ret[static 256])
{
    ret[0] = '\0';
    const char *line = number < SERVER_REQUESTS_MAX ? server->requests[number] : NULL;
    for (; line && *line != '\r'; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            (void)snprintf(ret, 256, "%.*s", (int)strcspn(line + strlen(name) + 2, "\r"), line + strlen(name) + 2);
    return ret;
}

static const char *server_body(const struct server *server, size_t number)
{
    const char *end = number < SERVER_REQUESTS_MAX && server->requests[number]
                          ? strstr(server->requests[number], "\r\n\r\n")
                          : NULL;
    return end ? end + 4 : "";
}

#endif
