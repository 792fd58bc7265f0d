//! Documents to packs: nothing is lost, no image is split, little room is left.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeMap;

use img2tokens_schemas::Vocabulary;
use img2tokens_sequence::{
    Pack, PackConfig, PackError, PackMethod, PackStats, Packer, Segment, SequenceConfig, SequenceStage, draw,
};
use proptest::prelude::*;

const LAVIT: Vocabulary = Vocabulary {
    text_size: 32_000,
    codebook_size: 16_384,
    bos: 1,
    eos: 2,
};

fn config(method: PackMethod, length: usize, open_packs: usize) -> PackConfig {
    PackConfig {
        method,
        length,
        open_packs,
    }
}

fn document(segments: &[Segment]) -> Vec<u32> {
    let stage = SequenceStage::new(SequenceConfig::default(), LAVIT);
    stage.assemble_document(segments).unwrap().input_ids
}

fn pack_all(config: PackConfig, documents: &[Vec<u32>]) -> (Vec<Pack<u64>>, PackStats) {
    let mut packer = Packer::new(config, LAVIT).unwrap();
    let mut packs: Vec<Pack<u64>> = (0..)
        .zip(documents)
        .flat_map(|(number, ids)| packer.push(number, ids).unwrap())
        .collect();
    let (last, stats) = packer.finish();
    packs.extend(last);
    (packs, stats)
}

/// The documents as they can be put together again from the packs' pieces.
fn unpack(packs: &[Pack<u64>]) -> BTreeMap<u64, Vec<u32>> {
    let mut pieces: Vec<_> = packs
        .iter()
        .flat_map(|pack| pack.pieces.iter().map(move |piece| (pack, piece)))
        .collect();
    pieces.sort_by_key(|(_, piece)| (piece.document, piece.offset));
    let mut documents: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for (pack, piece) in pieces {
        let document = documents.entry(piece.document).or_default();
        assert_eq!(document.len(), piece.offset, "a piece follows the one before it");
        document.extend(&pack.input_ids[piece.range.clone()]);
    }
    documents
}

#[test]
fn concat_fills_every_pack_and_the_overflow_starts_the_next() {
    let documents = [vec![3, 4, 2], vec![5, 6, 7, 8, 2], vec![9, 2]];
    let (packs, stats) = pack_all(config(PackMethod::Concat, 4, 1), &documents);
    let ids: Vec<&[u32]> = packs.iter().map(|pack| pack.input_ids.as_slice()).collect();
    assert_eq!(ids, [&[3, 4, 2, 5][..], &[6, 7, 8, 2], &[9, 2]]);
    assert_eq!(packs[0].segment_ids(), [0, 0, 0, 1]);
    assert_eq!(packs[0].cumulative_lengths(), [0, 3, 4]);
    assert_eq!((packs[1].pieces[0].document, packs[1].pieces[0].offset), (1, 1));
    assert_eq!(
        stats,
        PackStats {
            documents: 3,
            packs: 3,
            tokens: 10,
            capacity: 12
        }
    );
}

#[test]
fn best_fit_takes_the_fullest_pack_with_room() {
    let text = |len: u32| document(&[Segment::Text((3..2 + len).collect())]);
    let documents = [text(5), text(7), text(3), text(4)];
    let (packs, stats) = pack_all(config(PackMethod::BestFit, 10, 8), &documents);
    let lengths: Vec<Vec<u64>> = packs
        .iter()
        .map(|pack| pack.pieces.iter().map(|piece| piece.document).collect())
        .collect();
    assert_eq!(lengths, [vec![1, 2], vec![0, 3]]);
    assert!((stats.fill_rate() - 0.95).abs() < 1e-12);
}

#[test]
fn a_document_longer_than_a_pack_is_cut_before_an_image_and_not_within() {
    let ids = document(&[
        Segment::Text(vec![9; 6]),
        Segment::Image(vec![1; 4]),
        Segment::Text(vec![8; 12]),
    ]);
    let (packs, _) = pack_all(config(PackMethod::BestFit, 10, 8), std::slice::from_ref(&ids));
    let mut pieces: Vec<usize> = packs
        .iter()
        .flat_map(|pack| &pack.pieces)
        .map(|piece| piece.offset)
        .collect();
    pieces.sort_unstable();
    assert_eq!(pieces, [0, 6, 16]);
    assert_eq!(unpack(&packs)[&0], ids);
}

#[test]
fn an_image_longer_than_a_pack_is_refused_and_leaves_nothing_behind() {
    let mut packer = Packer::new(config(PackMethod::BestFit, 10, 8), LAVIT).unwrap();
    let ids = document(&[Segment::Text(vec![9; 20]), Segment::Image(vec![1; 9])]);
    assert_eq!(
        packer.push(0, &ids).unwrap_err(),
        PackError::ImageTooLong {
            document: 0,
            image: 11,
            length: 10
        }
    );
    packer.push(1, &[9, 2]).unwrap();
    let (packs, _) = packer.finish();
    assert_eq!(unpack(&packs), BTreeMap::from([(1, vec![9, 2])]));
}

