//! AVIF: the primary image, or the first frame of a sequence that has no other.
//!
//! Container and AV1 are read by code in Rust alone, so that a panic in either stays a panic and nothing has to be
//! installed to build it. Rotation and mirroring are left as they are, as in Pillow; alpha is dropped.

use std::borrow::Cow;

use img2tokens_schemas::ImageFormat;
use rusty_av1d::{Decoder, Picture, Rav1dError, Settings};
use zenavif_parse::{AV1Metadata, AvifParser, ColorInformation, GridConfig};

use super::Raster;
use super::avif_boxes::Boxes;
use super::avif_cost::{self, Part, Units};
use super::yuv::{self, Coding};
use crate::ImageError;
use crate::limits::{Cost, Limits, zeros};

/// How often the decoder may ask for another turn before it gives a picture.
const MAX_TURNS: usize = 16;

/// What decoding takes.
pub(crate) fn examine(bytes: &[u8], limits: Limits) -> Result<Cost, ImageError> {
    let boxes = Boxes::read(bytes);
    let length = bytes.len() as u64;
    if boxes.extent_bytes > length || boxes.samples > length {
        return Err(corrupt("items or samples longer than the file together"));
    }
    let parsing = avif_cost::boxes(&boxes, length);
    // Before the parser is run: what it takes is told by the boxes alone.
    let cost = |(width, height), part: Part| Cost {
        width,
        height,
        bytes: part.bytes,
        nanoseconds: part.nanoseconds,
    };
    let figures = || {
        format!(
            "{} properties and {} references of items",
            boxes.associations, boxes.references
        )
    };
    limits.admit_work(cost((0, 0), parsing), figures)?;

    let file = AvifParser::from_bytes(whole_boxes(bytes)).map_err(refused)?;
    let (sides, part, frames) = if let Some(grid) = file.grid_config() {
        examine_grid(&file, grid, limits)?
    } else {
        let (sides, part, units) = examine_stream(&first_stream(&file)?, limits)?;
        (sides, part, units.frames)
    };
    let whole = Part {
        bytes: part.bytes + parsing.bytes,
        nanoseconds: part.nanoseconds.saturating_add(parsing.nanoseconds),
    };
    limits.admit(cost(sides, whole), || {
        let (width, height) = sides;
        format!("{frames} frames for {width} x {height} pixels")
    })
}

type Sides = (u32, u32);

/// Sides, cost and units of a stream.
fn examine_stream(data: &[u8], limits: Limits) -> Result<(Sides, Part, Units), ImageError> {
    let header = AV1Metadata::parse_av1_bitstream(data).map_err(refused)?;
    let (width, height) = sides(&header);
    limits.admit_sides(width, height)?;
    let units = Units::count(data);
    if units.changes {
        return Err(corrupt("a second sequence header that differs from the first"));
    }
    let part = avif_cost::stream(&header, units, data.len() as u64);
    Ok(((width, height), part, units))
}

