/* The schema of host files, printed: for people, for programs, and for the documentation. */
#ifndef CLI_SCHEMA_PRINT_H
#define CLI_SCHEMA_PRINT_H

#include <stdbool.h>

/* `outlive check --schema`. */
void schema_print_text(bool json);

/* The reference part of docs/host-file.md. */
void schema_print_markdown(void);

/* The KEYS section of outlive-host(5), mdoc. */
void schema_print_mdoc(void);

#endif
