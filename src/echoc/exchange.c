#include "exchange.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "words.h"

static void check(const struct exchange *ex)
{
	assert(ex->taken <= ex->echoed);
	assert(ex->echoed <= ex->sent);
	assert(ex->sent <= ex->filled);
	assert(ex->filled <= ex->taken + EXCHANGE_WINDOW);
}

static size_t least(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

/* The byte at offset, and how many of the len from there stand in one piece. */
static uint8_t *piece(const struct exchange *ex, uint64_t offset, uint64_t len, size_t *in_one)
{
	size_t at = (size_t)(offset % EXCHANGE_WINDOW);

	*in_one = least(len, EXCHANGE_WINDOW - at);
	return ex->window + at;
}

int exchange_init(struct exchange *ex)
{
	*ex = (struct exchange){.channel.fd = -1, .window = malloc(EXCHANGE_WINDOW), .received = malloc(EXCHANGE_READ)};
	if (ex->window && ex->received)
		return 0;
	exchange_fini(ex);
	return -ENOMEM;
}

void exchange_fini(struct exchange *ex)
{
	exchange_detach(ex);
	free(ex->window);
	free(ex->received);
	ex->window = ex->received = NULL;
}

void exchange_attach(struct exchange *ex, const struct channel *channel)
{
	ex->channel = *channel;
	ex->channel.apart = ex->chunk > 0;
	ex->error = 0;
	ex->sent = ex->echoed;
	ex->half_closed = false;
	check(ex);
}

void exchange_detach(struct exchange *ex)
{
	channel_close(&ex->channel);
}

void exchange_skip(struct exchange *ex, size_t len)
{
	ex->echoed += len;
	ex->taken = ex->echoed;
	if (ex->sent < ex->echoed)
		ex->sent = ex->echoed;
	check(ex);
}

size_t exchange_room(const struct exchange *ex)
{
	return ex->ended ? 0 : EXCHANGE_WINDOW - (size_t)(ex->filled - ex->taken);
}

size_t exchange_room_at(const struct exchange *ex, uint8_t **at)
{
	size_t len;

	*at = piece(ex, ex->filled, exchange_room(ex), &len);
	return len;
}

void exchange_filled(struct exchange *ex, size_t len)
{
	ex->filled += len;
	check(ex);
}

void exchange_put(struct exchange *ex, const void *data, size_t len)
{
	const uint8_t *from = data;
	uint8_t *at;

	assert(len <= exchange_room(ex));
	while (len > 0) {
		size_t n = least(len, exchange_room_at(ex, &at));
		memcpy(at, from, n);
		exchange_filled(ex, n);
		from += n;
		len -= n;
	}
}

void exchange_end(struct exchange *ex)
{
	ex->ended = true;
}

size_t exchange_echoed_at(const struct exchange *ex, const uint8_t **at)
{
	size_t len;

	*at = piece(ex, ex->taken, ex->echoed - ex->taken, &len);
	return len;
}

void exchange_taken(struct exchange *ex, size_t len)
{
	ex->taken += len;
	check(ex);
}

uint64_t exchange_missing(const struct exchange *ex)
{
	return ex->filled - ex->echoed;
}

bool exchange_complete(const struct exchange *ex)
{
	return ex->half_closed && exchange_missing(ex) == 0;
}

short exchange_events(const struct exchange *ex)
{
	bool to_send = ex->sent < ex->filled || (ex->ended && !ex->half_closed) || channel_unsent(&ex->channel);

	/* After an error POLLOUT alone says that there is nothing more to be read: see exchange_step. */
	return to_send || ex->error ? POLLIN | POLLOUT : POLLIN;
}

bool exchange_pending(const struct exchange *ex)
{
	return channel_pending(&ex->channel);
}

/* What is sent is lost, but what the server sent before may still be read: the end is seen there. */
static void give_up_sending(struct exchange *ex, int error)
{
	ex->error = error;
}

static void send_some(struct exchange *ex)
{
	int err = 0;

	if (ex->error || ex->half_closed)
		return;
	while (ex->sent < ex->filled) {
		size_t len;
		const uint8_t *at = piece(ex, ex->sent, ex->filled - ex->sent, &len);
		ssize_t n = channel_send(&ex->channel, at, ex->chunk ? least(len, ex->chunk) : len);
		if (n < 0) {
			err = (int)n;
			break;
		}
		if (ex->channel.trace)
			trace_bytes(ex->channel.trace, TRACE_SENT, at, (size_t)n);
		ex->sent += (size_t)n;
		check(ex);
	}
	if (!err)
		err = ex->ended ? channel_end(&ex->channel) : channel_flush(&ex->channel);
	if (err && err != -EAGAIN)
		give_up_sending(ex, err);
	if (err || !ex->ended)
		return;
	ex->half_closed = true;
	if (ex->channel.trace)
		trace_note(ex->channel.trace, TRACE_SENT, ex->channel.tls ? _("close_notify and FIN") : "FIN");
}

/* Keeps the difference: len bytes came at offset echoed, where sent_len bytes stood in one piece. */
static void keep_damage(struct exchange *ex, const uint8_t *came, size_t len, const uint8_t *sent, size_t sent_len)
{
	ex->damage.came_len = least(len, EXCHANGE_SHOWN);
	ex->damage.sent_len = least(sent_len, EXCHANGE_SHOWN);
	memcpy(ex->damage.came, came, ex->damage.came_len);
	memcpy(ex->damage.sent, sent, ex->damage.sent_len);
}

/* Compares what came with what was sent, and counts what is the same. Returns whether all of it was. */
static bool compare(struct exchange *ex, const uint8_t *came, size_t len)
{
	while (len > 0) {
		size_t in_one, same = 0;
		const uint8_t *sent = piece(ex, ex->echoed, ex->sent - ex->echoed, &in_one);
		size_t n = least(len, in_one);
		if (n > 0 && memcmp(came, sent, n) == 0) {
			ex->echoed += n;
			came += n;
			len -= n;
			continue;
		}
		while (same < n && came[same] == sent[same])
			same++;
		ex->echoed += same;
		keep_damage(ex, came + same, len - same, sent + same, in_one - same);
		return false;
	}
	check(ex);
	return true;
}

static void trace_received(const struct exchange *ex, ssize_t n)
{
	if (n > 0)
		trace_bytes(ex->channel.trace, TRACE_CAME, ex->received, (size_t)n);
	else if (n == 0)
		trace_note(ex->channel.trace, TRACE_CAME, ex->channel.tls ? "close_notify" : "FIN");
	else
		trace_note(ex->channel.trace, TRACE_CAME, channel_why(&ex->channel, (int)n));
}

static enum exchange_result receive(struct exchange *ex)
{
	ssize_t n = channel_receive(&ex->channel, ex->received, EXCHANGE_READ);

	if (n == -EAGAIN)
		return EXCHANGE_GOES_ON;
	if (ex->channel.trace)
		trace_received(ex, n);
	if (n > 0)
		return compare(ex, ex->received, (size_t)n) ? EXCHANGE_GOES_ON : EXCHANGE_DAMAGED;
	if (n < 0)
		ex->error = (int)n;
	if (n == CHANNEL_FAILED)
		return EXCHANGE_FAILED;
	return exchange_complete(ex) ? EXCHANGE_DONE : EXCHANGE_DROPPED;
}

enum exchange_result exchange_step(struct exchange *ex, short revents)
{
	bool gave_up = ex->error != 0;

	send_some(ex);
	if ((revents & (POLLIN | POLLHUP | POLLERR)) || exchange_pending(ex))
		return receive(ex);
	/* A connection may outlive the error (ENOBUFS, ENOMEM): its end would be waited for in vain. */
	return gave_up && (revents & POLLOUT) ? EXCHANGE_DROPPED : EXCHANGE_GOES_ON;
}

void exchange_describe_end(const struct exchange *ex, const char *where, char *text, size_t cap)
{
	if (ex->error == CHANNEL_FAILED)
		snprintf(text, cap, _("%s sent what TLS refuses (%s)"), where, channel_why(&ex->channel, ex->error));
	else if (ex->error == -EPIPE)
		snprintf(text, cap, _("%s ended the connection while it was sent to"), where);
	else if (ex->error)
		snprintf(text, cap, _("%s lost the connection (%s)"), where, channel_why(&ex->channel, ex->error));
	else
		snprintf(text, cap, _("%s ended the connection"), where);
}

static size_t add_hex(char *text, size_t cap, const uint8_t *bytes, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 4 < cap; i++)
		n += (size_t)snprintf(text + n, cap - n, " %02x", bytes[i]);
	return n;
}

