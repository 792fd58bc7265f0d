//! Colours that captions can name.

use super::draws::Draws;
use super::noise::mix;

/// A colour in linear arithmetic on sRGB values, each channel in `0.0..=1.0`.
pub(super) type Rgb = [f32; 3];

/// A colour and what it is called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Named {
    /// As captions write it.
    pub(super) name: &'static str,
    /// Its value.
    pub(super) rgb: Rgb,
}

const fn named(name: &'static str, red: u8, green: u8, blue: u8) -> Named {
    Named {
        name,
        rgb: [red as f32 / 255.0, green as f32 / 255.0, blue as f32 / 255.0],
    }
}

/// Colours far enough apart to tell one from another.
const NAMED: [Named; 12] = [
    named("red", 214, 40, 40),
    named("orange", 247, 127, 0),
    named("yellow", 252, 211, 61),
    named("green", 56, 142, 60),
    named("teal", 0, 128, 128),
    named("blue", 33, 90, 200),
    named("purple", 120, 60, 170),
    named("pink", 244, 143, 177),
    named("brown", 121, 85, 72),
    named("white", 250, 250, 250),
    named("grey", 128, 128, 128),
    named("black", 20, 20, 20),
];

/// `N` colours, no two the same.
pub(super) fn distinct<const N: usize>(draws: &mut Draws) -> [Named; N] {
    const { assert!(N <= NAMED.len()) };
    let mut left = NAMED;
    let mut free = NAMED.len();
    std::array::from_fn(|_| {
        let place = draws.below(free as u32) as usize;
        free -= 1;
        left.swap(place, free);
        left[free]
    })
}

/// From `a` (share 0) to `b` (share 1), channel by channel.
pub(super) fn blend(a: Rgb, b: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|channel| mix(a[channel], b[channel], share))
}

/// The colour under more (above 1) or less light.
pub(super) fn shade(colour: Rgb, light: f32) -> Rgb {
    colour.map(|channel| channel * light)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_colours_are_distinct() {
        for key in 0..100 {
            let colours: [Named; 4] = distinct(&mut Draws::new(key));
            for (place, colour) in colours.iter().enumerate() {
                assert!(!colours[place + 1..].contains(colour));
            }
        }
    }
}
