// Pictures to the encoder's first tokens (spec sections 1 and 2).
#include "machine.cuh"

// Cuts B pictures [B, S, S, 3] of bytes into patches, [B * N, padded]: raster order, each patch as channels of rows,
// values by the table [3, 256] of what each level is after normalisation; zeros from 3 P^2 on.
template <typename T>
__device__ void cut_patches(const unsigned char *pixels, const float *levels, T *patches, int pictures, int side,
                            int patch, int padded) {
    const int grid = side / patch;
    const long long inputs = 3LL * patch * patch;
    const long long count = static_cast<long long>(pictures) * grid * grid * padded;
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long at = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; at < count; at += step) {
        const long long input = at % padded;
        const long long token = at / padded;
        if (input >= inputs) {
            patches[at] = from_float<T>(0.0f);
            continue;
        }
        const int channel = static_cast<int>(input / (patch * patch));
        const int row = static_cast<int>(input / patch % patch) + static_cast<int>(token / grid % grid) * patch;
        const int column = static_cast<int>(input % patch) + static_cast<int>(token % grid) * patch;
        const long long picture = token / (grid * grid);
        const unsigned char level = pixels[((picture * side + row) * side + column) * 3 + channel];
        patches[at] = from_float<T>(levels[channel * 256 + level]);
    }
}

// Puts the class token before each picture's embedded patches [B * N, D] and adds positions [1 + N, D]: [B, 1 + N, D].
template <typename T>
__device__ void embed(const T *patches, const float *class_token, const float *positions, float *x, int pictures,
                      int tokens, int width) {
    const long long count = static_cast<long long>(pictures) * tokens * width;
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long at = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; at < count; at += step) {
        const int column = static_cast<int>(at % width);
        const long long token = at / width % tokens;
        const long long picture = at / width / tokens;
        const float value = token == 0
                                ? class_token[column]
                                : to_float(patches[(picture * (tokens - 1) + token - 1) * width + column]);
        x[at] = value + positions[token * width + column];
    }
}

#define KERNELS(T, name)                                                                                               \
    extern "C" __global__ void cut_patches_##name(const unsigned char *pixels, const float *levels, T *patches,        \
                                                  int pictures, int side, int patch, int padded) {                     \
        cut_patches<T>(pixels, levels, patches, pictures, side, patch, padded);                                        \
    }                                                                                                                  \
    extern "C" __global__ void embed_##name(const T *patches, const float *class_token, const float *positions,        \
                                            float *x, int pictures, int tokens, int width) {                           \
        embed<T>(patches, class_token, positions, x, pictures, tokens, width);                                         \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
KERNELS(f16, f16)
