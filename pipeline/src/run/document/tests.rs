//! Documents end once, alike in whatever order their images end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use img2tokens_schemas::{KeepMask, KeptColumns, Outcome, RowIndex};
use img2tokens_vision::ModelConfig;
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::*;
use crate::config::Config;
use crate::run::ticket::UnitMessage;

/// Text, two images, text, image.
fn parts() -> Vec<Part> {
    let image = |place| Part::Image {
        place,
        picture: PictureSource::Url(format!("http://example.com/{place}")),
    };
    let text = |text: &str| Part::Text(text.to_owned());
    vec![text("ab"), image(0), image(3), text(" "), text("c"), image(1)]
}

fn ready(code: u16) -> ImageEnd {
    Ok(ReadyImage {
        tokens: VisualTokens::new(vec![code], KeepMask::from_bools(&[true])).unwrap(),
        width: 2,
        height: 1,
        sha256: Digest([7; 32]),
    })
}

fn failed(reason: FailureReason) -> ImageEnd {
    Err(Failure::new(reason, "why"))
}

/// How a document ends whose images end so, one after the other.
async fn end_of(policy: FailedImages, ends: Vec<(usize, ImageEnd)>) -> Outcome {
    let mut config = Config::default();
    config.sequence.failed_images = policy;
    let stages = Arc::new(Stages::new(&config, &ModelConfig::lavit()).unwrap());
    let (messages, mut inbox) = mpsc::channel(2);
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let kept = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
    let row = RowTicket {
        unit: UnitHandle {
            messages,
            timings: Arc::default(),
            tombstones: Arc::default(),
        },
        place: 0,
        index: RowIndex(0),
        key: "k".to_owned(),
        url: None,
        kept: KeptColumns::new(Arc::new(kept), 0).unwrap(),
    };
    let document = OpenDocument::new(&stages, row, parts());
    assert_eq!(document.image_key(1), "k#3");
    for (number, end) in ends {
        document.settle(number, end).await;
    }
    drop(document);
    let Some(UnitMessage::Ended { outcome, .. }) = inbox.recv().await else {
        panic!("the document has no end");
    };
    assert!(inbox.recv().await.is_none(), "it has another");
    *outcome
}

fn blocking(policy: FailedImages, ends: Vec<(usize, ImageEnd)>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(end_of(policy, ends))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_order_of_ends_changes_nothing(order in Just(vec![0_usize, 1, 2]).prop_shuffle()) {
        let end = |number: usize| match number {
            1 => failed(FailureReason::Dns),
            number => ready(number as u16),
        };
        let ends = order.iter().map(|number| (*number, end(*number))).collect();
        let rows = blocking(FailedImages::Drop, ends).result.unwrap();
        let [SequenceRow { sequence, pair }] = rows.as_slice() else { panic!("one sequence") };
        let first = 261;
        // The built-in tokenizer of bytes.
        prop_assert_eq!(
            &sequence.input_ids,
            &vec![100, 101, 259, first, 260, 102, 259, first + 2, 260, 2]
        );
        let document = pair.document.as_ref().unwrap();
        let images: Vec<_> = document.images.iter().map(|image| (image.place, image.start, image.len)).collect();
        prop_assert_eq!(images, [(0, 3, 1), (1, 7, 1)]);
        let texts: Vec<_> = document.texts.iter().map(|text| (&*text.text, text.start, text.len)).collect();
        prop_assert_eq!(texts, [("ab", 0, 2), ("c", 5, 1)]);
        prop_assert_eq!(&document.dropped, &[DroppedImage { place: 3, reason: FailureReason::Dns }]);
    }

    #[test]
    fn the_first_failure_of_the_document_is_told_whichever_came_first(
        order in Just(vec![0_usize, 1, 2]).prop_shuffle(),
    ) {
        let end = |number: usize| match number {
            0 => ready(1),
            1 => failed(FailureReason::Dns),
            _ => failed(FailureReason::Timeout),
        };
        let ends = order.iter().map(|number| (*number, end(*number))).collect();
        let outcome = blocking(FailedImages::Fail, ends);
        let failure = outcome.result.unwrap_err();
        prop_assert_eq!((failure.reason, &*failure.detail), (FailureReason::Dns, "image 3: why"));
        prop_assert_eq!(outcome.url.as_deref(), Some("http://example.com/3"));
    }
}

#[test]
fn a_document_without_any_image_left_fails_as_its_first_image() {
    let ends = [FailureReason::Robots, FailureReason::Dns, FailureReason::Dns];
    let ends = ends.into_iter().map(failed).enumerate().rev().collect();
    let failure = blocking(FailedImages::Drop, ends).result.unwrap_err();
    assert_eq!(failure.reason, FailureReason::Robots);
}

#[test]
fn an_image_that_was_taken_down_takes_its_document_with_it() {
    let ends = vec![
        (0, failed(FailureReason::Dns)),
        (1, ready(1)),
        (2, failed(FailureReason::TakenDown)),
    ];
    let failure = blocking(FailedImages::Drop, ends).result.unwrap_err();
    assert_eq!(
        (failure.reason, &*failure.detail),
        (FailureReason::TakenDown, "why")
    );
}
