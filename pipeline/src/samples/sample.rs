//! One sample: where it is served, what it says, what is wrong with it.

use image::ImageResult;

use super::draws::{Draws, draw};
use super::encoding::Encoding;
use super::scene::Scene;

/// The key of every draw of the set. Another one is another set.
const SET_KEY: u64 = 0x1a71_7a11;

/// What is wrong with a sample, or odd about how it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mishap {
    /// The server answers 404.
    Missing,
    /// A JPEG of which only the first half comes.
    Truncated,
    /// A web page under the name of a picture, with status 200.
    WebPage,
    /// A body of no bytes.
    Empty,
    /// A body of the right length, all zeros.
    Zeroed,
    /// The first request is answered with 500; later ones with the picture.
    FailsOnce,
    /// The server redirects to where the picture is now.
    Moved,
}

impl Mishap {
    /// The mishap of sample `index`: two oddities at the start of the set, then six broken samples in every 64.
    const fn of(index: usize) -> Option<Self> {
        match (index, index % 64) {
            (1, _) => Some(Self::FailsOnce),
            (2, _) => Some(Self::Moved),
            (_, 7 | 23) => Some(Self::Missing),
            (_, 19) => Some(Self::Truncated),
            (_, 31) => Some(Self::WebPage),
            (_, 43) => Some(Self::Empty),
            (_, 55) => Some(Self::Zeroed),
            _ => None,
        }
    }

    /// Whether a client that retries and follows redirects gets the picture in the end.
    #[must_use]
    pub const fn is_overcome(self) -> bool {
        matches!(self, Self::FailsOnce | Self::Moved)
    }
}

/// One captioned picture of the set. It holds no pixels: they are drawn when asked for.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The path of its URL, with the leading slash.
    pub path: String,
    /// What the picture shows.
    pub caption: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The kind of file.
    pub encoding: Encoding,
    /// What is wrong with it, if anything is.
    pub mishap: Option<Mishap>,
    /// The row's key, as LAION's `hash` column has it.
    pub hash: i64,
    scene: Scene,
}

impl Sample {
    /// Sample `index` of the set.
    pub(super) fn new(index: usize) -> Self {
        let key = draw(SET_KEY, index as u64);
        let mut draws = Draws::new(key);
        let (width, height) = size(&mut draws);
        let mishap = Mishap::of(index);
        let encoding = match mishap {
            Some(Mishap::Truncated | Mishap::WebPage) => Encoding::Jpeg(85),
            _ => Encoding::of(index),
        };
        let scene = Scene::of(index, &mut draws);
        Self {
            path: format!("/pictures/{index:06}.{}", encoding.extension()),
            caption: encoding.print().map_or_else(
                || scene.caption(),
                |print| format!("{print}: {}", scene.caption()),
            ),
            width,
            height,
            encoding,
            mishap,
            hash: key.cast_signed(),
            scene,
        }
    }

    /// Whether a client that retries and follows redirects gets a whole picture.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.mishap.is_none_or(Mishap::is_overcome)
    }

    /// Draws the picture and writes its file: up to some tens of milliseconds of work.
    pub(super) fn file(&self) -> ImageResult<Vec<u8>> {
        self.encoding.encode(self.scene.paint(self.width, self.height))
    }
}

/// Width and height, 64 to 800 pixels a side, most of them small, in the shapes that the web has.
fn size(draws: &mut Draws) -> (u32, u32) {
    let (across, down) = draws.pick(&[
        (1, 1),
        (4, 3),
        (4, 3),
        (3, 2),
        (3, 4),
        (2, 3),
        (16, 9),
        (9, 16),
        (21, 9),
        (3, 10),
    ]);
    let longest = draws.between(0.0, 1.0);
    let longest = 96.0 + 704.0 * longest * longest;
    let side = |part: u32| ((longest * part as f32 / across.max(down) as f32) as u32).clamp(64, 800);
    (side(across), side(down))
}
