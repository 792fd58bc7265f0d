//! From paths, directories and globs to files, on a disk and over HTTP.
#![allow(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::sync::Arc;

use img2tokens_source::{Input, InputFormat, Source, SourceError, expand};
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, ObjectStore};
use support::{config, lines, read};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A directory with these files, as a store whose root is that directory.
fn directory(files: &[(&str, &str)]) -> (tempfile::TempDir, Arc<dyn ObjectStore>) {
    let directory = tempfile::tempdir().expect("temporary directory");
    for (name, content) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("creates");
        std::fs::write(path, content).expect("writes");
    }
    let store = LocalFileSystem::new_with_prefix(directory.path()).expect("store");
    (directory, Arc::new(store))
}

async fn names(store: &Arc<dyn ObjectStore>, pattern: &str) -> Result<Vec<String>, SourceError> {
    let inputs = expand(store, "root/", pattern, None).await?;
    Ok(inputs.into_iter().map(|input| input.name).collect())
}

#[tokio::test]
async fn paths_globs_and_directories_expand_sorted() {
    let files = [
        "d/b.csv",
        "d/a.csv",
        "d/deep/c.csv.gz",
        "d/_SUCCESS",
        "d/.a.csv.crc",
        "d/notes.txt",
        "e/x",
    ];
    let (_held, store) = directory(&files.map(|name| (name, "url,text\n")));
    assert_eq!(names(&store, "d/a.csv").await.expect("a file"), ["root/d/a.csv"]);
    assert_eq!(
        names(&store, "e/x").await.expect("a file of any name"),
        ["root/e/x"]
    );
    assert_eq!(
        names(&store, "d/*.csv").await.expect("a glob"),
        ["root/d/a.csv", "root/d/b.csv"]
    );
    assert_eq!(
        names(&store, "**/[bc].csv*").await.expect("a glob"),
        ["root/d/b.csv", "root/d/deep/c.csv.gz"]
    );
    let all = ["root/d/a.csv", "root/d/b.csv", "root/d/deep/c.csv.gz"];
    assert_eq!(names(&store, "d").await.expect("a directory"), all);
    assert_eq!(names(&store, "d/").await.expect("a directory"), all);
    assert_eq!(names(&store, "").await.expect("the root"), all);
}

#[cfg(unix)]
#[tokio::test]
async fn names_with_control_characters_and_no_utf_8_are_passed_over_and_their_neighbours_are_not() {
    use std::os::unix::ffi::OsStrExt;

    let (held, store) = directory(&["d/a.csv", "d/sub/z.csv", "d/schön\u{202e}.csv"].map(|name| (name, "x")));
    let hostile: [&[u8]; 5] = [
        b"d/a\x1b]0;x\x07.csv",
        b"d/b\n.csv",
        "d/c\u{9b}31m.csv".as_bytes(),
        b"d/\xff.csv",
        b"d/\x7f/inner.csv",
    ];
    for name in hostile {
        let path = held.path().join(std::ffi::OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().expect("parent")).expect("creates");
        std::fs::write(path, "x").expect("writes");
    }
    let expected = ["root/d/a.csv", "root/d/schön\u{202e}.csv", "root/d/sub/z.csv"];
    for pattern in ["d", "d/**", "**/*.csv"] {
        assert_eq!(
            names(&store, pattern).await.expect("the others"),
            expected,
            "{pattern}"
        );
    }
}

#[tokio::test]
async fn what_matches_nothing_or_too_much_is_an_error_that_names_the_pattern() {
    // What img2dataset leaves: the tar has the pairs, the table beside it lists them once more.
    let (_held, store) = directory(&[
        ("d/00000.tar", ""),
        ("d/00000.parquet", ""),
        ("d/00000_stats.json", "{}"),
    ]);
    for pattern in ["d/x.csv", "nowhere", "d/*.csv", "nowhere/*.csv"] {
        let error = names(&store, pattern).await.expect_err("no match");
        assert!(
            matches!(error, SourceError::NoMatch { .. }) && error.to_string().contains(pattern),
            "{error}"
        );
    }
    assert!(matches!(
        names(&store, "d/[a.csv").await,
        Err(SourceError::Pattern { .. })
    ));
    assert!(matches!(
        names(&store, "d").await,
        Err(SourceError::MixedFormats { .. })
    ));
    let tars = expand(&store, "root/", "d", Some(InputFormat::WebDataset))
        .await
        .expect("one format");
    assert_eq!(tars.len(), 1);
}

