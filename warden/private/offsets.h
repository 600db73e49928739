/* Where switch.S finds things in struct private_vcpu (vcpu.h). */
#ifndef WARDEN_PRIVATE_OFFSETS_H
#define WARDEN_PRIVATE_OFFSETS_H

#define VCPU_X		 0
#define VCPU_PC		 256
#define VCPU_MSTATUS	 264
#define VCPU_CAUSE	 272
#define VCPU_VALUE	 280
#define VCPU_VALUE2	 288
#define VCPU_INSTRUCTION 296
#define VCPU_STACK	 304
#define VCPU_F		 312
#define VCPU_FCSR	 568
#define VCPU_VSTART	 576
#define VCPU_VCSR	 584
#define VCPU_VL		 592
#define VCPU_VTYPE	 600
#define VCPU_V		 608

#endif
