//! Pairs, texts and documents to sequences, and back.

use img2tokens_schemas::{Order, Sequence, Vocabulary};
use img2tokens_sequence::{
    OrderPolicy, ParseError, Segment, SequenceConfig, SequenceError, SequenceStage, Span, parse, parse_pair,
};
use proptest::prelude::*;

const LAVIT: Vocabulary = Vocabulary {
    text_size: 32_000,
    codebook_size: 16_384,
    bos: 1,
    eos: 2,
};

fn stage(config: SequenceConfig) -> SequenceStage {
    SequenceStage::new(config, LAVIT)
}

fn with_order(order: OrderPolicy) -> SequenceConfig {
    SequenceConfig {
        order,
        ..SequenceConfig::default()
    }
}

#[test]
fn both_orders_are_laid_out_as_lavits_authors_say() {
    let sequences = stage(with_order(OrderPolicy::Both))
        .assemble("k", &[0, 16_383], &[306, 7])
        .unwrap();
    assert_eq!(
        sequences,
        [
            Sequence {
                order: Order::ImageText,
                input_ids: vec![32_000, 32_002, 48_385, 32_001, 306, 7, 2],
                image_start: 1,
                image_len: 2,
                text_dropped: false,
            },
            Sequence {
                order: Order::TextImage,
                input_ids: vec![306, 7, 32_000, 32_002, 48_385, 32_001, 2],
                image_start: 3,
                image_len: 2,
                text_dropped: false,
            },
        ]
    );
}

#[test]
fn bos_and_eos_are_options() {
    let config = SequenceConfig {
        bos: true,
        eos: false,
        ..with_order(OrderPolicy::TextImage)
    };
    let sequences = stage(config).assemble("k", &[5], &[306]).unwrap();
    assert_eq!(sequences[0].input_ids, [1, 306, 32_000, 32_007, 32_001]);
    assert_eq!(sequences[0].image_start, 3);
}

/// The draws of the Python lines in the documentation of `draw`, below 0.5 for `image_text`.
#[test]
fn alternate_gives_the_orders_that_python_computes_from_the_keys() {
    let stage = stage(SequenceConfig::default());
    let orders: Vec<Order> = (0..6)
        .map(|key| stage.assemble(&format!("{key:09}"), &[1], &[9]).unwrap()[0].order)
        .collect();
    let [text, image] = [Order::TextImage, Order::ImageText];
    assert_eq!(orders, [text, text, image, image, image, text]);
}

#[test]
fn dropped_text_leaves_an_image_alone_and_only_in_text_image() {
    let config = SequenceConfig {
        text_dropout: 0.1,
        ..with_order(OrderPolicy::Both)
    };
    let stage = stage(config);
    let mut dropped = 0;
    for key in (0..5_000).map(|key| key.to_string()) {
        let sequences = stage.assemble(&key, &[4], &[306]).unwrap();
        assert_eq!(parse_pair(&LAVIT, &sequences[0]).unwrap().text_ids, [306]);
        assert!(!stage.drops_text(&key, Order::ImageText));
        let parts = parse_pair(&LAVIT, &sequences[1]).unwrap();
        assert_eq!(
            parts.text_ids.is_empty(),
            stage.drops_text(&key, Order::TextImage)
        );
        dropped += usize::from(parts.text_ids.is_empty());
    }
    assert!((400..600).contains(&dropped), "{dropped}");
}

#[test]
fn parts_that_do_not_belong_to_the_vocabulary_are_refused() {
    let stage = stage(SequenceConfig::default());
    let refuse = |codes: &[u16], text: &[u32]| stage.assemble("k", codes, text).unwrap_err();
    assert_eq!(refuse(&[], &[306]), SequenceError::NoCodes);
    assert_eq!(
        refuse(&[16_384], &[306]),
        SequenceError::Code {
            code: 16_384,
            codebook_size: 16_384
        }
    );
    assert_eq!(
        refuse(&[0], &[32_000]),
        SequenceError::TextId {
            id: 32_000,
            text_size: 32_000
        }
    );
    assert_eq!(
        refuse(&[0], &[306, 2, 306]),
        SequenceError::SpecialInText { id: 2 }
    );
}

#[test]
fn a_special_token_that_the_tokenizer_lacks_is_refused_when_it_is_asked_for() {
    let without_bos = Vocabulary {
        bos: u32::MAX,
        ..LAVIT
    };
    assert_eq!(SequenceConfig::default().validate(&without_bos), Ok(()));
    let config = SequenceConfig {
        bos: true,
        ..SequenceConfig::default()
    };
    assert_eq!(
        config.validate(&without_bos),
        Err(SequenceError::NoSpecial { name: "bos" })
    );
    assert!(
        SequenceStage::new(config, without_bos)
            .assemble("k", &[0], &[306])
            .is_err()
    );
}