#[test]
fn a_config_that_cannot_pack_is_refused() {
    let refuse = |config| Packer::<u64>::new(config, LAVIT).unwrap_err();
    assert_eq!(refuse(config(PackMethod::Concat, 0, 1)), PackError::ZeroLength);
    assert_eq!(refuse(config(PackMethod::BestFit, 10, 0)), PackError::NoOpenPacks);
}

/// Lengths as LAION and LaVIT give them: about 90 codes an image (from 20 to 256, bell-shaped), and captions of a
/// log-normal length with a median of 14 ids and a long tail.
fn laion_like(index: u32) -> Vec<u32> {
    let uniform = |purpose, seed| draw::fraction(purpose, seed, &index.to_string());
    let bell: f64 = (0..12)
        .map(|seed| uniform(draw::Purpose::Order, seed))
        .sum::<f64>()
        - 6.0;
    let other: f64 = (0..12)
        .map(|seed| uniform(draw::Purpose::Caption, seed))
        .sum::<f64>()
        - 6.0;
    let codes = (90.0 + 30.0 * bell).clamp(20.0, 256.0) as usize;
    let text = (14.0 * (0.8 * other).exp()).clamp(1.0, 512.0) as usize;
    document(&[Segment::Image(vec![7; codes]), Segment::Text(vec![306; text])])
}

#[test]
fn best_fit_leaves_less_than_two_in_a_hundred_empty_on_laion_like_lengths() {
    let documents: Vec<Vec<u32>> = (0..20_000).map(laion_like).collect();
    let (packs, stats) = pack_all(PackConfig::default(), &documents);
    assert_eq!(stats.documents, 20_000);
    assert_eq!(
        stats.tokens,
        documents.iter().map(|ids| ids.len() as u64).sum::<u64>()
    );
    assert!(
        packs
            .iter()
            .all(|pack| pack.pieces.iter().all(|piece| piece.offset == 0)),
        "no document is cut"
    );
    assert!(stats.fill_rate() >= 0.98, "{}", stats.fill_rate());
    println!("fill rate {:.4} over {} packs", stats.fill_rate(), stats.packs);
}

fn documents() -> impl Strategy<Value = Vec<Vec<u32>>> {
    let text = proptest::collection::vec(3_u32..32_000, 1..60).prop_map(Segment::Text);
    let image = proptest::collection::vec(0_u16..16_384, 1..19).prop_map(Segment::Image);
    let segments = proptest::collection::vec(prop_oneof![text, image], 1..5);
    proptest::collection::vec(segments.prop_map(|segments| document(&segments)), 0..30)
}

proptest! {
    #[test]
    fn packing_loses_and_doubles_no_token(
        documents in documents(), concat: bool, length in 20_usize..80, open_packs in 1_usize..6,
    ) {
        let method = if concat { PackMethod::Concat } else { PackMethod::BestFit };
        let (packs, stats) = pack_all(config(method, length, open_packs), &documents);
        let unpacked = unpack(&packs);
        prop_assert_eq!(unpacked.into_values().collect::<Vec<_>>(), documents);
        prop_assert_eq!(stats.packs, packs.len() as u64);
        for pack in &packs {
            prop_assert!((1..=length).contains(&pack.input_ids.len()));
            prop_assert_eq!(pack.segment_ids().len(), pack.input_ids.len());
            prop_assert_eq!(*pack.cumulative_lengths().last().unwrap(), pack.input_ids.len());
        }
        if concat {
            prop_assert!(packs.iter().rev().skip(1).all(|pack| pack.input_ids.len() == length));
        }
    }

    #[test]
    fn best_fit_splits_no_image(documents in documents(), length in 20_usize..80, open_packs in 1_usize..6) {
        let (packs, _) = pack_all(config(PackMethod::BestFit, length, open_packs), &documents);
        for pack in &packs {
            for piece in &pack.pieces {
                let ids = &pack.input_ids[piece.range.clone()];
                let marks: Vec<u32> = ids.iter().copied().filter(|id| (32_000..32_002).contains(id)).collect();
                prop_assert!(marks.chunks(2).all(|pair| pair == [32_000, 32_001]), "{marks:?}");
                prop_assert!(ids.first().is_none_or(|id| *id < 32_001) );
            }
        }
    }

    #[test]
    fn packing_is_a_function_of_its_input(documents in documents(), length in 20_usize..80) {
        let config = config(PackMethod::BestFit, length, 4);
        prop_assert_eq!(pack_all(config, &documents), pack_all(config, &documents));
    }
}
