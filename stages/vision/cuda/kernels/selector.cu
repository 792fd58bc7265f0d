// What the token selector has beside products (spec section 3), in float32.
#include "machine.cuh"

// Replaces the second half of every row of h [B, N, D] by its mean over the picture's N rows. A thread owns a column of
// a picture: blockIdx.y is the picture.
extern "C" __global__ void share_mean(float *h, int patches, int width) {
    const int half = width / 2;
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (column >= width - half) {
        return;
    }
    float *first = h + static_cast<long long>(blockIdx.y) * patches * width + half + column;
    float sum = 0.0f;
    for (int patch = 0; patch < patches; patch++) {
        sum += first[static_cast<long long>(patch) * width];
    }
    const float mean = sum / static_cast<float>(patches);
    for (int patch = 0; patch < patches; patch++) {
        first[static_cast<long long>(patch) * width] = mean;
    }
}

// The last layer and the log-softmax of its two outputs, one warp a row. h: [rows, width], weight: [2, width],
// bias: [2], out: [rows, 2].
extern "C" __global__ void log_probabilities(const float *h, const float *weight, const float *bias, float *out,
                                             int rows, int width) {
    const int row = static_cast<int>(blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP);
    const int lane = static_cast<int>(threadIdx.x) % WARP;
    if (row >= rows) {
        return;
    }
    const float *values = h + static_cast<long long>(row) * width;
    float keep = 0.0f;
    float drop = 0.0f;
    for (int column = lane; column < width; column += WARP) {
        keep = fmaf(values[column], weight[column], keep);
        drop = fmaf(values[column], weight[width + column], drop);
    }
    keep = warp_sum(keep) + bias[0];
    drop = warp_sum(drop) + bias[1];
    const float largest = fmaxf(keep, drop);
    const float log_sum = logf(expf(keep - largest) + expf(drop - largest));
    if (lane == 0) {
        out[2LL * row] = keep - largest - log_sum;
        out[2LL * row + 1] = drop - largest - log_sum;
    }
}
