//! TIFF and BigTIFF: the first page.

use std::borrow::Cow;
use std::io::Cursor;
use std::ops::Range;

use img2tokens_schemas::ImageFormat;
use tiff::decoder::{BufferLayoutPreference, Decoder};
use tiff::tags::{ExtraSamples, SampleFormat, Tag};
use tiff::{ColorType, TiffError};

use super::color::Palette;
use super::tiff_directory::Directory;
use super::tiff_orientation::upright;
use super::tiff_samples::{Form, Kind, Samples};
use super::{Raster, tiff_chunks, tiff_cost, tiff_patch, tiff_tables};
use crate::ImageError;
use crate::limits::{Cost, Limits, MAX_DECODE_BYTES, reserve, zeros};

type Reader<'a> = Decoder<Cursor<&'a [u8]>>;

/// Tag 266's value for bytes whose least significant bit comes first.
const LEAST_SIGNIFICANT_FIRST: u16 = 2;

/// Tag 284's value for samples in a plane each.
const PLANES: u16 = 2;

/// Tag 262's value for indices into a colour map, and for grey.
const PALETTE: u16 = 3;
const BLACK_IS_ZERO: u16 = 1;

/// What decoding takes.
pub(crate) fn examine(bytes: &[u8], limits: Limits) -> Result<Cost, ImageError> {
    let directory = directory(bytes)?;
    let mut reader = open(bytes)?;
    let (width, height) = reader.dimensions().map_err(refused)?;
    limits.admit_sides(width, height)?;
    let chunks = tiff_chunks::admitted(bytes, &mut reader).map_err(corrupt)?;
    let first = |reader: &mut Reader<'_>, tag: Tag| {
        let values = reader.find_tag_unsigned_vec::<u16>(tag).ok().flatten();
        values.and_then(|values| values.iter().copied().max())
    };
    let tables = directory
        .get(tiff_cost::JPEG_TABLES)
        .map_or(0, |entry| entry.count);
    let (chunk_width, chunk_height) = reader.chunk_dimensions();
    let layout = tiff_cost::Layout {
        width,
        height,
        bits: first(&mut reader, Tag::BitsPerSample).unwrap_or(1).into(),
        samples: first(&mut reader, Tag::SamplesPerPixel).unwrap_or(1).into(),
        planar: first(&mut reader, Tag::PlanarConfiguration) == Some(PLANES),
        compression: first(&mut reader, Tag::Compression).unwrap_or(1),
        turned: first(&mut reader, Tag::Orientation).is_some_and(|orientation| orientation != 1),
        copied: first(&mut reader, Tag::FillOrder) == Some(LEAST_SIGNIFICANT_FIRST)
            || first(&mut reader, Tag::PhotometricInterpretation) == Some(PALETTE)
            || tables > tiff_tables::FEW as u64,
        chunk_width,
        chunk_height,
    };
    let (cost, visits) = tiff_cost::cost(&layout, &directory, bytes, &chunks).map_err(corrupt)?;
    limits.admit(cost, || {
        let count = chunks.len();
        let sides = format!("{chunk_width} x {chunk_height}");
        format!("{count} strips or tiles of {sides} pixels, {visits} blocks passed over in their JPEGs, {tables} bytes of tables")
    })
}

