/* The variables of the warden, which a life's end does not change. */
#ifndef TESTS_CONFIDENTIAL_KEPT_H
#define TESTS_CONFIDENTIAL_KEPT_H

void warden_kept_save(void);
void warden_kept_restore(void);

#endif
