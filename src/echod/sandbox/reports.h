/* Where a sanitizer reports once no file can be opened: only a build with one has anything to do. */
#ifndef SANDBOX_REPORTS_H
#define SANDBOX_REPORTS_H

/* Called before the walls stand: reports go to standard error, and what they need of /proc is read now. */
void reports_keep_open(void);

#endif
