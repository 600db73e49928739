/* Error numbers: functions return them negated. The values are Linux's, as they cross the control channel. */
#ifndef CORE_LIB_ERRNO_H
#define CORE_LIB_ERRNO_H

#ifndef EPERM
#define EPERM	   1
#define ENOENT	   2
#define EIO	   5
#define ENXIO	   6
#define E2BIG	   7
#define EAGAIN	   11
#define ENOMEM	   12
#define EFAULT	   14
#define EBUSY	   16
#define EEXIST	   17
#define ENODEV	   19
#define EINVAL	   22
#define ENOSPC	   28
#define ERANGE	   34
#define ENOSYS	   38
#define ENODATA	   61
#define EPROTO	   71
#define EOPNOTSUPP 95
#define EALREADY   114
#endif

#endif
