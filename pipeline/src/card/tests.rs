//! What the card says, whatever the plan holds.

use std::sync::Arc;

use img2tokens_schemas::shown::is_hidden;
use img2tokens_source::Survey;
use img2tokens_vision::ModelConfig;
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::json;

use super::*;
use crate::plan::{Identity, PlannedInput};

#[test]
fn selection_says_how_and_within_which_bounds() {
    let argmax =
        json!({ "vision": { "selection": "argmax", "seed": 0, "min_tokens": null, "max_tokens": 64 } });
    assert!(selection(&argmax).ends_with("(`argmax`), at most 64"));
    let gumbel = json!({ "vision": { "selection": "gumbel", "seed": 7 } });
    assert!(selection(&gumbel).ends_with("(`gumbel`, seed 7)"));
}

#[test]
fn every_order_is_told_in_words_of_its_own() {
    let told = ["alternate", "both", "image_text", "text_image"]
        .map(|name| order(&json!({ "sequence": { "order": name } })));
    for (name, told) in ["alternate", "both", "image_text", "text_image"]
        .iter()
        .zip(&told)
    {
        assert!(told.starts_with(&format!("`{name}`")), "{told}");
    }
    let probability = order(&json!({ "sequence": { "order": 0.25 } }));
    assert!(probability.contains("probability 0.25"), "{probability}");
}

#[test]
fn an_image_on_the_left_is_told_from_lavits_own_input() {
    let told = |order: &str, features: &str| {
        image_on_the_left(&json!({ "sequence": { "order": order }, "output": { "features": features } }))
    };
    assert!(told("alternate", "none").ends_with("holds codes there as well."));
    assert!(told("both", "language_model_f16").contains("`image_features`"));
    assert!(told("text_image", "none").ends_with("no image stands on the left."));
}

/// What a plan or a config may hold where the card expects a word.
const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "</code></pre><img src=x onerror=alert(1)>",
    "[x](javascript:alert(1)) ![y](http://a.example/b.png)",
    "`` ` ```` <b>",
    "a | b\n|---|---|\n| c | d |",
    "x\n---\nlicense: mit\n---\n# heading",
    "\n```\n<script>",
    "<http://a.example> http://a.example www.a.example a@b.example",
    "a\u{1b}[31m\u{9b}2J\u{202e}\u{200b}\u{2028}\r\u{7f}",
    "**bold** _it_ ~~no~~ $$x$$ [^1]: {{ x }}",
    "&lt;script&gt; &#60;",
    "",
];

fn survey() -> Survey {
    let survey = json!({
        "size": 5, "etag": null, "last_modified": "", "format": "parquet", "compression": null, "rows": 1,
        "columns": {}, "header": [], "kept": [], "extents": [],
    });
    serde_json::from_value(survey).unwrap()
}

/// A plan that says `text` wherever it says anything.
fn plan_of(text: &str) -> Plan {
    let settings = json!({
        "vision": { "dtype": text, "merger": text, "backend": [text], "selection": "gumbel", "seed": text },
        "sequence": { "order": text, "bos": text, "eos": { text: text }, "text_dropout": text, "pack": text,
                      "packing": text },
        "text": { "captions": text, "max_tokens": text },
        "text_corpus": { "share": text },
        "input": { "caption_columns": [text, text] },
        "output": { "features": "language_model_f16" },
        text: text,
    });
    let model =
        json!({ "digest": text, "feature_merger": text, "decoder": text, "config": ModelConfig::lavit() });
    let identity = json!({
        "settings": settings, "fetch": { "agent": text, "deny_list": text }, "model": model, "tokenizer": text,
        "limit": null,
    });
    let identity: Identity = serde_json::from_value(identity).unwrap();
    let input = PlannedInput {
        name: text.to_owned(),
        survey: Arc::new(survey()),
    };
    Plan {
        program: text.to_owned(),
        hash: text.to_owned(),
        identity,
        identity_hash: text.to_owned(),
        units: 1,
        rows: Some(1),
        inputs: vec![input.clone(), input],
        texts: Vec::new(),
    }
}

/// Totals that make the card say all it may.
fn totals() -> Totals {
    let mut totals = Totals {
        units: 1,
        texts: 1,
        texts_dropped: 1,
        captions_truncated: 1,
        failures: [(FailureReason::TakenDown, 1)].into(),
        ..Totals::default()
    };
    totals.reconstruction.add(0.5);
    totals.packed.add(3, 4);
    totals
}

/// What a renderer makes of the card beside text and code, by its name and how often.
fn structure(card: &str) -> std::collections::BTreeMap<String, usize> {
    let (_, body) = card.split_once("\n---\n").unwrap();
    let mut counts = std::collections::BTreeMap::new();
    for event in Parser::new_ext(body, Options::all()) {
        let name = match event {
            Event::Text(_) | Event::SoftBreak | Event::End(_) => continue,
            Event::Start(Tag::CodeBlock(_)) => "code block".to_owned(),
            Event::Code(_) => "code".to_owned(),
            other => format!("{other:?}"),
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn nothing_that_a_plan_says_becomes_markup_or_hides_in_the_card() {
    let plain = structure(&card(&plan_of("plain"), &totals()));
    assert!(plain["code"] > 20 && plain["code block"] == 2, "{plain:?}");
    for text in HOSTILE {
        let card = card(&plan_of(text), &totals());
        assert_eq!(structure(&card), plain, "{card}");
        assert!(
            !card.contains(|character| character != '\n' && is_hidden(character)),
            "{card:?}"
        );
        assert!(!card.contains('<'), "{card}");
        let (front, _) = card.split_once("\n---\n").unwrap();
        let expected = "---\nconfigs:\n- config_name: default\n  data_files: data/*.parquet\n";
        assert_eq!(
            front,
            expected.trim_end(),
            "no key but ours, whatever the plan says"
        );
        assert_eq!(card.lines().filter(|line| *line == "---").count(), 2, "{card}");
    }
}

#[test]
fn an_input_of_a_long_name_is_cut_and_its_settings_stand_whole() {
    let long = "n".repeat(100_000);
    let card = card(&plan_of(&long), &totals());
    assert!(
        card.contains(&format!("- `{}…`, 5 bytes", "n".repeat(500))),
        "the name is cut"
    );
    let (_, settings) = card.split_once("```json\n").unwrap();
    let (settings, _) = settings.split_once("\n```").unwrap();
    let settings: Value = serde_json::from_str(settings).unwrap();
    assert_eq!(settings, plan_of(&long).identity.settings);
}
