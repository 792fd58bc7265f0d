//! Which format bytes are, by their content alone: servers, names and datasets all lie.

use img2tokens_schemas::ImageFormat;

/// What bytes begin like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// A format the schemas name. [`ImageFormat::Heic`] is known and not decoded.
    Format(ImageFormat),
    /// An image format that is known and never decoded here, by its common name.
    Foreign(&'static str),
    /// No image.
    Unknown,
}

/// Signatures at the start of the file, of formats that are known and not decoded.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x02\x00", "CUR"),
    (b"icns", "ICNS"),
    (b"8BPS", "PSD"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"%PDF", "PDF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"farbfeld", "farbfeld"),
    (b"gimp xcf", "XCF"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"II\xbc", "JPEG XR"),
    (b"<svg", "SVG"),
    (b"FLIF", "FLIF"),
    (b"BPG\xfb", "BPG"),
];

/// Tells the format of a file from its first bytes.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Sniffed {
    if let Some(format) = known(bytes) {
        return Sniffed::Format(format);
    }
    if let Some((_, name)) = FOREIGN.iter().find(|(signature, _)| bytes.starts_with(signature)) {
        return Sniffed::Foreign(name);
    }
    match bytes {
        [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace() => Sniffed::Foreign("PNM"),
        // PCX: manufacturer 10, version, run-length coding, bits a plane.
        [10, 0 | 2 | 3 | 4 | 5, 1, 1 | 2 | 4 | 8, ..] => Sniffed::Foreign("PCX"),
        _ => Sniffed::Unknown,
    }
}

fn known(bytes: &[u8]) -> Option<ImageFormat> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(ImageFormat::Png),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(ImageFormat::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(ImageFormat::WebP),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(ImageFormat::Tiff),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => iso_media(bytes),
        [b'B', b'M', ..] if bytes.len() >= 26 => Some(ImageFormat::Bmp),
        _ => None,
    }
}

/// AVIF and HEIC are told apart by the brands of the `ftyp` box: the major one first, then the compatible ones.
fn iso_media(bytes: &[u8]) -> Option<ImageFormat> {
    let stated = bytes
        .first_chunk()
        .map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let brands = bytes.get(8..stated.min(bytes.len()))?;
    let mut brands = brands
        .chunks_exact(4)
        .enumerate()
        .filter(|(place, _)| *place != 1)
        .map(|(_, brand)| brand);
    brands.find_map(|brand| match brand {
        b"avif" | b"avis" => Some(ImageFormat::Avif),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some(ImageFormat::Heic),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_looked_at_and_html_is_no_image() {
        assert_eq!(sniff(b"<!DOCTYPE html><html>"), Sniffed::Unknown);
        assert_eq!(sniff(b""), Sniffed::Unknown);
        assert_eq!(sniff(b"P6\n2 2\n255\n"), Sniffed::Foreign("PNM"));
        assert_eq!(sniff(b"\xff\xd8\xff\xe0"), Sniffed::Format(ImageFormat::Jpeg));
    }

    #[test]
    fn brands_tell_avif_from_heic() {
        let heic = b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic";
        let avif = b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00miafavif";
        let video = b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00mp42";
        assert_eq!(sniff(heic), Sniffed::Format(ImageFormat::Heic));
        assert_eq!(sniff(avif), Sniffed::Format(ImageFormat::Avif));
        assert_eq!(sniff(video), Sniffed::Unknown);
    }
}
