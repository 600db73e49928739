/*
 * The recorder: keeps the host's black box (core/blackbox/) on a disk, as machine.blackbox of the host file says.
 *
 * A life opens it step by step beside its guests' work: nothing waits for the disk. From then on the log follows, and
 * records are made of crashes that have none yet (the heir's first duty), and of VMs that are lost or stopped for an
 * error. A box that is not there, too small, or somebody else's is reported, and everything else goes on without it.
 *
 * One lock of its own, taken with any lock but those of the host's devices and the log held; whoever finds it taken leaves
 * the work to its holder.
 */
#ifndef CORE_RECORDER_RECORDER_H
#define CORE_RECORDER_RECORDER_H

#include "abi/control.h"
#include "abi/types.h"

/* Finds disk and memory. While a life starts, after the drivers and before anything that could make a record. */
void recorder_init(void);

/* Does what there is to do, bounded. From the harts' loops, after drivers_poll. */
void recorder_poll(void);

/* Ticks at which recorder_poll has something to do again although nothing happens; ~0: never. */
u64 recorder_next(void);

/* A record of something that is no crash of the host, with the end of the log. Any context but the recorder's own. */
void recorder_oops(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Before the machine goes off in order: all that waits is written, through a driver that is polled. */
void recorder_finish(void);

/*
 * This life ends and no heir will come: the record of its panic, and whatever waits, through a driver that is polled. Takes no
 * lock and no memory. Once: a second hart that dies waits for the first, and a hart that dies in here returns at once.
 */
void recorder_dying(const char *why);

/* True if nobody will come after this life to write down why it ended. */
bool recorder_is_last(void);

struct vm;

/* True if the VM may write to the black box, and there is one with room for that. */
bool recorder_takes_pmsg(const struct vm *vm);

/* True if the VM's share has room for this now; what exceeds it would be dropped, counted, and reported by a line. Any hart. */
bool recorder_pmsg_fits(const struct vm *vm, const void *bytes, u32 count);

/* Takes what the VM writes, in any pieces; lines get its name in front. Any hart, dev_lock held or not. */
void recorder_pmsg(const struct vm *vm, const void *bytes, u32 count);

/* Bytes of an operator's line. */
#define RECORDER_NOTE_MAX CTL_NOTE_MAX

/*
 * Takes a line of the operator's, without its end, to lie among those of the guests as "@operator: ..."; no VM has such a name.
 * Any hart. -ENODEV: there is no black box for it; -EINVAL: longer than RECORDER_NOTE_MAX, or empty; -EAGAIN: no room at the
 * moment, for the disk is slow.
 */
int recorder_note(const void *text, u32 bytes);

struct ctl_box;
struct ctl_box_record;
struct ctl_box_at;
struct ctl_log;

/* For the control channel. What there is; any hart, as all that follow. */
void recorder_status(struct ctl_box *box);

/* The first record with a number of at least `number`. -ENOENT: none. */
int recorder_find(u32 number, struct ctl_box_record *record);

/*
 * Text from at->offset on, at most `size` bytes; returns how many, with *head filled. -ENOENT: no such text; -EAGAIN: it is
 * being read; or what the disk says.
 */
int recorder_read(const struct ctl_box_at *at, struct ctl_log *head, void *to, u32 size);

struct blackbox_device;

/*
 * Takes disk `unit` away from its driver, resets it, and makes it `d`, polled, whose functions never say -EAGAIN. For the
 * dying. A negative errno if there is no such disk or it does not answer. In drivers/.
 */
int disk_polled(unsigned unit, struct blackbox_device *d);

#endif
