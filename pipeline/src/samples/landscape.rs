//! Landscapes that pass for photographs at a glance: a sky with a sun or moon, ranges one behind another, a ground.

use super::colour::{Rgb, blend, shade};
use super::draws::Draws;
use super::noise::{ValueNoise, mix, smooth};

/// The light of an hour.
#[derive(Debug, Clone, Copy)]
struct Hour {
    name: &'static str,
    /// The sky at the top of the picture.
    zenith: Rgb,
    /// The sky above the ranges; far ranges fade into it.
    haze: Rgb,
    /// Sun or moon.
    disc: Rgb,
    /// How bright the land is.
    light: f32,
}

const HOURS: [Hour; 4] = [
    Hour {
        name: "at dawn",
        zenith: [0.45, 0.6, 0.85],
        haze: [0.98, 0.8, 0.7],
        disc: [1.0, 0.9, 0.75],
        light: 0.75,
    },
    Hour {
        name: "under a clear midday sky",
        zenith: [0.2, 0.45, 0.85],
        haze: [0.75, 0.87, 0.97],
        disc: [1.0, 1.0, 0.92],
        light: 1.0,
    },
    Hour {
        name: "at sunset",
        zenith: [0.3, 0.2, 0.45],
        haze: [0.98, 0.5, 0.25],
        disc: [1.0, 0.75, 0.35],
        light: 0.5,
    },
    Hour {
        name: "by moonlight",
        zenith: [0.02, 0.03, 0.1],
        haze: [0.12, 0.16, 0.3],
        disc: [0.92, 0.93, 0.88],
        light: 0.22,
    },
];

/// What the land is made of.
#[derive(Debug, Clone, Copy)]
struct Land {
    name: &'static str,
    colour: Rgb,
    /// How high the farthest range rises, in shorter sides.
    relief: f32,
    octaves: u32,
    /// Whether high ground is white.
    snow: bool,
}

const LANDS: [Land; 5] = [
    Land {
        name: "snowy mountains",
        colour: [0.35, 0.37, 0.42],
        relief: 0.5,
        octaves: 6,
        snow: true,
    },
    Land {
        name: "rolling green hills",
        colour: [0.3, 0.5, 0.2],
        relief: 0.22,
        octaves: 3,
        snow: false,
    },
    Land {
        name: "desert dunes",
        colour: [0.85, 0.65, 0.4],
        relief: 0.18,
        octaves: 2,
        snow: false,
    },
    Land {
        name: "rocky red canyons",
        colour: [0.65, 0.33, 0.2],
        relief: 0.35,
        octaves: 6,
        snow: false,
    },
    Land {
        name: "a calm sea with waves",
        colour: [0.1, 0.32, 0.45],
        relief: 0.03,
        octaves: 2,
        snow: false,
    },
];

/// Ranges from far to near.
const RANGES: u32 = 4;

/// A landscape at an hour of the day.
#[derive(Debug, Clone)]
pub(super) struct Landscape {
    hour: Hour,
    land: Land,
    /// The disc's place and radius.
    disc: [f32; 3],
    noise: ValueNoise,
}

impl Landscape {
    pub(super) fn new(draws: &mut Draws) -> Self {
        Self {
            hour: draws.pick(&HOURS),
            land: draws.pick(&LANDS),
            disc: [
                draws.between(-0.4, 0.4),
                draws.between(-0.4, -0.15),
                draws.between(0.04, 0.08),
            ],
            noise: ValueNoise::new(draws.bits()),
        }
    }

    pub(super) fn caption(&self) -> String {
        let [x, _, radius] = self.disc;
        let side = if x < 0.0 { "left" } else { "right" };
        let disc = if self.hour.light < 0.3 { "moon" } else { "sun" };
        let size = if radius > 0.06 { "large" } else { "small" };
        format!(
            "{} {}, a {size} {disc} on the {side}",
            self.land.name, self.hour.name
        )
    }

    pub(super) fn at(&self, x: f32, y: f32) -> Rgb {
        // The nearest range that covers the point hides the others.
        let covering = (0..RANGES).rev().find(|range| y > self.ridge(*range, x));
        covering.map_or_else(|| self.sky(x, y), |range| self.ground(range, x, y))
    }

    /// The height of a range's crest at x; range 0 is the farthest and the highest.
    fn ridge(&self, range: u32, x: f32) -> f32 {
        let nearness = range as f32 / RANGES as f32;
        let relief = self.land.relief * (1.0 - 0.6 * nearness);
        let height = self
            .noise
            .fractal(x * 2.5 + 17.0 * range as f32, range as f32, self.land.octaves);
        mix(0.1, 0.45, nearness) - relief * (height - 0.25)
    }

    fn ground(&self, range: u32, x: f32, y: f32) -> Rgb {
        let nearness = (range + 1) as f32 / RANGES as f32;
        let detail = self.noise.fractal(x * 14.0, (y - self.ridge(range, x)) * 40.0, 4);
        let bare = shade(self.land.colour, self.hour.light * (0.6 + 0.8 * detail));
        let above_snow_line = smooth((0.02 - y + 0.1 * detail) * 12.0);
        let snow = if self.land.snow { above_snow_line } else { 0.0 };
        let lit = blend(bare, shade([0.95, 0.96, 1.0], self.hour.light), snow);
        blend(self.hour.haze, lit, mix(0.35, 1.0, nearness))
    }

    fn sky(&self, x: f32, y: f32) -> Rgb {
        let clear = blend(self.hour.zenith, self.hour.haze, smooth(y + 0.6));
        let cloud = smooth(3.0 * self.noise.fractal(x * 2.0, y * 6.0, 5) - 1.6);
        let clouded = blend(clear, blend(self.hour.haze, self.hour.disc, 0.5), 0.7 * cloud);
        let [disc_x, disc_y, radius] = self.disc;
        let distance = ((x - disc_x) * (x - disc_x) + (y - disc_y) * (y - disc_y)).sqrt();
        let glow = 0.4 * (1.0 - smooth(distance * 3.0));
        let disc = 1.0 - smooth((distance - radius) * 60.0);
        blend(clouded, self.hour.disc, glow.max(disc))
    }
}
