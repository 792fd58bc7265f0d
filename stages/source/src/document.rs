//! A document's parts in their order, from either of the two shapes in which datasets have them.

use img2tokens_schemas::{Failure, FailureReason, Part, PictureSource};

use crate::draft::failure;

/// The most bytes of a document's texts and URLs, an end of each included: as much as a line of JSONL may have.
const MAX_BYTES: usize = crate::records::MAX_RECORD_BYTES;

/// What MMC4 tells of an image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatchedImage<'a> {
    /// Where it is.
    pub(crate) url: Option<&'a str>,
    /// The number of the text before which it stands.
    pub(crate) text: Option<i64>,
}

/// Of lists of equal length, where each place has either an image's URL or a text (OBELICS).
pub(crate) fn side_by_side<'a>(
    images: impl ExactSizeIterator<Item = Option<&'a str>>,
    texts: impl ExactSizeIterator<Item = Option<&'a str>>,
    max_images: usize,
) -> Result<Vec<Part>, Failure> {
    if images.len() != texts.len() {
        return Err(corrupt(format!(
            "there are {} places for images and {} for texts",
            images.len(),
            texts.len()
        )));
    }
    let mut parts = Parts::new(max_images);
    for (place, both) in images.zip(texts).enumerate() {
        match both {
            (Some(url), None | Some("")) if !url.is_empty() => parts.image(place, Some(url))?,
            (None | Some(""), Some(text)) => parts.text(text)?,
            (Some(_), None) => parts.image(place, None)?,
            (Some(_), Some(_)) => return Err(corrupt(format!("place {place} has an image and a text"))),
            (None, None) => return Err(corrupt(format!("place {place} has neither an image nor a text"))),
        }
    }
    Ok(parts.parts)
}

/// Of texts, and images of which each stands before the text it was matched with, those of one text in their own order
/// (MMC4).
pub(crate) fn matched<'a>(
    images: impl Iterator<Item = MatchedImage<'a>>,
    texts: impl ExactSizeIterator<Item = Option<&'a str>>,
    max_images: usize,
) -> Result<Vec<Part>, Failure> {
    let mut waiting = Vec::new();
    for (place, image) in images.enumerate() {
        if place >= max_images {
            return Err(too_many(max_images));
        }
        let text = image.text.and_then(|text| usize::try_from(text).ok());
        let Some(text) = text.filter(|text| *text < texts.len()) else {
            return Err(corrupt(format!(
                "image {place} is matched with none of the {} texts",
                texts.len()
            )));
        };
        waiting.push((text, place, image.url));
    }
    // The order of the images of one text is kept.
    waiting.sort_by_key(|(text, ..)| *text);
    let mut waiting = waiting.into_iter().peekable();
    let mut parts = Parts::new(max_images);
    for (number, text) in texts.enumerate() {
        while let Some((_, place, url)) = waiting.next_if(|(before, ..)| *before == number) {
            parts.image(place, url)?;
        }
        let text = text.ok_or_else(|| corrupt(format!("text {number} is none")))?;
        parts.text(text)?;
    }
    Ok(parts.parts)
}

/// Parts so far, within the limits.
struct Parts {
    parts: Vec<Part>,
    max_images: usize,
    images: usize,
    bytes: usize,
}

impl Parts {
    const fn new(max_images: usize) -> Self {
        Self {
            parts: Vec::new(),
            max_images,
            images: 0,
            bytes: 0,
        }
    }

    fn image(&mut self, place: usize, url: Option<&str>) -> Result<(), Failure> {
        if self.images >= self.max_images {
            return Err(too_many(self.max_images));
        }
        self.images += 1;
        let url = url.filter(|url| !url.trim().is_empty());
        self.count(url.unwrap_or_default())?;
        self.parts.push(Part::Image {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            picture: url.map_or(PictureSource::Missing, |url| PictureSource::Url(url.to_owned())),
        });
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.count(text)?;
        self.parts.push(Part::Text(text.to_owned()));
        Ok(())
    }

    fn count(&mut self, part: &str) -> Result<(), Failure> {
        self.bytes += part.len() + 1;
        if self.bytes > MAX_BYTES {
            let detail = format!("the document's texts and URLs have more than {MAX_BYTES} bytes");
            return Err(Failure::new(FailureReason::TooLarge, detail));
        }
        Ok(())
    }
}

/// A document that is none.
pub(crate) fn corrupt(detail: impl Into<String>) -> Failure {
    failure(FailureReason::CorruptRow, detail)
}

