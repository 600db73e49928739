/* The SBI extension of abi/warden.h. */
#ifndef WARDEN_CALL_H
#define WARDEN_CALL_H

/* Registers it. Boot hart. */
int call_init(void);

#endif
