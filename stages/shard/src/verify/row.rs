//! What must hold of each row of a data file (docs/spec/sequences.md, "Ids" and "A sample").

use img2tokens_schemas::{Order, Vocabulary};

use crate::read::{DataRow, Sample};

/// Calls `wrong` for everything that is wrong with the row.
pub(super) fn check_row(vocabulary: &Vocabulary, row: &DataRow<'_>, wrong: &mut impl FnMut(String)) {
    let sample = &row.sample;
    if usize::try_from(row.num_tokens) != Ok(sample.input_ids.len()) {
        wrong(format!(
            "num_tokens is {}, and there are {} input_ids",
            row.num_tokens,
            sample.input_ids.len()
        ));
    }
    if let Some(id) = outside(sample.input_ids, vocabulary.size()) {
        wrong(format!(
            "id {id} is not in the vocabulary of {}",
            vocabulary.size()
        ));
    }
    if let Some(id) = outside(row.text_ids, vocabulary.text_size) {
        wrong(format!(
            "text id {id} is not in the text vocabulary of {}",
            vocabulary.text_size
        ));
    }
    if let Some(code) = row
        .image_codes
        .iter()
        .find(|code| u32::from(**code) >= vocabulary.codebook_size)
    {
        wrong(format!(
            "code {code} is not in the codebook of {}",
            vocabulary.codebook_size
        ));
    }
    match sample.order {
        Order::Text => return check_text_alone(vocabulary, row, wrong),
        // By its parts.
        Order::Document => return,
        Order::ImageText | Order::TextImage => {}
    }
    check_counts(row, wrong);
    match Parts::of(sample) {
        Some(parts) => check_parts(vocabulary, row, &parts, wrong),
        None => wrong(format!(
            "no image of {} codes at {} fits into {} ids",
            sample.image_len,
            sample.image_start,
            sample.input_ids.len()
        )),
    }
}

/// A text alone is its ids between a BOS and an EOS that may lack, and nothing of a picture.
fn check_text_alone(vocabulary: &Vocabulary, row: &DataRow<'_>, wrong: &mut impl FnMut(String)) {
    let ids = row.sample.input_ids;
    let ids = strip(ids, <[i32]>::split_first, vocabulary.bos).unwrap_or(ids);
    let ids = strip(ids, <[i32]>::split_last, vocabulary.eos).unwrap_or(ids);
    if ids != row.text_ids {
        wrong("its ids are not text_ids, as order text asks".to_owned());
    }
    let image = (
        row.sample.image_start,
        row.sample.image_len,
        row.width,
        row.height,
    );
    let is_bare = row.image_codes.is_empty() && row.kept_patches.is_empty() && row.sha256.is_empty();
    if image != (0, 0, 0, 0) || !is_bare {
        wrong("a text alone has no picture, and here is something of one".to_owned());
    }
}

fn check_counts(row: &DataRow<'_>, wrong: &mut impl FnMut(String)) {
    let image_len = usize::try_from(row.sample.image_len);
    if image_len != Ok(row.image_codes.len()) {
        wrong(format!(
            "image_len is {}, and there are {} image_codes",
            row.sample.image_len,
            row.image_codes.len()
        ));
    }
    let kept = popcount(row.kept_patches);
    if image_len != Ok(kept) {
        wrong(format!(
            "image_len is {}, and kept_patches has {kept} bits set",
            row.sample.image_len
        ));
    }
    check_size(row.width, row.height, wrong);
    check_digest(row.sha256, wrong);
}

pub(super) fn check_size(width: i32, height: i32, wrong: &mut impl FnMut(String)) {
    if width < 1 || height < 1 {
        wrong(format!("no picture is {width} x {height}"));
    }
}

pub(super) fn check_digest(sha256: &str, wrong: &mut impl FnMut(String)) {
    let digits = sha256
        .bytes()
        .filter(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        .count();
    if digits != 64 || sha256.len() != 64 {
        wrong(format!("`{sha256}` is no SHA-256 digest"));
    }
}

/// The number of patches that a mask keeps.
pub(super) fn popcount(mask: &[u8]) -> usize {
    mask.iter().map(|byte| byte.count_ones() as usize).sum()
}

/// A sample taken apart at its image.
struct Parts<'a> {
    before: &'a [i32],
    start: i32,
    codes: &'a [i32],
    end: i32,
    after: &'a [i32],
}

