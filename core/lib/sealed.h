/*
 * SEALED marks a variable that is constant once a life has begun: it is mapped read-only before the life's other harts
 * come, together with the tables of constants that the loader relocated. A store to it afterwards is a trap.
 */
#ifndef CORE_LIB_SEALED_H
#define CORE_LIB_SEALED_H

#define SEALED __attribute__((section(".data.sealed")))

#endif