#[test]
fn what_is_no_sequence_is_refused_with_its_place() {
    let refuse = |ids: &[u32]| parse(&LAVIT, ids).unwrap_err();
    assert_eq!(
        refuse(&[48_386]),
        ParseError::Id {
            id: 48_386,
            position: 0,
            size: 48_386
        }
    );
    assert_eq!(
        refuse(&[306, 32_002, 2]),
        ParseError::OutsideImage {
            id: 32_002,
            position: 1
        }
    );
    assert_eq!(
        refuse(&[32_001, 2]),
        ParseError::OutsideImage {
            id: 32_001,
            position: 0
        }
    );
    assert_eq!(
        refuse(&[32_000, 306]),
        ParseError::InsideImage { id: 306, position: 1 }
    );
    assert_eq!(
        refuse(&[32_000, 32_000]),
        ParseError::InsideImage {
            id: 32_000,
            position: 1
        }
    );
    assert_eq!(
        refuse(&[306, 32_000, 32_002]),
        ParseError::Unclosed { position: 1 }
    );
    assert_eq!(refuse(&[32_000, 32_001]), ParseError::EmptyImage { position: 0 });
    assert_eq!(
        refuse(&[306, 2, 306]),
        ParseError::SpecialAmid { id: 2, position: 1 }
    );
}

#[test]
fn a_pair_that_is_not_what_it_states_is_refused() {
    let pair = stage(with_order(OrderPolicy::ImageText))
        .assemble("k", &[3, 4], &[306])
        .unwrap()
        .remove(0);
    let order = Order::TextImage;
    assert_eq!(
        parse_pair(
            &LAVIT,
            &Sequence {
                order,
                ..pair.clone()
            }
        ),
        Err(ParseError::NotThePair { order })
    );
    let moved = parse_pair(&LAVIT, &Sequence { image_len: 1, ..pair });
    assert!(
        matches!(
            moved,
            Err(ParseError::Span {
                stated_len: 1,
                len: 2,
                ..
            })
        ),
        "{moved:?}"
    );
}

fn text() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(3_u32..32_000, 1..40)
}

fn codes() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(0_u16..16_384, 1..257)
}

fn segments() -> impl Strategy<Value = Vec<Segment>> {
    let segment = prop_oneof![text().prop_map(Segment::Text), codes().prop_map(Segment::Image)];
    proptest::collection::vec(segment, 0..6).prop_map(|mut segments| {
        segments.dedup_by(|a, b| matches!((a, b), (Segment::Text(_), Segment::Text(_))));
        segments
    })
}

proptest! {
    #[test]
    fn every_pair_parses_back_to_its_parts(
        key in ".{0,12}", codes in codes(), text in text(), bos: bool, eos: bool, image_text in 0.0..=1.0,
    ) {
        for order in [OrderPolicy::Both, OrderPolicy::Alternate, OrderPolicy::Probability(image_text)] {
            let config = SequenceConfig { bos, eos, ..with_order(order) };
            for sequence in stage(config).assemble(&key, &codes, &text).unwrap() {
                let parts = parse_pair(&LAVIT, &sequence).unwrap();
                prop_assert_eq!(&parts.codes, &codes);
                prop_assert_eq!(&parts.text_ids, &text);
                let parsed = parse(&LAVIT, &sequence.input_ids).unwrap();
                prop_assert_eq!((parsed.bos, parsed.eos), (bos, eos));
            }
        }
    }

    #[test]
    fn every_document_parses_back_to_its_segments(segments in segments(), bos: bool, eos: bool) {
        let config = SequenceConfig { bos, eos, ..SequenceConfig::default() };
        let document = stage(config).assemble_document(&segments).unwrap();
        let parsed = parse(&LAVIT, &document.input_ids).unwrap();
        prop_assert_eq!(&parsed.segments, &segments);
        prop_assert_eq!(&parsed.images, &document.images);
        prop_assert_eq!((parsed.bos, parsed.eos), (bos, eos));
        let texts: Vec<Segment> = segments.iter().filter(|segment| matches!(segment, Segment::Text(_))).cloned().collect();
        let of_span = |span: &Span| document.input_ids[span.start as usize..(span.start + span.len) as usize].to_vec();
        prop_assert_eq!(document.texts.iter().map(|span| Segment::Text(of_span(span))).collect::<Vec<_>>(), texts);
        for span in document.images {
            let start = span.start as usize;
            prop_assert_eq!(document.input_ids[start - 1], LAVIT.image_start());
            prop_assert_eq!(document.input_ids[start + span.len as usize], LAVIT.image_end());
        }
    }

    #[test]
    fn a_pairs_orders_depend_on_its_key_alone(key in ".{0,12}", a in codes(), b in codes(), text in text()) {
        let orders = |codes: &[u16], text: &[u32]| -> Vec<Order> {
            let sequences = stage(SequenceConfig::default()).assemble(&key, codes, text).unwrap();
            sequences.into_iter().map(|sequence| sequence.order).collect()
        };
        prop_assert_eq!(orders(&a, &text), orders(&b, &[9]));
    }

    #[test]
    fn arbitrary_ids_parse_or_are_refused_and_never_crash(ids in proptest::collection::vec(
        prop_oneof![0_u32..4, 31_998_u32..32_004, 48_380_u32..48_390], 0..12,
    )) {
        let _ = parse(&LAVIT, &ids);
    }
}
