// The kernels of the torch back end as C++, so that their arithmetic is tested without a card: a block is a loop over its
// threads between two barriers, and blocks follow each other.

#define DEVICE static inline
#define KERNEL(name) extern "C" void refute_##name(Arguments arguments)
#define SHARED
#define BARRIER
#define THREADS(t) for (int t = 0; t < WIDTH; t++)
#define BLOCK block

static thread_local long long block;

static inline int __clzll(long long x) { return __builtin_clzll((unsigned long long)x); }

#include "../../src/torch/tensor/fused/kernels.cu"

// Runs all blocks of a kernel.
extern "C" void run_blocks(void (*kernel)(Arguments), long long blocks, const Arguments *arguments) {
    for (block = 0; block < blocks; block++) kernel(*arguments);
}
