//! `img2tokens model verify`: what two models, or two settings of one, make of the same images.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use img2tokens_image::{ImageConfig, ImageStage};
use img2tokens_schemas::shown::{screen, shown};
use img2tokens_schemas::{Failure, VisualTokens};
use img2tokens_vision::Extras;
use serde_json::{Value, json};

use super::agreement::Agreement;
use crate::cli::{ModelArgs, ModelVerifyArgs};
use crate::commands::files::failure_line;
use crate::commands::tokenize::tokenized;
use crate::console::{print, print_line};
use crate::exit::{Exit, Failed};
use crate::model::{self, Model};

/// An image file and how far the sides agree on it, or why one of them had nothing to compare.
type Compared<'a> = (&'a Path, Result<Agreement, Failure>);

/// However much they differ, comparing has succeeded; an image that cannot be read is exit 1.
pub(super) fn verify(args: &ModelVerifyArgs) -> Result<Exit, Failed> {
    let sides = args.sides();
    let [a, b] = open_both(&sides)?;
    // One after the other: two models need not fit in memory.
    let [side_a, side_b] = &sides;
    let a = tokenize_all(side_a, &a, &args.images)?;
    let b = tokenize_all(side_b, &b, &args.images)?;
    let images: Vec<Compared<'_>> = args
        .images
        .iter()
        .map(PathBuf::as_path)
        .zip(a.into_iter().zip(b).map(|(a, b)| Ok(Agreement::of(&a?, &b?))))
        .collect();
    if args.json {
        print_line(report(&sides, &images))
    } else {
        print(screen(&table(&sides, &images).map_err(Failed::run)?))
    }
    .map_err(Failed::run)?;
    let all_done = images.iter().all(|(_, compared)| compared.is_ok());
    Ok(if all_done { Exit::Done } else { Exit::Failed })
}

/// The models of both sides, whose masks can be compared.
fn open_both([a, b]: &[ModelArgs; 2]) -> Result<[Model; 2], Failed> {
    let open =
        |side: &ModelArgs| model::open(&side.vision(), side.model_config.as_deref()).map_err(Failed::usage);
    let both = [open(a)?, open(b)?];
    let [patches_a, patches_b] = both.each_ref().map(|model| model.config().patches());
    if patches_a == patches_b {
        Ok(both)
    } else {
        Err(Failed::usage(anyhow::anyhow!(
            "their masks cannot be compared: {} has {patches_a} patches, {} has {patches_b}",
            a.model,
            b.model
        )))
    }
}

/// The tokens of all images; the loaded model is dropped at the end.
fn tokenize_all(
    side: &ModelArgs,
    opened: &Model,
    paths: &[PathBuf],
) -> Result<Vec<Result<VisualTokens, Failure>>, Failed> {
    let vision = side.vision();
    let mut loaded = model::load(&vision, Extras::default(), opened).map_err(Failed::usage)?;
    let size = u32::try_from(opened.config().image_size).map_err(Failed::usage)?;
    let images = ImageStage::new(ImageConfig {
        size,
        ..ImageConfig::default()
    });
    let mut tokens = Vec::new();
    for paths in paths.chunks(loaded.batch_size) {
        let made = tokenized(loaded.first(), &images, paths).map_err(Failed::run)?;
        tokens.extend(
            made.into_iter()
                .map(|picture| picture.map(|picture| picture.tokens)),
        );
    }
    Ok(tokens)
}

fn settings(side: &ModelArgs) -> Value {
    json!({
        "model": side.model,
        "model_config": side.model_config,
        "backend": side.backend,
        "dtype": side.dtype,
        "merger": side.merger,
    })
}

fn agreed<'a>(images: &'a [Compared<'_>]) -> impl Iterator<Item = Agreement> + 'a {
    images
        .iter()
        .filter_map(|(_, compared)| compared.as_ref().ok().copied())
}

/// The JSON object.
fn report([a, b]: &[ModelArgs; 2], images: &[Compared<'_>]) -> Value {
    let line = |(path, compared): &Compared<'_>| match compared {
        Ok(agreement) => json!({
            "path": path.to_string_lossy(),
            "identical": agreement.is_identical(),
            "agreement": agreement,
        }),
        Err(failure) => failure_line(path, failure),
    };
    let total: Agreement = agreed(images).sum();
    json!({
        "a": settings(a),
        "b": settings(b),
        "images": images.iter().map(line).collect::<Vec<_>>(),
        "total": {
            "images": agreed(images).count(),
            "identical": agreed(images).filter(Agreement::is_identical).count(),
            "agreement": total,
            "mask_share": total.mask_share(),
            "code_share": total.code_share(),
        },
    })
}

/// The same for people.
fn table([a, b]: &[ModelArgs; 2], images: &[Compared<'_>]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for (name, side) in [("a", a), ("b", b)] {
        writeln!(
            text,
            "{name}: {} {} {}",
            shown(&side.model),
            side.dtype.name(),
            side.merger.name()
        )?;
    }
    writeln!(
        text,
        "{:>17} {:>10} {:>10} {:>17}  image",
        "mask bits equal", "tokens a", "tokens b", "codes equal"
    )?;
    for (path, compared) in images {
        match compared {
            Ok(agreement) => row(&mut text, agreement, &shown(path.display()).to_string())?,
            Err(failure) => writeln!(text, "{}: {}", shown(path.display()), shown(&failure.detail))?,
        }
    }
    let total: Agreement = agreed(images).sum();
    let identical = agreed(images).filter(Agreement::is_identical).count();
    let summary = format!("total; {identical} of {} identical", agreed(images).count());
    row(&mut text, &total, &summary)?;
    Ok(text)
}

fn row(text: &mut String, agreement: &Agreement, name: &str) -> std::fmt::Result {
    let of = |part, whole| format!("{part}/{whole}");
    writeln!(
        text,
        "{:>17} {:>10} {:>10} {:>17}  {name}",
        of(agreement.mask_bits_equal, agreement.patches),
        agreement.tokens_a,
        agreement.tokens_b,
        of(agreement.codes_equal, agreement.kept_by_both),
    )
}
