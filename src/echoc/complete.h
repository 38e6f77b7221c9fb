/* Completion of the commands of a talk, for libedit. */
#ifndef ECHOC_COMPLETE_H
#define ECHOC_COMPLETE_H

#include <histedit.h>

/*
 * A function of libedit's (EL_ADDFN), whose EL_CLIENTDATA is the struct input: goes on with the command that the line
 * begins with, or lists those that it may be. In other text it is a tab.
 */
unsigned char complete_command(EditLine *, int key);

#endif
