/* libuv, in the shape of its guide: one allocation and one write request for each chunk. The end of the stream is
 * answered with uv_shutdown, which waits for the writes before it. Nothing stops a client that does not read. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct write {
	uv_write_t request;
	uv_buf_t chunk;
};

static void on_closed(uv_handle_t *client)
{
	free(client);
}

static void finish(uv_stream_t *client)
{
	if (!uv_is_closing((uv_handle_t *)client))
		uv_close((uv_handle_t *)client, on_closed);
}

static void on_buffer_wanted(uv_handle_t *client, size_t suggested, uv_buf_t *chunk)
{
	(void)client;
	*chunk = uv_buf_init(malloc(suggested), (unsigned)suggested);
}

static void on_written(uv_write_t *request, int status)
{
	struct write *write = (struct write *)request;

	if (status < 0)
		finish(request->handle);
	free(write->chunk.base);
	free(write);
}

static void on_shut_down(uv_shutdown_t *request, int status)
{
	(void)status;
	finish(request->handle);
	free(request);
}

static void on_ended(uv_stream_t *client, ssize_t reason)
{
	uv_shutdown_t *request = reason == UV_EOF ? malloc(sizeof(*request)) : NULL;

	if (!request || uv_shutdown(request, client, on_shut_down)) {
		free(request);
		finish(client);
	}
}

static void on_read(uv_stream_t *client, ssize_t got, const uv_buf_t *chunk)
{
	struct write *write = got > 0 ? malloc(sizeof(*write)) : NULL;

	if (!write) {
		free(chunk->base);
		if (got != 0)
			on_ended(client, got);
		return;
	}
	write->chunk = uv_buf_init(chunk->base, (unsigned)got);
	if (uv_write(&write->request, client, &write->chunk, 1, on_written)) {
		free(write->chunk.base);
		free(write);
		finish(client);
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	uv_tcp_t *client = status < 0 ? NULL : malloc(sizeof(*client));

	if (!client)
		return;
	uv_tcp_init(listener->loop, client);
	if (uv_accept(listener, (uv_stream_t *)client))
		finish((uv_stream_t *)client);
	else
		uv_read_start((uv_stream_t *)client, on_buffer_wanted, on_read);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	struct sockaddr_in where;
	uv_tcp_t listener;
	int error;

	signal(SIGPIPE, SIG_IGN);
	uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 7862, &where);
	uv_tcp_init(loop, &listener);
	uv_tcp_bind(&listener, (const struct sockaddr *)&where, 0);
	error = uv_listen((uv_stream_t *)&listener, 4096, on_connection);
	if (error) {
		fprintf(stderr, "listen: %s\n", uv_strerror(error));
		return 1;
	}
	return uv_run(loop, UV_RUN_DEFAULT);
}
