//! The suite that every backend runs, against what the published code computed (tests/data/golden).
//!
//! A backend's test says `img2tokens_vision::conformance_suite!(make)`, where `make` turns a checkpoint and a
//! selection into a tokenizer in float32.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests: they end by panicking"
)]

mod golden;
mod npz;
mod suite;

pub use golden::{Golden, NAMES, Sample, golden_directory};
pub use npz::Npz;
pub use suite::{
    a_picture_of_another_size_is_refused, codes_and_masks_under_argmax, codes_and_masks_under_given_noise,
    codes_of_edge_masks, gumbel_ids_depend_on_the_key_alone, ids_depend_on_no_neighbour,
    published_files_give_the_ids_of_safetensors,
};

use crate::{Checkpoint, Selection, VisualTokenizer};

/// How a backend makes a tokenizer in float32.
pub type Make<'a> = &'a dyn Fn(&Checkpoint, Selection) -> Box<dyn VisualTokenizer>;

/// Makes a `#[test]` of each part of the suite.
#[macro_export]
macro_rules! conformance_suite {
    ($make:expr) => {
        $crate::conformance_suite!(@tests $make;
            codes_and_masks_under_argmax,
            codes_and_masks_under_given_noise,
            codes_of_edge_masks,
            ids_depend_on_no_neighbour,
            gumbel_ids_depend_on_the_key_alone,
            published_files_give_the_ids_of_safetensors,
            a_picture_of_another_size_is_refused,
        );
    };
    (@tests $make:expr; $($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::$name(&$make);
            }
        )+
    };
}
