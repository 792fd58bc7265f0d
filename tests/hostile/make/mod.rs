//! Files that mean harm, made from nothing, a module a format, and good pictures to lay beside them.

pub mod bmp;
pub mod gif;
pub mod jpeg;
pub mod png;
pub mod tiff;
pub mod webp;
mod zeros;

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// A small picture that nobody could object to, another for each number.
pub fn good_picture(number: usize) -> Vec<u8> {
    let shift = number as u32 * 29;
    let picture = RgbImage::from_fn(160 + shift, 120, |x, y| {
        Rgb([
            (x + shift) as u8,
            (y * 2) as u8,
            (x * y / (number as u32 + 1)) as u8,
        ])
    });
    let format = [ImageFormat::Png, ImageFormat::Jpeg][number % 2];
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}
