//! A scene: what a picture shows, at any size.

use image::RgbImage;

use super::colour::Rgb;
use super::draws::Draws;
use super::gradient::Gradient;
use super::landscape::Landscape;
use super::pattern::Pattern;
use super::shapes::Shapes;
use super::texture::Texture;

/// What a picture shows. A scene is a function of the plane: the origin is the picture's centre, its shorter side has
/// length 1, x goes right and y goes down.
#[derive(Debug, Clone)]
pub(super) enum Scene {
    Shapes(Shapes),
    Pattern(Pattern),
    Gradient(Gradient),
    Texture(Texture),
    Landscape(Landscape),
}

impl Scene {
    /// The scene of sample `index`: the kinds take turns, the rest is drawn.
    pub(super) fn of(index: usize, draws: &mut Draws) -> Self {
        match index % 5 {
            0 => Self::Shapes(Shapes::new(draws)),
            1 => Self::Landscape(Landscape::new(draws)),
            2 => Self::Pattern(Pattern::new(draws)),
            3 => Self::Texture(Texture::new(draws)),
            _ => Self::Gradient(Gradient::new(draws)),
        }
    }

    /// What it shows, in words.
    pub(super) fn caption(&self) -> String {
        match self {
            Self::Shapes(shapes) => shapes.caption(),
            Self::Pattern(pattern) => pattern.caption(),
            Self::Gradient(gradient) => gradient.caption(),
            Self::Texture(texture) => texture.caption(),
            Self::Landscape(landscape) => landscape.caption(),
        }
    }

    /// Its colour at a point.
    fn at(&self, x: f32, y: f32) -> Rgb {
        match self {
            Self::Shapes(shapes) => shapes.at(x, y),
            Self::Pattern(pattern) => pattern.at(x, y),
            Self::Gradient(gradient) => gradient.at(x, y),
            Self::Texture(texture) => texture.at(x, y),
            Self::Landscape(landscape) => landscape.at(x, y),
        }
    }

    /// Draws it.
    pub(super) fn paint(&self, width: u32, height: u32) -> RgbImage {
        let scale = width.min(height) as f32;
        let place = |pixel: u32, side: u32| (pixel as f32 + 0.5 - side as f32 * 0.5) / scale;
        RgbImage::from_fn(width, height, |column, row| {
            let colour = self.at(place(column, width), place(row, height));
            image::Rgb(colour.map(|channel| (channel.clamp(0.0, 1.0) * 255.0 + 0.5) as u8))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_shows_more_than_one_colour_at_any_size() {
        for index in 0..40 {
            let scene = Scene::of(index, &mut Draws::new(index as u64));
            for (width, height) in [(64, 64), (200, 64), (64, 130)] {
                let picture = scene.paint(width, height);
                let first = picture.get_pixel(0, 0);
                assert!(
                    picture.pixels().any(|pixel| pixel != first),
                    "{} at {width} x {height}",
                    scene.caption()
                );
            }
        }
    }
}
