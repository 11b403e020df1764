// Threads of a block, in all kernels on a GPU.
#pragma once
#include "../target.h"

#ifndef GT_THREADS
#define GT_THREADS 128
#endif
