//! WebDataset tars, as img2dataset writes them and as nobody should.
#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::io::Write;

use img2tokens_source::{Filter, InputFormat, Source, SourceConfig, SourceError, unify_kept};
use proptest::prelude::*;
use serde_json::json;
use support::{block_on, config, file, lines, read};
use tar::{Builder, EntryType, Header};

fn member(builder: &mut Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).expect("appends");
}

/// A header that may lie about its size, followed by nothing.
fn header(kind: EntryType, name: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_path(name).expect("a short name");
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

/// An archive of `samples` samples in img2dataset's layout.
fn archive(samples: usize) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for sample in 0..samples {
        let json = json!({
            "url": format!("http://a/{sample}"), "caption": format!("in json {sample}"), "key": format!("{sample:09}"),
            "original_width": sample * 10, "similarity": 0.5, "sha256": "ab".repeat(32), "error_message": null,
        });
        member(
            &mut builder,
            &format!("{sample:09}.jpg"),
            format!("jpeg {sample}").as_bytes(),
        );
        member(
            &mut builder,
            &format!("{sample:09}.json"),
            json.to_string().as_bytes(),
        );
        member(
            &mut builder,
            &format!("{sample:09}.txt"),
            format!("caption {sample}").as_bytes(),
        );
    }
    builder.into_inner().expect("finishes")
}

#[tokio::test]
async fn samples_of_img2dataset_come_with_their_metadata() {
    let keep = ["original_width", "similarity"].map(str::to_owned).to_vec();
    let whole = read(
        &file("00000.tar", archive(3)).await,
        SourceConfig {
            keep_columns: keep,
            ..config(1, 2)
        },
    )
    .await;
    let whole = whole.expect("reads");
    assert_eq!(
        lines(&whole.rows),
        [
            "000000000 jpeg 0@http://a/0 caption 0 [0,0.5]",
            "000000001 jpeg 1@http://a/1 caption 1 [10,0.5]",
            "000000002 jpeg 2@http://a/2 caption 2 [20,0.5]",
        ]
    );
    assert_eq!(
        (whole.survey.rows, whole.survey.extents.len()),
        (None, 1),
        "a tar is one unit, counted as it is read"
    );
    assert_eq!(whole.survey.format, InputFormat::WebDataset);
    let digests = whole
        .rows
        .iter()
        .map(|row| row.as_ref().expect("row").stated_digest.as_ref());
    assert!(
        digests.flatten().next().is_none(),
        "a resized picture does not have the digest of the original"
    );
}

#[tokio::test]
async fn config_names_metadata_for_keys_captions_digests_and_filters() {
    let config = SourceConfig {
        key_column: Some("url".into()),
        text_column: Some("caption".into()),
        digest_column: Some("sha256".into()),
        filters: vec![Filter {
            column: "original_width".into(),
            min: Some(10.0),
            max: None,
        }],
        ..config(10, 10)
    };
    let whole = read(&file("00000.tar", archive(2)).await, config)
        .await
        .expect("reads");
    assert_eq!(lines(&whole.rows), ["http://a/1 jpeg 1@http://a/1 in json 1 []"]);
    assert!(whole.rows[0].as_ref().expect("row").stated_digest.is_some());
    let missing = SourceConfig {
        keep_columns: vec!["width".into()],
        ..support::config(10, 10)
    };
    let error = read(&file("00000.tar", archive(2)).await, missing)
        .await
        .err()
        .expect("refuses")
        .to_string();
    assert!(
        error.contains("`width`") && error.contains("original_width"),
        "{error}"
    );
}

