//! Pixels to discrete visual ids: the seam every backend implements, its config, checkpoints and selection noise.
