#include "reports.h"

void reports_keep_open(void)
{
}
