//! One to three plain shapes on a plain ground.

use super::colour::{Named, Rgb, distinct};
use super::draws::Draws;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Circle,
    Square,
    Diamond,
    Triangle,
    Ring,
    Cross,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Circle,
        Self::Square,
        Self::Diamond,
        Self::Triangle,
        Self::Ring,
        Self::Cross,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Square => "square",
            Self::Diamond => "diamond",
            Self::Triangle => "triangle",
            Self::Ring => "ring",
            Self::Cross => "cross",
        }
    }

    /// Whether a shape of radius 1 around the origin covers the point.
    fn covers(self, x: f32, y: f32) -> bool {
        let (across, down) = (x.abs(), y.abs());
        let square = x * x + y * y;
        match self {
            Self::Circle => square < 1.0,
            Self::Square => across.max(down) < 0.85,
            Self::Diamond => across + down < 1.0,
            Self::Triangle => down < 0.9 && across < (y + 0.9) * 0.55,
            Self::Ring => (0.36..1.0).contains(&square),
            Self::Cross => across.min(down) < 0.3 && across.max(down) < 1.0,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    kind: Kind,
    colour: Named,
    x: f32,
    y: f32,
    radius: f32,
}

/// One to three plain shapes, side by side, on a plain ground.
#[derive(Debug, Clone)]
pub(super) struct Shapes {
    ground: Named,
    shapes: Vec<Shape>,
}

impl Shapes {
    pub(super) fn new(draws: &mut Draws) -> Self {
        let [ground, colours @ ..]: [Named; 4] = distinct(draws);
        let count = 1 + draws.below(3);
        // Each shape has a column of its own, so none hides another.
        let column = 1.0 / count as f32;
        let shapes = colours
            .iter()
            .take(count as usize)
            .enumerate()
            .map(|(place, colour)| Shape {
                kind: draws.pick(&Kind::ALL),
                colour: *colour,
                x: (place as f32 + 0.5) * column - 0.5,
                y: draws.between(-0.2, 0.2),
                radius: column * draws.between(0.3, 0.48) * if count == 1 { 0.6 } else { 1.0 },
            });
        let shapes = shapes.collect();
        Self { ground, shapes }
    }

    pub(super) fn caption(&self) -> String {
        let listed: Vec<String> = self
            .shapes
            .iter()
            .map(|shape| article(shape.colour.name, shape.kind.name()))
            .collect();
        format!(
            "{} on {} background",
            listed.join(" and "),
            article(self.ground.name, "").trim_end()
        )
    }

    pub(super) fn at(&self, x: f32, y: f32) -> Rgb {
        let covers = |shape: &&Shape| {
            shape
                .kind
                .covers((x - shape.x) / shape.radius, (y - shape.y) / shape.radius)
        };
        self.shapes
            .iter()
            .find(covers)
            .map_or(self.ground.rgb, |shape| shape.colour.rgb)
    }
}

fn article(colour: &str, noun: &str) -> String {
    let article = if colour.starts_with('o') { "an" } else { "a" };
    format!("{article} {colour} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_named_in_the_caption_shows() {
        for key in 0..50 {
            let shapes = Shapes::new(&mut Draws::new(key));
            for shape in &shapes.shapes {
                let shows = (0..40_000).any(|place| {
                    let (x, y) = (
                        (place % 200) as f32 / 200.0 - 0.5,
                        (place / 200) as f32 / 200.0 - 0.5,
                    );
                    shapes.at(x, y) == shape.colour.rgb
                });
                assert!(
                    shows && shapes.caption().contains(shape.colour.name),
                    "{}",
                    shapes.caption()
                );
            }
        }
    }
}
