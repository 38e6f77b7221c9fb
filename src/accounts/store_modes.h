/* Who else may reach the accounts' file. Only store.c includes this. */
#ifndef ACCOUNTS_STORE_MODES_H
#define ACCOUNTS_STORE_MODES_H

#include "store.h"

/* As store_modes, for the absolute path. Writes into path, and restores it. */
enum store_modes store_modes_of(char *path, char why[STORE_WHY_MAX]);

#endif
