/* Between the parts of the control server: stream and queue (control.c), requests (requests.c), events (events.c). */
#ifndef CORE_CONTROL_SERVER_H
#define CORE_CONTROL_SERVER_H

#include "abi/control.h"
#include "core/estate/txn.h"

struct vm;

/* A request that has passed the checks of its table entry, and the reply that it gets. */
struct control_request {
	struct txn *t;	   /* of the calling hart */
	struct vm *vm;	   /* that it is about, where the table says so */
	const u8 *payload; /* `bytes` of them */
	size_t bytes;
	u8 *reply; /* room for CTL_PAYLOAD_MAX */
	size_t reply_bytes;
	bool silent; /* no reply */
	bool lengthy; /* it took its time: the guest of this hart is to have a turn before the next (control_turn) */
};

/* What a request may look like, by its type. Without `run` there is none of that type. Tests make all of them. */
struct control_operation {
	int (*run)(struct control_request *r);
	u16 least, most; /* bytes of its payload */
	bool vm;	 /* is about a VM */
	bool silent;	 /* not even errors are told */
};

extern const struct control_operation control_operations[];
extern const unsigned control_operation_count;

/* Carries out a request. The status of its reply; *silent: it has none. */
int control_request(struct control_request *r, const struct ctl_header *header);

/* Fills what CTL_HELLO and CTL_EVENT_LIFE say, and CTL_PS and CTL_EVENT_VM. */
void control_describe_host(struct ctl_host *host);
void control_describe_vm(const struct vm *vm, struct ctl_vm *info);

/* Bytes that the output queue has room for. */
size_t control_room(void);

/* Queues a frame: an event if `header` has tag 0. The caller has seen to it that there is room. */
void control_send(struct ctl_header *header, const void *payload, size_t bytes);

/* The machine goes off when the replies are out, or soon. */
void control_poweroff(void);

/* The requests of a live update (update.c). */
int update_begin(struct control_request *r);
int update_write(struct control_request *r);
int update_check(struct control_request *r);
int update_commit(struct control_request *r);

/* Ends this life for an update that was committed, if its reply is out or has had the time for it. */
void update_if_due(bool replies_are_out);

/* True from the commit on. */
bool update_is_due(void);

/* Forgets what was committed: this life begins. */
void update_init(void);

/* Takes the present state for told; begins with all console output that is not acknowledged. */
void events_init(void);

/* Somebody new is listening: console output begins again where it is acknowledged. */
void events_rewind(void);

/* The other end has the VM's console output below `offset`. */
int events_acknowledged(struct vm *vm, u64 offset);

/* Queues what there is to tell and room for. True if it queued something. */
bool events_queue(void);

/* Ticks at which something is to be sent again if it is not acknowledged before; ~0: nothing is on its way. */
u64 events_next(void);

#endif
