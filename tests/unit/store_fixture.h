/* A folder of a test's own with a store in it, and what tests do with stores and their files. */
#ifndef UNIT_STORE_FIXTURE_H
#define UNIT_STORE_FIXTURE_H

#include <stddef.h>

#include "store.h"

struct place {
	char folder[256], path[300], other[300], why[STORE_WHY_MAX];
};

#define ON_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* *state becomes a struct place, and its folder is removed afterwards. */
int set_up(void **state);
int tear_down(void **state);
struct store *open_at(struct place *p, const char *path);
void refuses_to_open(struct place *p, const char *where, const char *word);
void run_sql(const char *path, const char *sql);
/* The first MiB of a file; the caller frees it. */
char *content_of(const char *path, size_t *len);
void put_content(const char *path, const void *bytes, size_t len);
/* Opening the file at p->path must fail, with word in the sentence, and leave each of its bytes. */
void refuses_and_leaves_alone(struct place *p, const char *word);
int count_files(const char *folder);

#endif
