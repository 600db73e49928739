/* What the command's exit status says. The manual pages print this table (commands.c). */
#ifndef CLI_EXIT_CODE_H
#define CLI_EXIT_CODE_H

enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILED = 1,	 /* it was tried and did not work; stderr says why */
	EXIT_CODE_USAGE = 2,	 /* unknown command, option or argument */
	EXIT_CODE_NOT_FOUND = 3, /* no such host, VM or life; or several hosts and none named */
	EXIT_CODE_INVALID =
		4, /* the host file, what --kernel and its options name, or an image, is not right */
	EXIT_CODE_TIMEOUT = 5,	 /* the host did not answer in time */
	EXIT_CODE_REFUSED = 6,	 /* the host answered that it cannot do this now */
	EXIT_CODE_UNTRUSTED = 7, /* a report is not what was asked for */
};

#endif
