//! What must hold of a document's row: its parts, one after the other, are the sequence.

use std::collections::BTreeSet;

use img2tokens_schemas::{FailureReason, Vocabulary};

use super::row::{check_digest, check_size, is, popcount};
use crate::read::{DataRow, DocumentParts, ImageItem, TextItem};

/// Calls `wrong` for everything that is wrong with the parts of a document.
pub(super) fn check_document(
    vocabulary: &Vocabulary,
    row: &DataRow<'_>,
    parts: &DocumentParts<'_>,
    wrong: &mut impl FnMut(String),
) {
    let image = (
        row.sample.image_start,
        row.sample.image_len,
        row.width,
        row.height,
    );
    let is_bare = row.kept_patches.is_empty() && row.sha256.is_empty() && row.url.is_none();
    if image != (0, 0, 0, 0) || !is_bare {
        wrong("a document's images stand in `images`, and here is something of one image alone".to_owned());
    }
    if parts.images.is_empty() || parts.texts.is_empty() {
        wrong("a document has an image and a text at least".to_owned());
    }
    if let Err(problem) = check_layout(vocabulary, row, parts) {
        wrong(problem);
    }
    for image in &parts.images {
        check_image(image, wrong);
    }
    let of_images = parts.images.iter().map(|image| image.place);
    let mut places = BTreeSet::new();
    for place in of_images.chain(parts.dropped.iter().map(|image| image.place)) {
        if place < 0 || !places.insert(place) {
            wrong(format!("two of its images have the place {place}, or it is none"));
        }
    }
    for image in &parts.dropped {
        if image.reason.parse::<FailureReason>().is_err() {
            wrong(format!("there is no reason `{}`", image.reason));
        }
    }
}

fn check_image(image: &ImageItem<'_>, wrong: &mut impl FnMut(String)) {
    let kept = popcount(image.kept_patches);
    if usize::try_from(image.len) != Ok(kept) {
        wrong(format!(
            "image {} has {} codes, and its kept_patches has {kept} bits set",
            image.place, image.len
        ));
    }
    check_size(image.width, image.height, wrong);
    check_digest(image.sha256, wrong);
}

/// A stretch of the sequence.
enum Stretch<'a> {
    Image(&'a ImageItem<'a>),
    Text(&'a TextItem<'a>),
}

impl Stretch<'_> {
    const fn start(&self) -> i32 {
        match self {
            Self::Image(image) => image.start,
            Self::Text(text) => text.start,
        }
    }
}

/// What is left of a row at a place in its sequence.
struct Rest<'a> {
    at: usize,
    ids: &'a [i32],
    codes: &'a [u16],
    text_ids: &'a [i32],
}

/// Whether the parts follow one another without a gap, between a BOS and an EOS that may lack, and are what the row holds.
fn check_layout(vocabulary: &Vocabulary, row: &DataRow<'_>, parts: &DocumentParts<'_>) -> Result<(), String> {
    let mut rest = Rest {
        at: 0,
        ids: row.sample.input_ids,
        codes: row.image_codes,
        text_ids: row.text_ids,
    };
    if rest.ids.first().is_some_and(|id| is(*id, vocabulary.bos)) {
        rest.take(1)?;
    }
    let images = parts.images.iter().map(Stretch::Image);
    let mut stretches: Vec<Stretch<'_>> = images.chain(parts.texts.iter().map(Stretch::Text)).collect();
    stretches.sort_by_key(Stretch::start);
    for stretch in &stretches {
        match stretch {
            Stretch::Image(image) => rest.pass_image(vocabulary, image)?,
            Stretch::Text(text) => rest.pass_text(text)?,
        }
    }
    match rest.ids {
        [] => {}
        [id] if is(*id, vocabulary.eos) => {}
        _ => {
            return Err(format!(
                "the ids from {} on belong to no part of the document",
                rest.at
            ));
        }
    }
    if rest.codes.is_empty() && rest.text_ids.is_empty() {
        return Ok(());
    }
    Err("there are more image_codes or text_ids than its parts have".to_owned())
}

impl<'a> Rest<'a> {
    fn take(&mut self, ids: usize) -> Result<&'a [i32], String> {
        let (taken, rest) = self.ids.split_at_checked(ids).ok_or_else(|| {
            format!(
                "a part reaches over the end of its {} ids",
                self.at + self.ids.len()
            )
        })?;
        self.at += ids;
        self.ids = rest;
        Ok(taken)
    }

    fn expect_at(&self, start: i32, what: &str) -> Result<(), String> {
        if usize::try_from(start) == Ok(self.at) {
            return Ok(());
        }
        Err(format!(
            "{what} is stated at {start}, and the part before it ends at {}",
            self.at
        ))
    }

    fn pass_image(&mut self, vocabulary: &Vocabulary, image: &ImageItem<'_>) -> Result<(), String> {
        let what = format!("image {}", image.place);
        let len = usize::try_from(image.len).map_err(|_| format!("{what} has {} codes", image.len))?;
        if !self.take(1)?.iter().all(|id| is(*id, vocabulary.image_start())) {
            return Err(format!("no [IMG] stands before {what}"));
        }
        self.expect_at(image.start, &what)?;
        let ids = self.take(len)?;
        let (codes, rest) = self
            .codes
            .split_at_checked(len)
            .ok_or_else(|| format!("there are no image_codes of {what}"))?;
        self.codes = rest;
        let is_code = |(id, code): (&i32, &u16)| is(*id, vocabulary.first_code() + u32::from(*code));
        if !ids.iter().zip(codes).all(is_code) {
            return Err(format!("the ids of {what} are not its image_codes"));
        }
        if !self.take(1)?.iter().all(|id| is(*id, vocabulary.image_end())) {
            return Err(format!("no [/IMG] stands after {what}"));
        }
        Ok(())
    }

    fn pass_text(&mut self, text: &TextItem<'_>) -> Result<(), String> {
        self.expect_at(text.start, "a text")?;
        let len = usize::try_from(text.len).map_err(|_| format!("a text has {} ids", text.len))?;
        let ids = self.take(len)?;
        let (expected, rest) = self
            .text_ids
            .split_at_checked(len)
            .ok_or_else(|| "there are fewer text_ids than its texts have".to_owned())?;
        self.text_ids = rest;
        if ids != expected || len == 0 {
            return Err(format!(
                "the ids of the text at {} are not its text_ids",
                text.start
            ));
        }
        Ok(())
    }
}

