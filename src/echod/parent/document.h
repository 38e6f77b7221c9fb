/* JSON (RFC 8259), as the control socket answers: one document, with a line's end. */
#ifndef PARENT_DOCUMENT_H
#define PARENT_DOCUMENT_H

#include <stddef.h>

#include "must.h"

/* What echoctl makes of an error: its exit status. */
enum document_status { DOCUMENT_FAILED = 1, DOCUMENT_UNREACHABLE = 3, DOCUMENT_ACCOUNT = 4 };

struct document {
	char *text; /* NULL: memory is out, and nobody can be answered */
	size_t len;
};

/* {"error": sentence, "status": …}; the caller frees the text. */
struct document document_error(enum document_status, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A document printed whole, without its line's end. */
struct document document_print(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