/// The first directory, if no tag states more values than the file has.
fn directory(bytes: &[u8]) -> Result<Directory, ImageError> {
    let directory = Directory::read(bytes).ok_or_else(|| corrupt("a directory cut short"))?;
    if !tiff_cost::values_are_there(&directory, bytes.len() as u64) {
        return Err(corrupt("a tag states more values than the file has"));
    }
    Ok(directory)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Raster, ImageError> {
    let mut reader = open(bytes)?;
    let chunks = tiff_chunks::admitted(bytes, &mut reader).map_err(corrupt)?;
    let mut tag = |tag| reader.find_tag_unsigned::<u16>(tag).ok().flatten();
    let orientation = tag(Tag::Orientation).unwrap_or(1);
    let mirrored = tag(Tag::FillOrder) == Some(LEAST_SIGNIFICANT_FIRST);
    let indexed = tag(Tag::PhotometricInterpretation) == Some(PALETTE);

    // The decoder knows neither of the first two, and reads long tables again and again: it is given a copy of the file
    // that is without.
    let mut file = Cow::Borrowed(bytes);
    if mirrored {
        mirror_bits(owned(&mut file)?, &chunks);
    }
    let palette = indexed.then(|| color_map(&mut reader)).transpose()?;
    if indexed {
        let tag = Tag::PhotometricInterpretation.to_u16();
        tiff_patch::set_short(owned(&mut file)?, tag, BLACK_IS_ZERO)
            .ok_or_else(|| corrupt("a directory cut short"))?;
    }
    shorten_tables(&mut file)?;
    drop((reader, chunks));
    upright(decode_page(open(&file)?, palette)?, orientation)
}

/// Leaves of shared JPEG tables that are long the last of each alone.
fn shorten_tables(file: &mut Cow<'_, [u8]>) -> Result<(), ImageError> {
    let directory = directory(file)?;
    let Some(entry) = directory.get(tiff_cost::JPEG_TABLES) else {
        return Ok(());
    };
    let place = entry.values.start as usize..entry.values.end as usize;
    let tables = file.get(place.clone()).unwrap_or_default();
    if tables.len() <= tiff_tables::FEW {
        return Ok(());
    }
    let broken = || corrupt("broken JPEG tables");
    let short = tiff_tables::last_ones(tables).ok_or_else(broken)?;
    let file = owned(file)?;
    let target = file.get_mut(place.start..place.start + short.len());
    target.ok_or_else(broken)?.copy_from_slice(&short);
    directory
        .set_count(file, entry, short.len() as u64)
        .ok_or_else(broken)
}

/// The file in a copy that may be changed.
fn owned<'a>(file: &'a mut Cow<'_, [u8]>) -> Result<&'a mut Vec<u8>, ImageError> {
    if let Cow::Borrowed(bytes) = file {
        let mut copy = reserve(bytes.len(), 0, 0)?;
        copy.extend_from_slice(bytes);
        *file = Cow::Owned(copy);
    }
    Ok(file.to_mut())
}

fn open(bytes: &[u8]) -> Result<Reader<'_>, ImageError> {
    let mut budget = tiff::decoder::Limits::default();
    budget.decoding_buffer_size = MAX_DECODE_BYTES as usize;
    budget.intermediate_buffer_size = MAX_DECODE_BYTES as usize;
    Ok(Decoder::new(Cursor::new(bytes))
        .map_err(refused)?
        .with_limits(budget))
}

/// Puts the bits of the strips' or tiles' bytes in the usual order.
fn mirror_bits(file: &mut [u8], chunks: &[Range<usize>]) {
    for chunk in chunks {
        let bytes = file.get_mut(chunk.clone()).unwrap_or_default();
        bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
    }
}

fn decode_page(mut decoder: Reader<'_>, palette: Option<Palette>) -> Result<Raster, ImageError> {
    let (width, height) = decoder.dimensions().map_err(refused)?;
    let color = decoder.colortype().map_err(refused)?;
    let layout = decoder.image_buffer_layout().map_err(refused)?;
    let samples = Samples {
        kind: kind(&mut decoder, color, palette)?,
        form: form(color.bit_depth(), layout.sample_format)?,
        per_pixel: usize::from(color.num_samples()),
        width: width as usize,
    };
    let mut data = zeros(layout.complete_len, width, height)?;
    decoder.read_image_bytes(&mut data).map_err(refused)?;
    let rgb = to_rgb(&samples, &data, &layout, height)?;
    if rgb.len() as u64 != u64::from(width) * u64::from(height) * 3 {
        return Err(corrupt("another number of samples than the tags state"));
    }
    Ok(Raster { width, height, rgb })
}

