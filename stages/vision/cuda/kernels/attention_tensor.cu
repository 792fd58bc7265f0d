// Attention on tensor cores for heads up to HEAD wide, which scripts/build_kernels.sh defines: a module for each.
#include "attention.cuh"

// Six warps take the 17 times 16 rows of a picture of 257 tokens in three turns; two blocks share a multiprocessor,
// where its memory holds the keys and values of two.
#define BLOCKS (HEAD > 96 ? 1 : 2)
#define KERNEL(T, name, SMOOTHED)                                                                                      \
    extern "C" __global__ void __launch_bounds__(192, BLOCKS)                                                               \
        name(Attention attention, const T *q, const T *k, const T *v, T *out, int most_keys) {                         \
        attend<T, HEAD, SMOOTHED>(attention, q, k, v, out, most_keys);                                                 \
    }

#define JOIN(a, b, c) a##b##c
#define NAME(prefix, head, suffix) JOIN(prefix, head, suffix)

KERNEL(bf16, NAME(attend_, HEAD, _bf16), false)
KERNEL(f16, NAME(attend_, HEAD, _f16), false)
KERNEL(bf16, NAME(attend_smoothed_, HEAD, _bf16), true)
KERNEL(f16, NAME(attend_smoothed_, HEAD, _f16), true)
