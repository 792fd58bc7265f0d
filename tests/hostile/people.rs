//! What people read: no text from outside speaks to the terminal, or writes the card's own words.

use std::fs;

use crate::confined::{self, Ended};
use crate::program::write_parquet;
use crate::scene::Scene;

/// A red screen, a cleared line, a reversed reading direction, a bell, a line of its own, C1's CSI, a zero-width space.
const HARM: [&str; 7] = [
    "\x1b[31m",
    "\x1b[2K\r",
    "\u{202e}",
    "\x07",
    "\nimg2tokens: all is well",
    "\u{9b}31m",
    "\u{200b}",
];

/// Asserts that nothing that was said for people has a character in it that does something.
#[track_caller]
fn expect_plain(ended: &Ended) {
    for text in [&ended.stderr, &ended.stdout] {
        expect_plain_text(text);
        assert!(
            !text.contains("\nimg2tokens: all is well"),
            "a line of its own: {text:?}"
        );
    }
}

#[track_caller]
fn expect_plain_text(text: &str) {
    let acts = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: Vec<char> = text.chars().filter(|c| acts(*c)).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
}

/// Pairs whose keys, URLs and captions mean harm; the keys twice, so that `verify` names them.
fn harmful_pairs(scene: &Scene) {
    let column =
        |value: fn(&str) -> Option<String>| HARM.into_iter().chain(HARM).map(value).collect::<Vec<_>>();
    write_parquet(
        &scene.path("pairs.parquet"),
        &[
            ("key", column(|harm| Some(format!("key{harm}end")))),
            ("url", column(|harm| Some(format!("no url {harm}")))),
            ("caption", column(|harm| Some(format!("caption{harm}end")))),
        ],
    );
}

#[test]
fn keys_urls_and_captions_reach_no_terminal_raw() {
    let scene = Scene::new();
    harmful_pairs(&scene);
    let ran = scene.run(&[]);
    ran.expect_code(0);
    expect_plain(&ran);
    let verified = scene.of_output("verify", &[]);
    verified.expect_code(1);
    expect_plain(&verified);
    let card = fs::read_to_string(scene.output().join("README.md")).unwrap();
    expect_plain_text(&card);
}

#[test]
fn inspect_shows_what_it_reads_escaped() {
    let scene = Scene::new();
    let good = crate::make::good_picture(0);
    let rows: Vec<(String, Vec<u8>)> = HARM.map(|harm| (format!("key{harm}end"), good.clone())).into();
    crate::scene::write_rows(&scene.path("pairs.parquet"), &rows);
    scene.run(&[]).expect_code(0);
    expect_plain(&scene.of_output("inspect", &[]));
    for harm in HARM {
        let key = format!("key{harm}end");
        expect_plain(&scene.of_output("inspect", &["--key", &key]));
        expect_plain(&scene.of_output("inspect", &["--key", &format!("absent{harm}")]));
    }
}

#[test]
fn names_of_columns_reach_no_terminal_raw() {
    for harm in HARM {
        let scene = Scene::new();
        let column = || vec![Some("x".to_owned())];
        let named = format!("column{harm}end");
        write_parquet(
            &scene.path("pairs.parquet"),
            &[(&named, column()), ("caption", column())],
        );
        let ran = scene.run(&[]);
        ran.expect_code_among(&[1, 2]);
        expect_plain(&ran);
    }
}

#[test]
fn names_of_files_reach_no_terminal_and_no_card_raw() {
    let scene = Scene::new();
    scene.write_pairs(&[]);
    fs::create_dir(scene.path("inputs")).unwrap();
    fs::copy(scene.path("pairs.parquet"), scene.path("inputs/pairs.parquet")).unwrap();
    for (number, harm) in HARM.iter().enumerate() {
        fs::write(
            scene.path("inputs").join(format!("{number}{harm}.parquet")),
            "no table",
        )
        .unwrap();
    }
    let ran = confined::run(&["run", &scene.config_over("inputs")]);
    ran.expect_code_among(&[0, 1, 2]);
    expect_plain(&ran);
    if let Ok(card) = fs::read_to_string(scene.output().join("README.md")) {
        expect_plain_text(&card);
    }
}

#[test]
fn names_of_pictures_given_to_a_command_reach_no_terminal_raw() {
    let scene = Scene::new();
    for (number, harm) in HARM.iter().enumerate() {
        let file = scene.path(&format!("{number}{harm}.png"));
        fs::write(&file, "no picture").unwrap();
        for command in ["prepare", "tokenize"] {
            let ended = confined::run(&[command, file.to_str().unwrap()]);
            ended.expect_code(1);
            // What it prints is JSON, for programs: names in it are exact.
            expect_plain_text(&ended.stderr);
        }
    }
}

/// The card is Markdown with HTML in it, and is shown on a web site.
#[test]
fn the_card_shows_names_as_text() {
    let scene = Scene::new();
    fs::create_dir(scene.path("inputs")).unwrap();
    scene.write_pairs(&[]);
    let name = "inputs/a|b`<img src=x onerror=alert(1)>[click](javascript:x)`.parquet".replace("//", "");
    fs::rename(scene.path("pairs.parquet"), scene.path(&name)).unwrap();
    let ran = confined::run(&["run", &scene.config_over("inputs")]);
    ran.expect_code(0);
    let card = fs::read_to_string(scene.output().join("README.md")).unwrap();
    assert!(!card.contains("<img src=x"), "{card}");
    // It stands in a code span, which it must not be able to end: then the link in it is text.
    assert!(
        !card.contains("a|b`") && !card.contains("(javascript:x)`.parquet"),
        "{card}"
    );
}
