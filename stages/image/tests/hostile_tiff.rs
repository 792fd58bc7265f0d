//! TIFFs that name the same bytes again and again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod corpus;

use img2tokens_image::{ImageConfig, ImageStage};
use img2tokens_schemas::Failure;

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const STRIP_OFFSETS: u16 = 273;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_LENGTHS: u16 = 279;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_LENGTHS: u16 = 325;

/// Where the pixels begin in a file of [`tiff`].
const DATA: u32 = 8;

/// A little-endian TIFF of 8-bit grey with these tags (each of 32-bit values) and these bytes after its header.
fn tiff(tags: &[(u16, &[u32])], data: &[u8]) -> Vec<u8> {
    let mut tags = tags.to_vec();
    tags.push((258, &[8]));
    tags.sort_unstable();
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.extend(data);
    let mut entries = Vec::new();
    for (tag, values) in &tags {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        entries.extend(tag.to_le_bytes());
        entries.extend(4_u16.to_le_bytes());
        entries.extend((values.len() as u32).to_le_bytes());
        if let [value] = values {
            entries.extend(value.to_le_bytes());
        } else {
            entries.extend((file.len() as u32).to_le_bytes());
            file.extend(bytes);
        }
    }
    let directory = file.len() as u32;
    file[4..8].copy_from_slice(&directory.to_le_bytes());
    file.extend((tags.len() as u16).to_le_bytes());
    file.extend(entries);
    file.extend([0; 4]);
    file
}

fn outcome(file: &[u8]) -> Result<(u32, u32), String> {
    let stage = ImageStage::new(ImageConfig {
        size: 8,
        ..ImageConfig::default()
    });
    let prepared = stage.prepare(file);
    prepared
        .map(|image| (image.width, image.height))
        .map_err(|error| Failure::from(error).detail)
}

#[test]
fn strips_that_share_their_bytes_are_refused_before_any_is_touched() {
    let strips = |count: usize| {
        let (offsets, lengths) = (vec![DATA; count], vec![4096; count]);
        let tags: &[(u16, &[u32])] = &[
            (WIDTH, &[64]),
            (HEIGHT, &[64 * count as u32]),
            (COMPRESSION, &[1]),
            (PHOTOMETRIC, &[1]),
            (FILL_ORDER, &[2]),
            (STRIP_OFFSETS, &offsets),
            (ROWS_PER_STRIP, &[64]),
            (STRIP_LENGTHS, &lengths),
        ];
        outcome(&tiff(tags, &[7; 4096]))
    };
    assert_eq!(strips(1), Ok((64, 64)));
    assert_eq!(
        strips(40),
        Err("corrupt tiff: the strips or tiles are longer than the file together".to_owned())
    );
}

#[test]
fn more_tiles_than_an_image_has_room_for_are_refused() {
    let tiles = |count: usize| {
        let (offsets, lengths) = (vec![DATA; count], vec![1; count]);
        let tags: &[(u16, &[u32])] = &[
            (WIDTH, &[16]),
            (HEIGHT, &[16]),
            (COMPRESSION, &[1]),
            (PHOTOMETRIC, &[1]),
            (TILE_WIDTH, &[1]),
            (TILE_HEIGHT, &[1]),
            (TILE_OFFSETS, &offsets),
            (TILE_LENGTHS, &lengths),
        ];
        outcome(&tiff(tags, &[7; 256]))
    };
    assert_eq!(
        tiles(256),
        Err("corrupt tiff: 256 strips or tiles for 16 x 16 pixels".to_owned())
    );
}

#[test]
fn a_jpeg_in_a_tile_is_no_larger_than_the_tile() {
    let jpeg = corpus::read("images/files/exif-200dpcm.jpg");
    let length = jpeg.len() as u32;
    let tags: &[(u16, &[u32])] = &[
        (WIDTH, &[16]),
        (HEIGHT, &[16]),
        (COMPRESSION, &[7]),
        (PHOTOMETRIC, &[1]),
        (TILE_WIDTH, &[16]),
        (TILE_HEIGHT, &[16]),
        (TILE_OFFSETS, &[DATA]),
        (TILE_LENGTHS, &[length]),
    ];
    let refused = outcome(&tiff(tags, &jpeg)).unwrap_err();
    assert!(
        refused.ends_with("pixels in a strip or tile of 16 x 16"),
        "{refused}"
    );
}
