/* In place of warden/contract.h where the warden's portable files run on the host: no types of OpenSBI's here. */
#ifndef TESTS_PRIVATE_CONTRACT_H
#define TESTS_PRIVATE_CONTRACT_H

#include "abi/estate.h"
#include "abi/image.h"
#include "abi/layout.h"
#include "abi/pack.h"
#include "abi/private.h"
#include "abi/types.h"
#include "abi/warden.h"

#endif