fn too_many(max_images: usize) -> Failure {
    let detail = format!("the document has more than {max_images} images (input.max_images)");
    Failure::new(FailureReason::TooLarge, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Parts in short: a text as it is, an image as its place and URL.
    fn shown(parts: Result<Vec<Part>, Failure>) -> Result<Vec<String>, FailureReason> {
        let show = |part| match part {
            Part::Text(text) => text,
            Part::Image { place, picture } => format!("{place}:{}", picture.url().unwrap_or("?")),
        };
        let parts = parts.map_err(|failure| failure.reason)?;
        Ok(parts.into_iter().map(show).collect())
    }

    fn beside(images: &[Option<&str>], texts: &[Option<&str>]) -> Result<Vec<String>, FailureReason> {
        shown(side_by_side(images.iter().copied(), texts.iter().copied(), 2))
    }

    fn of_mmc4(images: &[(Option<&str>, Option<i64>)], texts: &[&str]) -> Result<Vec<String>, FailureReason> {
        let images = images.iter().map(|(url, text)| MatchedImage {
            url: *url,
            text: *text,
        });
        shown(matched(images, texts.iter().map(|text| Some(*text)), 3))
    }

    #[test]
    fn places_side_by_side_have_an_image_or_a_text() {
        let parts = beside(
            &[None, Some("u"), Some(""), Some("v")],
            &[Some("a"), None, Some("b"), Some("")],
        );
        assert_eq!(parts.unwrap(), ["a", "1:u", "b", "3:v"]);
        assert_eq!(
            beside(&[Some(" "), None], &[None, Some("")]).unwrap(),
            ["0:?", ""]
        );
        assert_eq!(beside(&[], &[]).unwrap(), [""; 0]);
        for (images, texts) in [
            (&[Some("u")][..], &[Some("a")][..]),
            (&[None], &[None]),
            (&[Some("u"), None], &[None]),
        ] {
            assert_eq!(beside(images, texts), Err(FailureReason::CorruptRow));
        }
    }

    #[test]
    fn a_matched_image_stands_before_its_text_and_images_of_one_text_keep_their_order() {
        let images = [(Some("u"), Some(1)), (Some("v"), Some(0)), (None, Some(1))];
        assert_eq!(
            of_mmc4(&images, &["a", "b", "c"]).unwrap(),
            ["1:v", "a", "0:u", "2:?", "b", "c"]
        );
        for text in [None, Some(3), Some(-1)] {
            let refused = of_mmc4(&[(Some("u"), text)], &["a", "b", "c"]);
            assert_eq!(refused, Err(FailureReason::CorruptRow));
        }
    }

    #[test]
    fn a_document_past_the_limits_is_refused_before_it_is_held() {
        assert_eq!(beside(&[Some("u"); 3], &[None; 3]), Err(FailureReason::TooLarge));
        let million = std::iter::repeat_n(Some("http://example.com/"), 1_000_000);
        let refused = side_by_side(million, std::iter::repeat_n(None, 1_000_000), 32);
        assert_eq!(shown(refused), Err(FailureReason::TooLarge));
        let blank = std::iter::repeat_n(Some(""), MAX_BYTES + 1);
        let refused = side_by_side(std::iter::repeat_n(None, MAX_BYTES + 1), blank, 32);
        assert_eq!(shown(refused), Err(FailureReason::TooLarge));
        assert_eq!(
            of_mmc4(&[(Some("u"), Some(0)); 4], &["a"]),
            Err(FailureReason::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn no_part_is_lost_or_doubled(texts in 1_usize..9, of_images in proptest::collection::vec(0_usize..9, 0..9)) {
            let images: Vec<usize> = of_images.iter().map(|text| text % texts).collect();
            let lent: Vec<String> = (0..texts).map(|text| format!("t{text}")).collect();
            let matching = images.iter().map(|text| MatchedImage { url: Some("u"), text: Some(*text as i64) });
            let parts = shown(matched(matching, lent.iter().map(|text| Some(text.as_str())), 9)).unwrap();
            let expected: Vec<String> = (0..texts)
                .flat_map(|text| {
                    let before = images.iter().enumerate().filter(move |(_, of)| **of == text);
                    before.map(|(place, _)| format!("{place}:u")).chain([format!("t{text}")])
                })
                .collect();
            prop_assert_eq!(parts, expected);
        }
    }
}
