/* The style sheet of a report's page. */
#ifndef ECHOC_REPORT_STYLE_H
#define ECHOC_REPORT_STYLE_H

extern const char report_style[];

#endif
