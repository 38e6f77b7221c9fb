#include "kernel_view.h"

#include <linux/tcp.h> /* whose tcp_info is longer than netinet's */
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

void kernel_view_read(struct kernel_view *v, int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return;
	v->known = true;
	v->retransmits = v->before + info.tcpi_total_retrans;
	if (info.tcpi_rtt == 0) /* nothing was measured yet on this one */
		return;
	v->rtt_us = info.tcpi_rtt;
	v->rttvar_us = info.tcpi_rttvar;
	v->min_known = len >= offsetof(struct tcp_info, tcpi_min_rtt) + sizeof(info.tcpi_min_rtt) &&
	               info.tcpi_min_rtt != UINT32_MAX;
	v->min_rtt_us = info.tcpi_min_rtt;
}

void kernel_view_next(struct kernel_view *v)
{
	v->before = v->retransmits;
}
