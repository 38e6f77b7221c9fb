/* The limits of the login dialogue, for both of its ends. PROTOCOL.md is the contract; this is its numbers. */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#define WIRE_PORT 7862 /* 7 (echo, RFC 862) and 862 */

#define WIRE_LINE_MAX         512 /* bytes of a line, with its LF or CRLF, in either direction */
#define WIRE_NAME_CHARS_MAX   64
#define WIRE_NAME_BYTES_MAX   256 /* 64 characters of at most 4 bytes */
#define WIRE_SECRET_BYTES_MIN 8   /* for a new account; NIST SP 800-63B asks for no less */
#define WIRE_SECRET_BYTES_MAX 256
#define WIRE_SECRET_LINE_MAX  (WIRE_LINE_MAX - 6) /* what `PASS ` and LF leave of a line */
#define WIRE_NAME_LINE_MAX    (WIRE_LINE_MAX - 6)
#define WIRE_TOKEN_CHARS      43 /* 256 bits of base64url */
#define WIRE_STRIKES_MAX      3  /* the third 500, 501, 503 or 530 ends the dialogue */
#define WIRE_USERS_MAX        10 /* USER lines a connection */

#endif
