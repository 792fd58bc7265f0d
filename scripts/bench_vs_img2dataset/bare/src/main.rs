//! Decodes JPEGs with libjpeg-turbo and resizes them to 224 x 224 with fast_image_resize's bicubic filter, on one thread
//! and with buffers that are used again; prints the CPU-ms an image of each as one JSON object. What cannot be decoded is
//! an error.
//!
//! usage: bare PASSES FILE..

use std::error::Error;
use std::time::{Duration, Instant};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use turbojpeg::{Decompressor, Image as Pixels, PixelFormat};

const SIDE: u32 = 224;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let passes: u32 = arguments.next().ok_or("usage: bare PASSES FILE..")?.parse()?;
    let files: Vec<Vec<u8>> = arguments.map(std::fs::read).collect::<Result<_, _>>()?;
    let (mut decompressor, mut resizer) = (Decompressor::new()?, Resizer::new());
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    let mut square = Image::new(SIDE, SIDE, PixelType::U8x3);
    let mut rgb = Vec::new();
    let (mut decoding, mut resizing) = (Duration::ZERO, Duration::ZERO);
    // The first pass only warms up.
    for pass in 0..=passes {
        for bytes in &files {
            let started = Instant::now();
            let header = decompressor.read_header(bytes)?;
            rgb.resize(header.width * header.height * 3, 0);
            decompressor.decompress(bytes, Pixels {
                pixels: rgb.as_mut_slice(),
                width: header.width,
                pitch: header.width * 3,
                height: header.height,
                format: PixelFormat::RGB,
            })?;
            let decoded = Instant::now();
            let source = ImageRef::new(header.width as u32, header.height as u32, &rgb, PixelType::U8x3)?;
            resizer.resize(&source, &mut square, &options)?;
            if pass > 0 {
                decoding += decoded - started;
                resizing += decoded.elapsed();
            }
        }
    }
    let images = f64::from(passes) * files.len() as f64;
    let ms = |time: Duration| 1000.0 * time.as_secs_f64() / images;
    println!(r#"{{"images": {images}, "decode_ms": {:.3}, "resize_ms": {:.3}}}"#, ms(decoding), ms(resizing));
    Ok(())
}
