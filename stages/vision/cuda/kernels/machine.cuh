// What the kernels ask of the machine: the types of elements, sums over a warp, and tensor-core products. Compiled by
// anything but nvcc, the same names come from emulation.h, which runs the kernels on a CPU (src/emulated).
#pragma once

constexpr int WARP = 32;

struct bf16 {
    unsigned short bits;
};
struct f16 {
    unsigned short bits;
};

#ifdef __CUDACC__

#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]

__device__ inline float to_float(float value) {
    return value;
}
__device__ inline float to_float(bf16 value) {
    return __uint_as_float(static_cast<unsigned>(value.bits) << 16);
}
__device__ inline float to_float(f16 value) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
    return wide;
}

// To the nearest, ties to even.
template <typename T> __device__ T from_float(float value);
template <> __device__ inline float from_float<float>(float value) {
    return value;
}
template <> __device__ inline bf16 from_float<bf16>(float value) {
    bf16 narrow;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(value));
    return narrow;
}
template <> __device__ inline f16 from_float<f16>(float value) {
    f16 narrow;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(value));
    return narrow;
}

// The value of the lane whose number differs in these bits.
__device__ inline float from_lane_xor(float value, int bits) {
    return __shfl_xor_sync(0xffffffffu, value, bits);
}

// D[16, 8] += A[16, 16] B[16, 8], fragments as the PTX manual lays them out for mma.m16n8k16: lane 4 g + t holds
//   a: A[g][2t..], A[g + 8][2t..], A[g][2t + 8..], A[g + 8][2t + 8..], two elements each
//   b: B[2t..][g], B[2t + 8..][g], two elements each
//   d: D[g][2t], D[g][2t + 1], D[g + 8][2t], D[g + 8][2t + 1]
__device__ inline void multiply_add(float (&d)[4], const unsigned (&a)[4], const unsigned b0, const unsigned b1, bf16) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ inline void multiply_add(float (&d)[4], const unsigned (&a)[4], const unsigned b0, const unsigned b1, f16) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8 x 8 matrices of 16-bit elements from shared memory: lane l gives the address of row l % 8 of matrix l / 8, and
// lane 4 g + t gets elements 2t, 2t + 1 of row g of each; transposed, elements g of rows 2t and 2t + 1.
__device__ inline void load_matrices(unsigned (&r)[4], const void *row) {
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}
__device__ inline void load_matrices_transposed(unsigned (&r)[4], const void *row) {
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

// 16 bytes from global to shared memory, or 16 zeros, without waiting.
__device__ inline void copy_16_bytes(void *shared, const void *global, bool zeros) {
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    const int bytes = zeros ? 0 : 16;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes) : "memory");
}
// Waits for this thread's copies.
__device__ inline void finish_copies() {
    asm volatile("cp.async.wait_all;" ::: "memory");
}

#else
#include "emulation.h"
#endif

// Two neighbouring elements in one register, the first in the lower half.
template <typename T> __device__ inline unsigned pair_of(float first, float second) {
    return static_cast<unsigned>(from_float<T>(first).bits) |
           static_cast<unsigned>(from_float<T>(second).bits) << 16;
}

// Four neighbouring elements, of an address that is a multiple of their size together.
template <typename T> struct alignas(4 * sizeof(T)) Four {
    T values[4];
};

// Over a warp, in this order: halves, quarters, eighths, .. of the lanes.
__device__ inline float warp_sum(float value) {
    for (int bits = WARP / 2; bits > 0; bits /= 2) {
        value += from_lane_xor(value, bits);
    }
    return value;
}
__device__ inline float warp_max(float value) {
    for (int bits = WARP / 2; bits > 0; bits /= 2) {
        value = fmaxf(value, from_lane_xor(value, bits));
    }
    return value;
}
