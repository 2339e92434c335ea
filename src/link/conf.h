/* /etc/pillion.conf, a site's settings: the hook reads the file, and hands it to the engine in this form. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_LINK_CONF_H
#define PILLION_LINK_CONF_H

#include <stddef.h>

#define CONF_PATH  "/etc/pillion.conf"
#define CONF_FORCE "force "

enum { CONF_MAX = 64 * 1024 };

/* Why nothing of the file counts. */
enum conf_fault {
    CONF_FINE, /* or there is none */
    CONF_LINK,
    CONF_NO_FILE, /* a folder, a FIFO, a device */
    CONF_TOO_LARGE,
    CONF_ANOTHERS, /* not root's */
    CONF_WRITABLE, /* by others than its owner */
    CONF_NO_TEXT,
    CONF_UNREADABLE,
};

struct conf {
    /* One after the other, each ended by NUL, a line for each of the file: "NAME=value", "force NAME=value", "" in
     * place of a comment. No blanks around a name or a value. What is no setting stands as it is. */
    const char     *lines;
    size_t          size;
    enum conf_fault fault;
    int             error; /* of CONF_UNREADABLE: -errno */
};

#endif
