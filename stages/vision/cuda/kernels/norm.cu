// LayerNorm, and the residual addition before it (spec sections 2 to 4). Numbers are float32 whatever the elements' type.
#include "machine.cuh"

// Values a lane holds: four of every 128 of a row, so rows are at most 2048 wide.
constexpr int GROUPS = 16;

// For each row, one warp: x += y if y is given, then out = (x - mean) / sqrt(variance + eps) * weight + bias.
// x, y, out: [rows, width], a width that is a multiple of 4.
template <typename T>
__device__ void add_norm(float *x, const T *y, const float *weight, const float *bias, float eps, T *out, int rows,
                         int width) {
    const int row = static_cast<int>(blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP);
    const int lane = static_cast<int>(threadIdx.x) % WARP;
    if (row >= rows) {
        return;
    }
    const long long start = static_cast<long long>(row) * width;
    float values[GROUPS][4];
    float sum = 0.0f;
#pragma unroll
    for (int group = 0; group < GROUPS; group++) {
        const int column = (group * WARP + lane) * 4;
        if (column < width) {
            Four<float> *own = reinterpret_cast<Four<float> *>(x + start + column);
            Four<float> four = *own;
            if (y != nullptr) {
                const Four<T> added = *reinterpret_cast<const Four<T> *>(y + start + column);
                for (int i = 0; i < 4; i++) {
                    four.values[i] += to_float(added.values[i]);
                }
                *own = four;
            }
            for (int i = 0; i < 4; i++) {
                values[group][i] = four.values[i];
                sum += four.values[i];
            }
        }
    }
    const float mean = warp_sum(sum) / static_cast<float>(width);
    float squares = 0.0f;
#pragma unroll
    for (int group = 0; group < GROUPS; group++) {
        if ((group * WARP + lane) * 4 < width) {
            for (int i = 0; i < 4; i++) {
                const float apart = values[group][i] - mean;
                squares = fmaf(apart, apart, squares);
            }
        }
    }
    const float scale = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(width) + eps);
#pragma unroll
    for (int group = 0; group < GROUPS; group++) {
        const int column = (group * WARP + lane) * 4;
        if (column < width) {
            const Four<float> weights = *reinterpret_cast<const Four<float> *>(weight + column);
            const Four<float> biases = *reinterpret_cast<const Four<float> *>(bias + column);
            Four<T> four;
            for (int i = 0; i < 4; i++) {
                const float unit = (values[group][i] - mean) * scale;
                four.values[i] = from_float<T>(fmaf(unit, weights.values[i], biases.values[i]));
            }
            *reinterpret_cast<Four<T> *>(out + start + column) = four;
        }
    }
}

#define KERNELS(T, name)                                                                                               \
    extern "C" __global__ void __launch_bounds__(256)                                                                  \
        add_norm_##name(float *x, const T *y, const float *weight, const float *bias, float eps, T *out, int rows,     \
                        int width) {                                                                                   \
        add_norm<T>(x, y, weight, bias, eps, out, rows, width);                                                        \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
KERNELS(f16, f16)