void exchange_describe_damage(const struct exchange *ex, char *text, size_t cap)
{
	char sent[EXCHANGE_SHOWN * 3 + 4] = "", came[EXCHANGE_SHOWN * 3 + 4] = "";

	add_hex(sent, sizeof(sent), ex->damage.sent, ex->damage.sent_len);
	add_hex(came, sizeof(came), ex->damage.came, ex->damage.came_len);
	if (*sent)
		snprintf(text, cap, _("at offset %llu sent%s, came%s"), (unsigned long long)ex->echoed, sent, came);
	else
		snprintf(text, cap, _("at offset %llu sent nothing, came%s"), (unsigned long long)ex->echoed, came);
}

const char *exchange_advise(const struct exchange *ex)
{
	static const uint8_t alert[] = {21, 3}; /* of a TLS server that was spoken to without (RFC 8446, 5.1) */
	static const uint8_t greeting[] = {'2', '2', '0'};

	if (!ex->channel.tls && ex->echoed == 0 && ex->damage.came_len >= sizeof(alert) &&
	    memcmp(ex->damage.came, alert, sizeof(alert)) == 0)
		return _("it speaks TLS, so say tls: or raw+tls:");
	if (ex->echoed == 0 && ex->damage.came_len >= sizeof(greeting) &&
	    memcmp(ex->damage.came, greeting, sizeof(greeting)) == 0)
		return _("it greets as a server with logins does, so leave the raw out");
	return _("what lies on the way changes bytes");
}
