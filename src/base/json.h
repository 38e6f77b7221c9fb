/*
 * Writes JSON (RFC 8259) piece by piece, on one line: the commas are its own. Keys are the caller's, plain ASCII; units
 * stand in them. What cannot be known is null, never NaN.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *f;
	bool follows; /* something stands before in this object or list */
};

/* A whole document, with its line's end. */
void json_begin(struct json *, FILE *);
void json_end(struct json *);

/* What stands in it; key is NULL within a list. */
void json_open(struct json *, const char *key);
void json_close(struct json *);
void json_open_list(struct json *, const char *key);
void json_close_list(struct json *);
void json_text(struct json *, const char *key, const char *text); /* NULL: null */
void json_count(struct json *, const char *key, uint64_t);
void json_count_or_null(struct json *, const char *key, bool known, uint64_t);
void json_integer(struct json *, const char *key, int64_t);
void json_real(struct json *, const char *key, double); /* six decimals; null unless it is finite */
void json_bool(struct json *, const char *key, bool);
void json_null(struct json *, const char *key);
/* RFC 3339, UTC, microseconds; null for 0. */
void json_wall(struct json *, const char *key, int64_t wall_us);

/* The bare values. What is not UTF-8 becomes U+FFFD, and what a terminal would act upon is escaped. */
void json_string(FILE *, const char *text);
void json_time(FILE *, int64_t wall_us);

#endif