#[tokio::test]
async fn a_kept_column_that_is_null_where_it_was_looked_at_takes_whatever_comes_as_text() {
    let mut builder = Builder::new(Vec::new());
    for sample in 0..40 {
        let note = if sample == 39 { "7" } else { "null" };
        member(
            &mut builder,
            &format!("{sample}.json"),
            format!("{{\"note\": {note}}}").as_bytes(),
        );
    }
    let input = file("a.tar", builder.into_inner().expect("finishes")).await;
    let source = Source::new(SourceConfig {
        keep_columns: vec!["note".into()],
        ..config(10, 100)
    });
    let mut survey = source.survey(&input).await.expect("surveys");
    unify_kept([("a.tar", &mut survey)]).expect("one input agrees with itself");
    let batches = support::batches(&source, &input, &survey).await.expect("reads");
    let shown = lines(&batches[0][0].rows);
    assert_eq!(
        (shown[0].as_str(), shown[39].as_str()),
        ("0 missing null []", "39 missing null [7]")
    );
}

#[tokio::test]
async fn samples_that_lack_a_member_or_have_a_broken_one_are_rows_all_the_same() {
    let mut builder = Builder::new(Vec::new());
    member(&mut builder, "./a/0.webp", b"only a picture");
    member(&mut builder, "./a/1.txt", b"only a caption");
    member(&mut builder, "a/2.png", b"png");
    member(
        &mut builder,
        "a/2.json",
        b"{\"caption\": \"from json\", \"url\": null}",
    );
    member(&mut builder, "a/3.jpg", b"jpg");
    member(&mut builder, "a/3.json", b"{");
    member(&mut builder, "a/4.jpg", &[b'x'; 100]);
    member(&mut builder, "a/4.txt", b"too large a picture");
    builder
        .append(&header(EntryType::Symlink, "a/5.jpg", 0), std::io::empty())
        .expect("appends");
    member(&mut builder, "README", b"belongs to no sample");
    member(&mut builder, "a/6.txt", b"\xff");
    let long = format!("{}/7", "directory/".repeat(30));
    member(&mut builder, &format!("{long}.jpg"), b"long name");
    member(&mut builder, &format!("{long}.cls"), b"ignored");
    let archive = builder.into_inner().expect("finishes");
    let whole = read(
        &file("a.tar", archive).await,
        SourceConfig {
            max_image_bytes: 50,
            ..config(10, 3)
        },
    )
    .await;
    let lines = lines(&whole.expect("reads").rows);
    assert_eq!(lines[0], "a/0 only a picture@ null []");
    assert_eq!(lines[1], "a/1 missing only a caption []");
    assert_eq!(lines[2], "a/2 png@ from json []");
    assert!(
        lines[3].starts_with("a/3 corrupt_row `a/3.json`: EOF"),
        "{}",
        lines[3]
    );
    assert_eq!(
        lines[4],
        "a/4 too_large `a/4.jpg` has 100 bytes, at most 50 are allowed"
    );
    assert_eq!(lines[5], "a/5 corrupt_row `a/5.jpg` is a link");
    assert!(lines[6].starts_with("a/6 corrupt_row"), "{}", lines[6]);
    assert_eq!(lines[7], format!("{long} long name@ null []"));
    assert_eq!(lines.len(), 8);
}

#[tokio::test]
async fn pax_names_and_sizes_count_and_sparse_files_fail_their_sample() {
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions([("path", b"b/\xc3\xa9.jpg".as_slice()), ("size", b"3")])
        .expect("appends");
    let mut lying = header(EntryType::Regular, "short.jpg", 3);
    lying.set_size(0);
    lying.set_cksum();
    builder.get_mut().write_all(lying.as_bytes()).expect("writes");
    let mut content = [0; 512];
    content[..3].copy_from_slice(b"jpg");
    builder.get_mut().write_all(&content).expect("writes");
    builder
        .append_pax_extensions([("GNU.sparse.major", b"1".as_slice())])
        .expect("appends");
    member(&mut builder, "c.jpg", b"0");
    let archive = builder.into_inner().expect("finishes");
    let whole = read(&file("a.tar", archive).await, config(10, 10))
        .await
        .expect("reads");
    assert_eq!(
        lines(&whole.rows),
        ["b/é jpg@ null []", "c corrupt_row `c.jpg` is a sparse file"]
    );
}

