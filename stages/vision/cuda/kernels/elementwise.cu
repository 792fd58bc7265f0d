// Activations, and rows taken by number.
#include "machine.cuh"

// Changes every one of the elements by itself, four at a time.
template <typename T, typename Function> __device__ void change_each(T *x, long long count, Function function) {
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    const long long first = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (long long at = first; at < count / 4; at += step) {
        Four<T> *place = reinterpret_cast<Four<T> *>(x) + at;
        Four<T> four = *place;
        for (int i = 0; i < 4; i++) {
            four.values[i] = from_float<T>(function(to_float(four.values[i])));
        }
        *place = four;
    }
    if (first < count % 4) {
        T *last = x + count / 4 * 4 + first;
        *last = from_float<T>(function(to_float(*last)));
    }
}

// The exact GELU.
__device__ inline float gelu(float value) {
    return 0.5f * value * (1.0f + erff(value * 0.70710678118654752440f));
}

// out[r] = x[places[r]] + y[places[r]], without y if there is none. x, y: [.., width], out: [rows, width].
template <typename T>
__device__ void take_rows(const float *x, const T *y, const int *places, float *out, int rows, int width) {
    const long long count = static_cast<long long>(rows) * width;
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long at = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; at < count; at += step) {
        const long long from = static_cast<long long>(places[at / width]) * width + at % width;
        out[at] = y == nullptr ? x[from] : x[from] + to_float(y[from]);
    }
}

#define KERNELS(T, name)                                                                                               \
    extern "C" __global__ void gelu_##name(T *x, long long count) {                                                    \
        change_each(x, count, [](float value) { return gelu(value); });                                                                                             \
    }                                                                                                                  \
    extern "C" __global__ void tanh_##name(T *x, long long count) {                                                    \
        change_each(x, count, [](float value) { return tanhf(value); });                                                                               \
    }                                                                                                                  \
    extern "C" __global__ void take_rows_##name(const float *x, const T *y, const int *places, float *out, int rows,   \
                                                int width) {                                                           \
        take_rows<T>(x, y, places, out, rows, width);                                                                  \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
KERNELS(f16, f16)
