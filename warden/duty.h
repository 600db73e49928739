/*
 * Whether there is an Outlive to look after: the image that the firmware is about to start decides. If it is none of
 * ours, or the machine lacks what the warden needs, the firmware is a plain OpenSBI and says why.
 */
#ifndef WARDEN_DUTY_H
#define WARDEN_DUTY_H

#include <sbi/sbi_types.h>

/* Decides, and adds the memory regions that the warden needs. Boot hart, before the domains are final. */
int duty_domains_init(void);

/* Keeps the pristine image, registers the SBI extension, prints the banner. Boot hart, before PMP is closed. */
int duty_begin(void);

/* True from duty_domains_init on if there is an Outlive to look after. */
bool duty_is_on(void);

/* The machine has been given away (native.h): this is a plain OpenSBI from now on. */
void duty_is_over(void);

/* A hart that HSM starts is about to leave for the supervisor. On that hart. */
void duty_hart_started(void);

/* A hart is about to be stopped by HSM or a system reset. On that hart. */
void duty_hart_stopped(void);

#endif
