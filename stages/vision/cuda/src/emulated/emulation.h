// The kernels on a CPU, for tests: what machine.cuh takes from nvcc and the GPU, said in plain C++.
//
// A block's threads are fibers that run one after another until they wait for each other, so that a launch is
// deterministic; in a second order (emulated_reversed) what depends on who comes first shows. Exchanges within a warp
// and tensor-core products follow the PTX manual: they go through a place for each lane, and the lanes meet twice.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

using std::fmaf;
using std::isfinite;

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define DYNAMIC_SHARED(name) unsigned char *name = emulated::dynamic_shared

struct Place3 {
    unsigned x, y, z;
};

namespace emulated {
extern Place3 thread, block, threads, blocks;
extern unsigned char *dynamic_shared;
// Where the lanes of the running fiber's warp leave what others take: 64 bytes a lane.
extern unsigned char (*exchange)[64];
unsigned lane();
void meet_warp();
void meet_block();
} // namespace emulated

#define threadIdx emulated::thread
#define blockIdx emulated::block
#define blockDim emulated::threads
#define gridDim emulated::blocks

inline void __syncthreads() {
    emulated::meet_block();
}
inline void __syncwarp() {
    emulated::meet_warp();
}
inline float __int_as_float(int bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline float to_float(float value) {
    return value;
}
inline float to_float(bf16 value) {
    return __int_as_float(static_cast<int>(static_cast<std::uint32_t>(value.bits) << 16));
}
inline float to_float(f16 value) {
    const float sign = value.bits >> 15 ? -1.0f : 1.0f;
    const int exponent = value.bits >> 10 & 31;
    const float fraction = static_cast<float>(value.bits & 1023);
    if (exponent == 31) {
        return sign * (fraction == 0.0f ? INFINITY : NAN);
    }
    return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024.0f, exponent - 25));
}

template <typename T> T from_float(float value);
template <> inline float from_float<float>(float value) {
    return value;
}
template <> inline bf16 from_float<bf16>(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if (std::isnan(value)) {
        return bf16{0x7fff};
    }
    bits += 0x7fff + (bits >> 16 & 1);
    return bf16{static_cast<unsigned short>(bits >> 16)};
}
template <> inline f16 from_float<f16>(float value) {
    const unsigned sign = std::signbit(value) ? 0x8000 : 0;
    const float size = std::fabs(value);
    if (std::isnan(value)) {
        return f16{0x7fff};
    }
    if (size == 0.0f) {
        return f16{static_cast<unsigned short>(sign)};
    }
    if (size >= 65520.0f) {
        return f16{static_cast<unsigned short>(sign | 0x7c00)};
    }
    // The distance of neighbours: 2^-24 among the subnormal, else 2^-10 of the power of two below.
    int exponent;
    std::frexp(size, &exponent);
    const int step = exponent - 11 < -24 ? -24 : exponent - 11;
    const unsigned steps = static_cast<unsigned>(std::nearbyint(std::ldexp(size, -step)));
    const unsigned bits = step == -24 && steps < 1024 ? steps : (static_cast<unsigned>(step + 24) << 10) + steps;
    return f16{static_cast<unsigned short>(sign | bits)};
}

// Every lane leaves a value; what the lane `from` left is returned.
template <typename V> V exchanged(const V &left, unsigned from) {
    V taken;
    std::memcpy(emulated::exchange[emulated::lane()], &left, sizeof left);
    emulated::meet_warp();
    std::memcpy(&taken, emulated::exchange[from], sizeof taken);
    emulated::meet_warp();
    return taken;
}

inline float from_lane_xor(float value, int bits) {
    return exchanged(value, emulated::lane() ^ static_cast<unsigned>(bits));
}

template <typename T> void multiply_add(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, T) {
    struct Fragments {
        unsigned a[4], b[2];
    } own = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
    std::memcpy(emulated::exchange[emulated::lane()], &own, sizeof own);
    emulated::meet_warp();
    const auto fragments = [](unsigned lane) {
        Fragments left;
        std::memcpy(&left, emulated::exchange[lane], sizeof left);
        return left;
    };
    const auto half = [](unsigned two, unsigned second) {
        return to_float(T{static_cast<unsigned short>(two >> (16 * second))});
    };
    const unsigned group = emulated::lane() / 4, pair = emulated::lane() % 4 * 2;
    for (unsigned part = 0; part < 4; part++) {
        const unsigned row = group + part / 2 * 8, column = pair + part % 2;
        for (unsigned k = 0; k < 16; k++) {
            const unsigned left = fragments(row % 8 * 4 + k % 8 / 2).a[row / 8 + k / 8 * 2];
            const unsigned right = fragments(column * 4 + k % 8 / 2).b[k / 8];
            d[part] = fmaf(half(left, k % 2), half(right, k % 2), d[part]);
        }
    }
    emulated::meet_warp();
}

inline unsigned short element(const void *row, unsigned column) {
    unsigned short bits;
    std::memcpy(&bits, static_cast<const unsigned char *>(row) + 2 * column, sizeof bits);
    return bits;
}
template <bool TRANSPOSED> void load_any_matrices(unsigned (&r)[4], const void *row) {
    std::memcpy(emulated::exchange[emulated::lane()], &row, sizeof row);
    emulated::meet_warp();
    const unsigned group = emulated::lane() / 4, pair = emulated::lane() % 4 * 2;
    for (unsigned matrix = 0; matrix < 4; matrix++) {
        unsigned halves[2];
        for (unsigned second = 0; second < 2; second++) {
            const unsigned from = matrix * 8 + (TRANSPOSED ? pair + second : group);
            const void *other;
            std::memcpy(&other, emulated::exchange[from], sizeof other);
            halves[second] = element(other, TRANSPOSED ? group : pair + second);
        }
        r[matrix] = halves[0] | halves[1] << 16;
    }
    emulated::meet_warp();
}
inline void load_matrices(unsigned (&r)[4], const void *row) {
    load_any_matrices<false>(r, row);
}
inline void load_matrices_transposed(unsigned (&r)[4], const void *row) {
    load_any_matrices<true>(r, row);
}

inline void copy_16_bytes(void *shared, const void *global, bool zeros) {
    if (zeros) {
        std::memset(shared, 0, 16);
    } else {
        std::memcpy(shared, global, 16);
    }
}
inline void finish_copies() {}
