/* What is read anew while the server runs: the log's file, and the certificate. */
#ifndef PARENT_RELOAD_H
#define PARENT_RELOAD_H

#include "document.h"
#include "run.h"

/*
 * Each all or nothing by itself: a certificate that is no good leaves the old one, and does not keep a log that was
 * rotated from being opened anew. Both say in the log how it went. The result is for who asked: {"reloaded": […]}, or
 * the first error.
 */
struct document reload_all(struct run *);

#endif
