/* Shows what is said on a connection (--trace), a line each: C: for the client, S: for the server. */
#ifndef ECHOC_TRACE_H
#define ECHOC_TRACE_H

#include <stddef.h>
#include <stdio.h>

enum trace_way { TRACE_SENT, TRACE_CAME };

/* How much of a line of the dialogue comes before a password or a token; all of its len bytes where there is none. */
size_t trace_secret_at(const char *line, size_t len);

/* A line of the dialogue of len bytes, without its end; a password or a token in it is masked. */
void trace_line(FILE *to, enum trace_way, const char *line, size_t len);
/* A piece of the echoed stream, as one send(2) or recv(2) moved it: its length, and its beginning. */
void trace_bytes(FILE *to, enum trace_way, const void *data, size_t len);
/* Something else that one of them did, in words. */
void trace_note(FILE *to, enum trace_way, const char *what);

#endif