/// Calls `wrong` for every mask that is not as long as those before it.
pub(super) fn check_masks(
    parts: &DocumentParts<'_>,
    mask_bytes: &mut Option<usize>,
    wrong: &mut impl FnMut(String),
) {
    for image in &parts.images {
        if *mask_bytes.get_or_insert(image.kept_patches.len()) != image.kept_patches.len() {
            wrong(format!(
                "kept_patches of image {} is not as long as those before it",
                image.place
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use img2tokens_schemas::Order;

    use super::*;
    use crate::read::{DroppedItem, Sample};

    const VOCABULARY: Vocabulary = Vocabulary {
        text_size: 100,
        codebook_size: 16,
        bos: 1,
        eos: 2,
    };
    const DIGEST: &str = "abababababababababababababababababababababababababababababababab";

    fn image(place: i32, start: i32, len: i32) -> ImageItem<'static> {
        ImageItem {
            place,
            start,
            len,
            kept_patches: if len == 2 { &[3] } else { &[1] },
            url: None,
            width: 4,
            height: 3,
            sha256: DIGEST,
        }
    }

    fn text(start: i32, len: i32) -> TextItem<'static> {
        TextItem {
            start,
            len,
            text: "t",
            truncated: false,
        }
    }

    /// BOS, a text of two ids, an image of two codes, an image of one, a text of one, EOS.
    const IDS: [i32; 12] = [1, 7, 8, 100, 102, 103, 101, 100, 104, 101, 9, 2];

    fn parts() -> DocumentParts<'static> {
        DocumentParts {
            images: vec![image(2, 4, 2), image(0, 8, 1)],
            texts: vec![text(1, 2), text(10, 1)],
            dropped: vec![DroppedItem {
                place: 1,
                reason: "dns",
            }],
        }
    }

    fn findings(ids: &[i32], parts: &DocumentParts<'_>) -> Vec<String> {
        let row = DataRow {
            sample: Sample {
                row: 0,
                key: "k",
                order: Order::Document,
                input_ids: ids,
                image_start: 0,
                image_len: 0,
            },
            num_tokens: ids.len() as i32,
            text_ids: &[7, 8, 9],
            image_codes: &[0, 1, 2],
            kept_patches: &[],
            caption: "",
            url: None,
            width: 0,
            height: 0,
            sha256: "",
        };
        let mut findings = Vec::new();
        check_document(&VOCABULARY, &row, parts, &mut |what| findings.push(what));
        findings
    }

    #[test]
    fn a_whole_document_has_no_findings_with_and_without_bos_and_eos() {
        assert_eq!(findings(&IDS, &parts()), [""; 0]);
        let bare = DocumentParts {
            images: vec![image(2, 3, 2), image(0, 7, 1)],
            texts: vec![text(0, 2), text(9, 1)],
            ..parts()
        };
        assert_eq!(findings(&IDS[1..11], &bare), [""; 0]);
    }

    #[test]
    fn every_damaged_part_is_found() {
        type Damage = fn(&mut DocumentParts<'static>);
        let damages: [(&str, Damage); 9] = [
            ("image 2 is stated at 5", |parts| parts.images[0].start = 5),
            ("image 2 has 1 codes", |parts| parts.images[0].len = 1),
            ("a text is stated at 0", |parts| parts.texts[0].start = 0),
            ("belong to no part", |parts| {
                parts.texts.pop();
            }),
            ("an image and a text at least", |parts| parts.images.clear()),
            ("place 2", |parts| parts.images[1].place = 2),
            ("place 2", |parts| parts.dropped[0].place = 2),
            ("no reason `weather`", |parts| parts.dropped[0].reason = "weather"),
            ("no SHA-256", |parts| parts.images[0].sha256 = "ab"),
        ];
        for (said, damage) in damages {
            let mut parts = parts();
            damage(&mut parts);
            let findings = findings(&IDS, &parts);
            assert!(
                findings.iter().any(|found| found.contains(said)),
                "{said}: {findings:?}"
            );
        }
    }

    #[test]
    fn every_damaged_id_is_found() {
        for place in 0..IDS.len() {
            let mut ids = IDS;
            ids[place] = 11;
            assert!(!findings(&ids, &parts()).is_empty(), "{place}");
        }
        assert!(!findings(&IDS[..9], &parts()).is_empty());
    }
}
