//! Normalised pixels are those of the published preprocessing, to the last bit.

use img2tokens_vision::conformance::Golden;
use img2tokens_vision::normalise;

#[test]
fn pixel_values_equal_the_golden_ones() {
    for golden in Golden::both() {
        for sample in golden.samples() {
            let expected = sample.arrays.f32("pixel_values");
            assert_eq!(
                normalise::to_channels(&sample.picture.pixels),
                expected,
                "{}",
                sample.picture.key
            );
        }
    }
}