/// The largest of the tiles beside the image, and all of them one after the other.
fn examine_grid(
    file: &AvifParser<'_>,
    grid: &GridConfig,
    limits: Limits,
) -> Result<(Sides, Part, u64), ImageError> {
    let (width, height) = (grid.output_width, grid.output_height);
    limits.admit_sides(width, height)?;
    let mut whole = Part::default();
    let mut frames = 0;
    for index in 0..usize::from(grid.rows) * usize::from(grid.columns) {
        let data = file.tile_data(index).map_err(refused)?;
        let header = AV1Metadata::parse_av1_bitstream(&data).map_err(refused)?;
        // Any number of tiles may name the same bytes: none is decoded that has no place in the image.
        if !fits(grid, sides(&header)) {
            return Err(corrupt("a tile of a size that does not make up the grid"));
        }
        let (_, part, units) = examine_stream(&data, limits.without_least_side())?;
        whole.bytes = whole.bytes.max(part.bytes);
        whole.nanoseconds = whole.nanoseconds.saturating_add(part.nanoseconds);
        frames += units.frames;
    }
    whole.bytes += u64::from(width) * u64::from(height) * 3;
    Ok(((width, height), whole, frames))
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Raster, ImageError> {
    let file = AvifParser::from_bytes(whole_boxes(bytes)).map_err(refused)?;
    match file.grid_config() {
        Some(grid) => decode_grid(&file, grid),
        None => decode_frame(&first_stream(&file)?, file.color_info()),
    }
}

/// The stream of the first frame of a sequence, or of the primary image.
fn first_stream<'a>(file: &'a AvifParser<'_>) -> Result<Cow<'a, [u8]>, ImageError> {
    let animated = file
        .animation_info()
        .is_some_and(|sequence| sequence.frame_count > 0);
    if animated {
        Ok(file.frame(0).map_err(refused)?.data)
    } else {
        file.primary_data().map_err(refused)
    }
}

/// The file up to the last box that is whole: what a server appends to it is no reason to refuse it.
fn whole_boxes(bytes: &[u8]) -> &[u8] {
    let mut end = 0;
    while let Some(head) = bytes.get(end..) {
        let length = match head.first_chunk().map(|length| u32::from_be_bytes(*length)) {
            // To the end of the file, or a length of 64 bits: the parser's to judge.
            Some(0 | 1) => return bytes,
            Some(length) => length as usize,
            None => break,
        };
        match end.checked_add(length) {
            Some(next) if next <= bytes.len() => end = next,
            _ => break,
        }
    }
    bytes.get(..end).unwrap_or_default()
}

fn decode_frame(data: &[u8], color: Option<&ColorInformation>) -> Result<Raster, ImageError> {
    let header = AV1Metadata::parse_av1_bitstream(data).map_err(refused)?;
    let picture = picture(data, &header).map_err(corrupt)?;
    let coding = match color {
        Some(ColorInformation::Nclx {
            matrix_coefficients,
            full_range,
            ..
        }) => Coding {
            matrix: *matrix_coefficients,
            full_range: *full_range,
        },
        _ => Coding::of_picture(&picture),
    };
    yuv::to_rgb(&picture, coding)
}

fn picture(data: &[u8], header: &AV1Metadata) -> Result<Picture, Rav1dError> {
    let mut settings = Settings::new();
    // The pool of the pipeline has a thread for every core already.
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    let pixels = header
        .max_frame_width
        .get()
        .saturating_mul(header.max_frame_height.get());
    settings.set_frame_size_limit(pixels);
    let mut decoder = Decoder::with_settings(&settings)?;
    let mut sent = decoder.send_data(data.into(), None, None, None);
    for _ in 0..MAX_TURNS {
        match sent {
            Ok(()) | Err(Rav1dError::TryAgain) => {}
            Err(error) => return Err(error),
        }
        match decoder.get_picture() {
            Err(Rav1dError::TryAgain) => sent = decoder.send_pending_data(),
            outcome => return outcome,
        }
    }
    Err(Rav1dError::TryAgain)
}

fn sides(header: &AV1Metadata) -> (u32, u32) {
    (header.max_frame_width.get(), header.max_frame_height.get())
}

/// Tiles, row by row, of one size; those at the right and the bottom reach beyond the image.
fn decode_grid(file: &AvifParser<'_>, grid: &GridConfig) -> Result<Raster, ImageError> {
    let (width, height) = (grid.output_width, grid.output_height);
    let stride = width as usize * 3;
    let mut rgb = zeros(stride * height as usize, width, height)?;
    for index in 0..usize::from(grid.rows) * usize::from(grid.columns) {
        let (row, column) = (
            index / usize::from(grid.columns),
            index % usize::from(grid.columns),
        );
        let data = file.tile_data(index).map_err(refused)?;
        let tile = decode_frame(&data, file.color_info())?;
        let left = column * tile.width as usize * 3;
        let top = row * tile.height as usize;
        let targets = rgb.chunks_exact_mut(stride).skip(top);
        for (target, source) in targets.zip(tile.rgb.chunks_exact(tile.width as usize * 3)) {
            let target = target.get_mut(left..).unwrap_or_default();
            target
                .iter_mut()
                .zip(source)
                .for_each(|(slot, value)| *slot = *value);
        }
    }
    Ok(Raster { width, height, rgb })
}

/// Whether tiles of these sides cover the image, and none lies outside of it.
fn fits(grid: &GridConfig, (tile_width, tile_height): (u32, u32)) -> bool {
    let covers = |tile: u32, count: u8, side: u32| {
        let (tile, count, side) = (u64::from(tile), u64::from(count), u64::from(side));
        tile * count >= side && tile * count.saturating_sub(1) < side
    };
    covers(tile_width, grid.columns, grid.output_width) && covers(tile_height, grid.rows, grid.output_height)
}

fn refused(error: zenavif_parse::Error) -> ImageError {
    match error {
        zenavif_parse::Error::Unsupported(what) => ImageError::Unsupported {
            what: format!("AVIF with {what}"),
        },
        error => corrupt(error.to_string()),
    }
}

pub(super) fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::Avif, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_that_lie_outside_the_image_or_do_not_cover_it_are_no_grid() {
        let grid = GridConfig {
            rows: 2,
            columns: 3,
            output_width: 250,
            output_height: 130,
        };
        for tile in [(84, 65), (100, 128), (124, 129)] {
            assert!(fits(&grid, tile), "{tile:?}");
        }
        for tile in [(83, 65), (84, 64), (125, 65), (84, 130), (8192, 8192), (0, 0)] {
            assert!(!fits(&grid, tile), "{tile:?}");
        }
    }
}
