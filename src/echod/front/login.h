/* The login stage: the dialogue of wire/dialogue.h over a stream, with the keeper's verdicts. Then echo, or closing. */
#ifndef FRONT_LOGIN_H
#define FRONT_LOGIN_H

#include "connection.h"

/* Takes a new connection over and greets. */
void login_begin(struct connection *);
/* The server goes: 421. */
void login_drain(struct connection *);
/* For closing: wipes and frees what the stage keeps for the connection; harmless where it keeps nothing. */
void login_forget(struct connection *);

#endif
