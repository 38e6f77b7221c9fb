/* libevent's bufferevent, as its book has it: what came in is moved to what goes out without a copy. After the
 * client's end the connection stays until its output has drained. Nothing stops a client that does not read. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void on_read(struct bufferevent *client, void *context)
{
	(void)context;
	evbuffer_add_buffer(bufferevent_get_output(client), bufferevent_get_input(client));
}

static void on_drained(struct bufferevent *client, void *context)
{
	(void)context;
	bufferevent_free(client);
}

static void on_event(struct bufferevent *client, short what, void *context)
{
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	if (what & BEV_EVENT_ERROR || evbuffer_get_length(bufferevent_get_output(client)) == 0)
		bufferevent_free(client);
	else
		bufferevent_setcb(client, NULL, on_drained, on_event, context);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int len,
                          void *context)
{
	struct bufferevent *client =
	    bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);

	(void)from, (void)len;
	if (!client) {
		evutil_closesocket(fd);
		return;
	}
	bufferevent_setcb(client, on_read, NULL, on_event, context);
	bufferevent_enable(client, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
	struct sockaddr_in where = {.sin_family = AF_INET};
	struct event_base *base = event_base_new();

	signal(SIGPIPE, SIG_IGN);
	where.sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "7862"));
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!evconnlistener_new_bind(base, on_connection, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
	                             (struct sockaddr *)&where, sizeof(where))) {
		perror("listen");
		return 1;
	}
	return event_base_dispatch(base);
}