/// What the samples of a pixel are, from the colour type and the tags beside it.
fn kind(decoder: &mut Reader<'_>, color: ColorType, palette: Option<Palette>) -> Result<Kind, ImageError> {
    Ok(match (color, palette) {
        (ColorType::Gray(1..=8), Some(palette)) => Kind::Indexed(Box::new(palette)),
        (ColorType::Gray(_) | ColorType::GrayA(_), None) => Kind::Gray,
        // Grey with samples beside it that are no colour.
        (ColorType::Multiband { num_samples: 2.., .. }, None) => Kind::Gray,
        (ColorType::RGBA(_), None) if associated_alpha(decoder) => Kind::PremultipliedRgb,
        (ColorType::RGB(_) | ColorType::RGBA(_), None) => Kind::Rgb,
        (ColorType::CMYK(8) | ColorType::CMYKA(8), None) => Kind::Cmyk,
        (ColorType::YCbCr(8), None) => Kind::YCbCr,
        (other, _) => {
            return Err(ImageError::Unsupported {
                what: format!("TIFF of {other:?}"),
            });
        }
    })
}

fn form(bits: u8, format: SampleFormat) -> Result<Form, ImageError> {
    Ok(match (bits, format) {
        // Signed bytes are read as if they had no sign, as Pillow reads them.
        (8, SampleFormat::Int) => Form::Packed(8),
        (1 | 2 | 4 | 8, SampleFormat::Uint) => Form::Packed(bits),
        (16, SampleFormat::Uint) => Form::Words,
        (32, SampleFormat::Int) => Form::Integers,
        (32, SampleFormat::IEEEFP) => Form::Floats,
        _ => {
            return Err(ImageError::Unsupported {
                what: format!("TIFF of {bits} bits a sample as {format:?}"),
            });
        }
    })
}

fn associated_alpha(decoder: &mut Reader<'_>) -> bool {
    let stated = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples);
    stated
        .ok()
        .flatten()
        .is_some_and(|kinds| kinds.first() == Some(&ExtraSamples::AssociatedAlpha.to_u16()))
}

/// All reds, then all greens, then all blues, of 16 bits each, of which Pillow keeps the high byte.
fn color_map(decoder: &mut Reader<'_>) -> Result<Palette, ImageError> {
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(refused)?;
    let (reds, rest) = map.split_at(map.len() / 3);
    let (greens, blues) = rest.split_at(map.len() / 3);
    let entries = reds.iter().zip(greens).zip(blues);
    Ok(Palette::new(entries.map(|((red, green), blue)| {
        [red, green, blue].map(|value| (value >> 8) as u8)
    })))
}

fn to_rgb(
    samples: &Samples,
    data: &[u8],
    layout: &BufferLayoutPreference,
    height: u32,
) -> Result<Vec<u8>, ImageError> {
    let stride = layout.row_stride.map_or(0, usize::from).max(1);
    let plane = layout.plane_stride.map_or(data.len(), usize::from).max(1);
    let planes: Vec<&[u8]> = data.chunks_exact(plane).take(layout.planes.max(1)).collect();
    let mut rgb = reserve(samples.width * height as usize * 3, samples.width as u32, height)?;
    for row in 0..height as usize {
        let rows = planes
            .iter()
            .map(|plane| plane.get(row * stride..(row + 1) * stride));
        let rows: Option<Vec<&[u8]>> = rows.collect();
        samples.append_row(
            &rows.ok_or_else(|| corrupt("a plane ends before its last row"))?,
            &mut rgb,
        );
    }
    Ok(rgb)
}

/// What the decoder refuses because it knows it and lacks it is unsupported; anything else is corrupt.
fn refused(error: TiffError) -> ImageError {
    match error {
        TiffError::UnsupportedError(what) => ImageError::Unsupported {
            what: format!("TIFF ({what})"),
        },
        error => corrupt(error),
    }
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::Tiff, source)
}
