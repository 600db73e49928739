/* The hypervisor's own files, which come with the command. */
#ifndef CLI_LIBRARY_H
#define CLI_LIBRARY_H

/*
 * FILE in $OUTLIVE_LIB; without that beside this program, or in ../lib/outlive of where it is installed. free() it; NULL if
 * it is nowhere.
 */
char *library_find(const char *file);

#endif
