/* What echoc's exit status says. */
#ifndef ECHOC_STATUS_H
#define ECHOC_STATUS_H

#define ECHOC "echoc" /* the name that its sentences begin with */

enum status {
	STATUS_FINE = 0,
	STATUS_LOST = 1,         /* it ran, but bytes were lost or damaged */
	STATUS_USAGE = 2,        /* the command line, or no way to get at a password */
	STATUS_UNREACHABLE = 3,  /* no connection, or 421 and 451 to the end */
	STATUS_REFUSED = 4,      /* login or registration */
	STATUS_NO_SECRET = 5,    /* TLS failed, the server is not trusted, or no secret may travel on this path */
	STATUS_NOT_PROTOCOL = 6, /* no greeting, or something else speaks there */
};

#endif