impl<'a> Parts<'a> {
    fn of(sample: &Sample<'a>) -> Option<Self> {
        let first = usize::try_from(sample.image_start).ok()?;
        let len = usize::try_from(sample.image_len).ok()?;
        let (before, rest) = sample.input_ids.split_at_checked(first.checked_sub(1)?)?;
        let (start, rest) = rest.split_first()?;
        let (codes, rest) = rest.split_at_checked(len)?;
        let (end, after) = rest.split_first()?;
        Some(Self {
            before,
            start: *start,
            codes,
            end: *end,
            after,
        })
    }
}

fn check_parts(
    vocabulary: &Vocabulary,
    row: &DataRow<'_>,
    parts: &Parts<'_>,
    wrong: &mut impl FnMut(String),
) {
    if !is(parts.start, vocabulary.image_start()) {
        wrong(format!(
            "id {} stands where [IMG] must, right before image_start",
            parts.start
        ));
    }
    if !is(parts.end, vocabulary.image_end()) {
        wrong(format!(
            "id {} stands where [/IMG] must, right after the codes",
            parts.end
        ));
    }
    let code_of = |id: i32| u32::try_from(id).ok()?.checked_sub(vocabulary.first_code());
    let differing = parts
        .codes
        .iter()
        .zip(row.image_codes)
        .find(|(id, code)| code_of(**id) != Some(u32::from(**code)));
    if let Some((id, code)) = differing {
        wrong(format!("id {id} stands where code {code} must"));
    }
    if let Some(id) = parts
        .before
        .iter()
        .chain(parts.after)
        .find(|id| !is_below(**id, vocabulary.text_size))
    {
        wrong(format!("id {id} stands outside the image and is no text id"));
    }
    check_text(vocabulary, row, parts, wrong);
}

/// Whether `said`, that the text was dropped, is what the ids are.
pub(super) fn check_dropped(
    vocabulary: &Vocabulary,
    sample: &Sample<'_>,
    said: bool,
    wrong: &mut impl FnMut(String),
) {
    let is_text = |id: &&i32| {
        is_below(**id, vocabulary.text_size) && !is(**id, vocabulary.bos) && !is(**id, vocabulary.eos)
    };
    if said == sample.input_ids.iter().any(|id| is_text(&id)) {
        wrong(format!("text_dropped is {said}, and its ids say otherwise"));
    }
}

/// Beside the image stands the caption, or nothing of it (text dropout), between a BOS and an EOS that may lack.
fn check_text(vocabulary: &Vocabulary, row: &DataRow<'_>, parts: &Parts<'_>, wrong: &mut impl FnMut(String)) {
    let without_bos = |ids| strip(ids, <[i32]>::split_first, vocabulary.bos);
    let without_eos = |ids| strip(ids, <[i32]>::split_last, vocabulary.eos);
    let (text, other) = match row.sample.order {
        // Checked as such.
        Order::Text | Order::Document => return,
        Order::ImageText => (
            [Some(parts.after), without_eos(parts.after)],
            [Some(parts.before), without_bos(parts.before)],
        ),
        Order::TextImage => (
            [Some(parts.before), without_bos(parts.before)],
            [Some(parts.after), without_eos(parts.after)],
        ),
    };
    if !text
        .iter()
        .flatten()
        .any(|ids| ids.is_empty() || *ids == row.text_ids)
    {
        wrong(format!(
            "the ids beside the image are not text_ids, as order {} asks",
            row.sample.order
        ));
    }
    if !other.iter().flatten().any(|ids| ids.is_empty()) {
        wrong(format!(
            "there are ids on the side of the image that has no text in order {}",
            row.sample.order
        ));
    }
}

fn strip(ids: &[i32], split: impl Fn(&[i32]) -> Option<(&i32, &[i32])>, special: u32) -> Option<&[i32]> {
    split(ids).and_then(|(id, rest)| is(*id, special).then_some(rest))
}

pub(super) fn is(id: i32, expected: u32) -> bool {
    u32::try_from(id) == Ok(expected)
}

fn is_below(id: i32, end: u32) -> bool {
    u32::try_from(id).is_ok_and(|id| id < end)
}

fn outside(ids: &[i32], end: u32) -> Option<i32> {
    ids.iter().copied().find(|id| !is_below(*id, end))
}