#[tokio::test]
async fn an_archive_that_ends_between_two_members_gives_its_whole_samples() {
    let whole = archive(3);
    for kept in [0, 1, 2, 3] {
        // A sample is three members of a header and a block each; the end mark is cut off with the samples.
        let cut = whole[..kept * 3 * 1024].to_vec();
        let rows = read(&file("half.tar", cut).await, config(10, 10))
            .await
            .expect("reads")
            .rows;
        assert_eq!(rows.len(), kept);
        assert!(
            rows.iter()
                .all(|row| row.as_ref().is_ok_and(|row| row.caption.is_some()))
        );
    }
}

#[tokio::test]
async fn hostile_archives_are_errors_that_say_where() {
    let end = [0; 1024].as_slice();
    let after = |headers: Vec<Header>| -> Vec<u8> {
        let mut bytes = archive(1);
        bytes.truncate(bytes.len() - 1024);
        headers
            .iter()
            .for_each(|header| bytes.extend_from_slice(header.as_bytes()));
        bytes.extend_from_slice(end);
        bytes
    };
    let whole = archive(3);
    let mut wrong_checksum = whole.clone();
    wrong_checksum[3] ^= 1;
    let long_name = |_| header(EntryType::GNULongLink, "K", 0);
    let cases = [
        (
            "it ends within a header",
            whole[..whole.len() - 1024 - 1024 + 100].to_vec(),
        ),
        ("it ends within a member", whole[..515].to_vec()),
        ("checksum", wrong_checksum),
        (
            "longer than 64 KiB",
            after(vec![header(EntryType::GNULongName, "L", 1 << 40)]),
        ),
        (
            "longer than 64 KiB",
            after(vec![header(EntryType::XHeader, "x", u64::MAX >> 2)]),
        ),
        (
            "too many extension headers",
            after((0..100).map(long_name).collect()),
        ),
        ("sparse", after(vec![header(EntryType::GNUSparse, "s.jpg", 1)])),
        (
            "out of range",
            after(vec![header(EntryType::Regular, "z.npy", u64::MAX)]),
        ),
        (
            "it ends within a member",
            after(vec![header(EntryType::Regular, "z.npy", 1 << 60)]),
        ),
        (
            "it ends within a member",
            after(vec![header(EntryType::Regular, "z.jpg", 60 << 20)]),
        ),
    ];
    for (problem, bytes) in cases {
        let error = read(&file("bad.tar", bytes).await, config(10, 10))
            .await
            .err()
            .expect(problem);
        assert!(
            matches!(&error, SourceError::Broken { input, .. } | SourceError::Corrupt { input, .. } if input == "mem://bad.tar"),
            "{error:?}"
        );
        assert!(error.to_string().contains(problem), "{error} is not: {problem}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn compressed_or_not_every_sample_comes_once(samples in 1_usize..30, batch in 1_usize..10, coding in 0..3) {
        let plain = archive(samples);
        let (name, bytes) = match coding {
            0 => ("a.tar", plain),
            1 => ("a.tar.zst", zstd::encode_all(plain.as_slice(), 1).expect("compresses")),
            _ => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&plain).expect("compresses");
                ("a.tgz", encoder.finish().expect("compresses"))
            }
        };
        let whole = block_on(async { read(&file(name, bytes).await, config(5, batch)).await }).expect("reads");
        let expected: Vec<String> = (0..samples)
            .map(|sample| format!("{sample:09} jpeg {sample}@http://a/{sample} caption {sample} []"))
            .collect();
        prop_assert_eq!(lines(&whole.rows), expected);
    }

    #[test]
    fn no_flipped_bytes_make_a_reader_of_tars_panic(flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let mut bytes = archive(4);
        let length = bytes.len();
        for (at, value) in flips {
            bytes[at % length] = value;
        }
        // A row, a failed row or an error: `read` checks the count; a panic would be `Interrupted`.
        let whole = block_on(async { read(&file("a.tar", bytes).await, config(5, 3)).await });
        let died = matches!(whole.err(), Some(SourceError::Interrupted { .. }));
        prop_assert!(!died);
    }
}
