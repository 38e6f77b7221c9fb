/* The commands of the control socket: status, drain, reload, revoke NAME, penalties, penalties clear. */
#ifndef PARENT_COMMANDS_H
#define PARENT_COMMANDS_H

#include "control.h"

/* For control_open; arg is the struct run. */
void commands_obey(void *arg, struct control_client *, char *line);
void commands_gone(void *arg, struct control_client *);

#endif
