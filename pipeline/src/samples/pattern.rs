//! Regular patterns in two colours.

use super::colour::{Named, Rgb, distinct};
use super::draws::Draws;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Stripes(Direction),
    Checks,
    Dots,
    Circles,
    Zigzags,
}

/// A unit vector whose parts are exact or short decimals, so that no machine needs a sine.
#[derive(Debug, Clone, Copy)]
struct Direction {
    name: &'static str,
    x: f32,
    y: f32,
}

const DIRECTIONS: [Direction; 4] = [
    Direction {
        name: "vertical",
        x: 1.0,
        y: 0.0,
    },
    Direction {
        name: "horizontal",
        x: 0.0,
        y: 1.0,
    },
    Direction {
        name: "diagonal",
        x: 0.6,
        y: 0.8,
    },
    Direction {
        name: "slanting",
        x: 0.8,
        y: -0.6,
    },
];

/// A regular pattern in two colours.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    kind: Kind,
    /// Repeats along the shorter side.
    repeats: f32,
    colours: [Named; 2],
}

impl Pattern {
    pub(super) fn new(draws: &mut Draws) -> Self {
        let stripes = Kind::Stripes(draws.pick(&DIRECTIONS));
        let kind = draws.pick(&[
            stripes,
            stripes,
            Kind::Checks,
            Kind::Dots,
            Kind::Circles,
            Kind::Zigzags,
        ]);
        Self {
            kind,
            repeats: 3.0 + draws.below(12) as f32,
            colours: distinct(draws),
        }
    }

    pub(super) fn caption(&self) -> String {
        let [first, second] = self.colours.map(|colour| colour.name);
        let size = if self.repeats < 6.0 { "wide" } else { "narrow" };
        match self.kind {
            Kind::Stripes(direction) => format!("{size} {} stripes in {first} and {second}", direction.name),
            Kind::Checks if self.repeats < 6.0 => format!("a large {first} and {second} checkerboard"),
            Kind::Checks => format!("{first} and {second} gingham fabric with small checks"),
            Kind::Dots => format!("{first} polka dots on {second} paper, {} in a row", self.repeats),
            Kind::Circles => format!("{size} concentric circles, {first} and {second}, like a target"),
            Kind::Zigzags => format!("{size} zigzag pattern, {first} on {second}"),
        }
    }

    pub(super) fn at(&self, x: f32, y: f32) -> Rgb {
        let [first, second] = self.colours.map(|colour| colour.rgb);
        if self.is_first(x * self.repeats, y * self.repeats) {
            first
        } else {
            second
        }
    }

    /// Whether the first colour stands at a point, whose unit is one repeat.
    fn is_first(&self, x: f32, y: f32) -> bool {
        match self.kind {
            Kind::Stripes(direction) => fraction(x * direction.x + y * direction.y) < 0.5,
            Kind::Checks => (fraction(x) < 0.5) != (fraction(y) < 0.5),
            Kind::Dots => {
                let (x, y) = (fraction(x) - 0.5, fraction(y) - 0.5);
                x * x + y * y < 0.09
            }
            Kind::Circles => fraction((x * x + y * y).sqrt()) < 0.5,
            Kind::Zigzags => fraction(y + (fraction(x) - 0.5).abs()) < 0.5,
        }
    }
}

fn fraction(number: f32) -> f32 {
    number - number.floor()
}
