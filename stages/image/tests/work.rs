//! Work is told from what a file states, and refused before it is done.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod makers;

use img2tokens_image::{ImageConfig, ImageError, ImageStage};
use img2tokens_schemas::{Failure, FailureReason};

fn refused(file: &[u8], decode_timeout_s: f64) -> Option<ImageError> {
    let config = ImageConfig {
        decode_timeout_s,
        ..ImageConfig::default()
    };
    ImageStage::new(config).examine(file).err()
}

#[test]
fn scans_over_many_blocks_are_refused_by_their_number() {
    for process in [0xc2, 0xca] {
        let jpeg = |scans: usize, side: u16| {
            let mut bands = vec![(0, 0)];
            bands.resize(scans, (1, 63));
            makers::jpeg(process, side, side, 1, &bands, &[0; 64])
        };
        assert!(refused(&jpeg(8, 1000), 1.0).is_none(), "{process:x}");
        let error = refused(&jpeg(100, 9400), 1.0).unwrap();
        let failure = Failure::from(&error);
        assert_eq!(failure.reason, FailureReason::DecodeTimeout);
        assert!(
            failure.detail.starts_with("100 scans of 1380625 blocks"),
            "{}",
            failure.detail
        );
    }
    let arithmetic = makers::jpeg(0xca, 9400, 9500, 1, &[(1, 63); 100], &[1; 1900]);
    assert!(refused(&arithmetic, 10.0).is_some());
}

#[test]
fn strips_that_share_long_tables_are_read_with_short_ones() {
    let jpeg = makers::jpeg(0xc0, 8, 8, 1, &[(0, 63)], &[0; 4]);
    let place = |marker: u8| jpeg.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
    let (frame, codes, scan) = (place(0xc0), place(0xc4), place(0xda));
    let tiff = |strips: usize, repeats: usize| {
        let mut data = jpeg[..frame].to_vec();
        (0..repeats).for_each(|_| data.extend(&jpeg[codes..scan]));
        data.extend([0xff, 0xd9]);
        let tables = data.len() as u32;
        let strip = [b"\xff\xd8", &jpeg[frame..codes], &jpeg[scan..]].concat();
        let mut offsets = Vec::new();
        for _ in 0..strips {
            offsets.push(makers::TIFF_DATA + data.len() as u32);
            data.extend(&strip);
        }
        let tags = [
            (256, vec![8]),
            (257, vec![8 * strips as u32]),
            (258, vec![8]),
            (259, vec![7]),
            (262, vec![1]),
            (273, offsets),
            (278, vec![8]),
            (279, vec![strip.len() as u32; strips]),
            (347, vec![makers::TIFF_DATA, tables]),
        ];
        makers::tiff(&tags, &data)
    };
    let stage = ImageStage::new(ImageConfig::default());
    let long = stage.decode(&tiff(50, 20_000)).unwrap();
    assert_eq!(long.rgb, stage.decode(&tiff(50, 1)).unwrap().rgb);
    assert!(refused(&tiff(10, 1), 0.1).is_none());
    let error = refused(&tiff(10_000, 20_000), 0.1).unwrap();
    assert_eq!(error.reason(), FailureReason::DecodeTimeout);
}

#[test]
fn rows_of_one_pixel_are_work_too() {
    assert!(refused(&makers::bmp(1, 1_000_000), 10.0).is_none());
    let error = refused(&makers::bmp(1, 80_000_000), 10.0).unwrap();
    assert_eq!(error.reason(), FailureReason::DecodeTimeout);
    assert!(refused(&makers::bmp(4, 4), f64::NAN).is_some());
}
