#include "phase.h"

const char *const phase_keys[PHASES] = {"lookup", "tcp", "tls", "login", "echo"};
