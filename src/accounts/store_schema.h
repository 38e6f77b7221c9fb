/* The tables of the accounts' file, and how an older file gets those that it lacks. Only the store includes this. */
#ifndef ACCOUNTS_STORE_SCHEMA_H
#define ACCOUNTS_STORE_SCHEMA_H

#include <sqlite3.h>

#define STORE_APPLICATION_ID 0x6563686f /* "echo" */
/* 1: accounts. 2: tokens, and the number of accounts. */
#define STORE_SCHEMA_VERSION 2

/* All of it, for an empty database, with application id and version. */
const char *store_schema_sql(void);

/*
 * Brings a database of version 1 to STORE_SCHEMA_VERSION, in one transaction: whole or not at all, and once, however
 * many try it at a time. Returns SQLite's result; after an error db is only to be asked why, and closed.
 */
int store_schema_upgrade(sqlite3 *db);

#endif