#[tokio::test]
async fn a_file_on_disk_reads_by_units_and_is_refused_once_it_changed() {
    let (held, store) = directory(&[("a.csv", "url,text\nu0,t0\nu1,t1\nu2,t2\n")]);
    let inputs = expand(&store, "", "a.csv", None).await.expect("expands");
    let whole = read(&inputs[0], config(2, 1)).await.expect("reads");
    assert_eq!(
        lines(&whole.rows).concat(),
        "00003-000000000 u0 t0 []00003-000000001 u1 t1 []00003-000000002 u2 t2 []"
    );
    std::fs::write(held.path().join("a.csv"), "url,text\nu0,t0\n").expect("writes");
    let error = support::batches(&Source::new(config(2, 1)), &inputs[0], &whole.survey)
        .await
        .expect_err("changed");
    assert!(matches!(error, SourceError::Changed { .. }), "{error:?}");
}

/// Answers HEAD and ranged GET for one file, as a static file server does.
async fn serve(listener: TcpListener, path: &'static str, content: Vec<u8>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = answer(stream, path, &content).await;
    }
}

async fn answer(mut stream: TcpStream, path: &str, content: &[u8]) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    let first = request.lines().next().unwrap_or_default();
    let common = "last-modified: Tue, 24 Nov 2026 17:00:00 GMT\r\netag: W/\"one\"\r\nconnection: close\r\n";
    let range = request
        .lines()
        .find_map(|line| line.strip_prefix("range: bytes="));
    let (head, body) = match range.and_then(|range| range.split_once('-')) {
        _ if !first.contains(path) => (
            format!("404 Not Found\r\n{common}content-length: 0"),
            &content[..0],
        ),
        Some((start, end)) => {
            let start: usize = start.parse().expect("a number");
            let end = end.parse::<usize>().expect("a number").min(content.len() - 1);
            let body = &content[start..=end];
            let range = format!("content-range: bytes {start}-{end}/{}", content.len());
            (
                format!(
                    "206 Partial Content\r\n{common}{range}\r\ncontent-length: {}",
                    body.len()
                ),
                body,
            )
        }
        None => (
            format!("200 OK\r\n{common}content-length: {}", content.len()),
            content,
        ),
    };
    stream
        .write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes())
        .await?;
    if !first.starts_with("head") {
        stream.write_all(body).await?;
    }
    stream.shutdown().await
}

#[tokio::test]
async fn files_are_read_from_a_plain_web_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("address");
    let table = support::parquet(
        vec![
            (
                "URL",
                Arc::new(arrow_array::StringArray::from(vec!["u0", "u1", "u2"])) as _,
            ),
            (
                "TEXT",
                Arc::new(arrow_array::StringArray::from(vec!["t0", "t1", "t2"])) as _,
            ),
        ],
        2,
    );
    let server = tokio::spawn(serve(listener, "/d/a.parquet", table));
    let store: Arc<dyn ObjectStore> = Arc::new(
        object_store::http::HttpBuilder::new()
            .with_url(format!("http://{address}"))
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .build()
            .expect("store"),
    );
    let root = format!("http://{address}/");
    let inputs: Vec<Input> = expand(&store, &root, "d/a.parquet", None).await.expect("expands");
    let whole = read(&inputs[0], config(2, 10)).await.expect("reads");
    assert_eq!(lines(&whole.rows).len(), 3);
    let error = expand(&store, &root, "d/b.parquet", None)
        .await
        .expect_err("not there");
    assert!(
        error
            .to_string()
            .contains(&format!("http://{address}/d/b.parquet")),
        "{error}"
    );
    server.abort();
}
