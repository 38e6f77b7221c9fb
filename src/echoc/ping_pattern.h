/* What a probe consists of: its number and bytes that look random, so that none can stand for another. */
#ifndef ECHOC_PING_PATTERN_H
#define ECHOC_PING_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* Writes the len bytes from offset on of probe number seq. */
void ping_pattern_fill(uint64_t seq, size_t offset, uint8_t *bytes, size_t len);

#endif
