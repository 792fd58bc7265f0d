//! Close-ups of materials, made of noise.

use super::colour::{Named, Rgb, blend, distinct, shade};
use super::draws::Draws;
use super::noise::{ValueNoise, smooth};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Marble,
    Wood,
    Clouds,
    Sand,
    Lichen,
}

/// A close-up of a material.
#[derive(Debug, Clone)]
pub(super) struct Texture {
    kind: Kind,
    /// Lattice cells along the shorter side.
    scale: f32,
    colours: [Named; 2],
    noise: ValueNoise,
}

impl Texture {
    pub(super) fn new(draws: &mut Draws) -> Self {
        Self {
            kind: draws.pick(&[Kind::Marble, Kind::Wood, Kind::Clouds, Kind::Sand, Kind::Lichen]),
            scale: draws.between(2.0, 6.0),
            colours: distinct(draws),
            noise: ValueNoise::new(draws.bits()),
        }
    }

    pub(super) fn caption(&self) -> String {
        let [first, second] = self.colours.map(|colour| colour.name);
        match self.kind {
            Kind::Marble => format!("{first} marble with {second} veins, stone texture close up"),
            Kind::Wood => format!("{first} painted wood with {second} grain"),
            Kind::Clouds => format!("soft {first} clouds in a {second} sky"),
            Kind::Sand => format!("coarse {first} sand mixed with {second} grains"),
            Kind::Lichen => format!("{first} lichen on {second} rock, seen from above"),
        }
    }

    pub(super) fn at(&self, x: f32, y: f32) -> Rgb {
        let (x, y) = (x * self.scale, y * self.scale);
        let [first, second] = self.colours.map(|colour| colour.rgb);
        let grain = self.noise.fractal(x * 40.0, y * 40.0, 2);
        let share = match self.kind {
            Kind::Marble => {
                let bend = x + y * 0.5 + 4.0 * self.noise.fractal(x, y, 5);
                let distance_to_vein = (bend - bend.floor() - 0.5).abs();
                1.0 - smooth(distance_to_vein * 6.0)
            }
            Kind::Wood => {
                let rings = 6.0 * (y + 0.6 * self.noise.fractal(x * 0.3, y * 2.0, 3));
                0.7 * (rings - rings.floor())
            }
            Kind::Clouds => smooth(2.2 * self.noise.fractal(x, y, 6) - 0.6),
            Kind::Sand => smooth(3.0 * grain - 1.2),
            Kind::Lichen => smooth(8.0 * (self.noise.fractal(x, y, 4) - 0.5) + 0.5),
        };
        shade(blend(first, second, share), 0.88 + 0.24 * grain)
    }
}
