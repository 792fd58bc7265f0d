//! The set as a web server answers for it.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hyper::StatusCode;
use image::ImageError;

use super::sample::{Mishap, Sample};

/// The content type of everything that is not a picture.
const HTML: &str = "text/html; charset=utf-8";

/// A number of samples, made on demand.
#[derive(Debug)]
pub struct SampleSet {
    count: usize,
    /// Whether the sample that fails once has done so.
    has_failed: AtomicBool,
    /// The files of those that were drawn beforehand.
    drawn: Vec<Bytes>,
}

/// What is sent for a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// The `Location` header of a redirect: a path on the same server.
    pub location: Option<String>,
}

/// A picture could not be written as a file of its format.
#[derive(Debug, thiserror::Error)]
#[error("sample {path}: could not encode the picture")]
pub struct SampleError {
    path: String,
    source: ImageError,
}

impl Default for SampleSet {
    /// 256 samples.
    fn default() -> Self {
        Self::new(256)
    }
}

impl SampleSet {
    /// A set of `count` samples. Sets of different sizes begin with the same samples.
    #[must_use]
    pub const fn new(count: usize) -> Self {
        Self {
            count,
            has_failed: AtomicBool::new(false),
            drawn: Vec::new(),
        }
    }

    /// A set whose pictures are all drawn and encoded now: serving it costs next to nothing.
    ///
    /// # Errors
    /// If a picture does not encode.
    pub fn drawn(count: usize) -> Result<Self, SampleError> {
        let set = Self::new(count);
        let files: Result<_, _> = set.samples().map(|sample| file(&sample)).collect();
        Ok(Self { drawn: files?, ..set })
    }

    /// How many samples there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// All samples, in the order of their rows.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        (0..self.count).map(Sample::new)
    }

    /// What the server sends for a path. A picture is drawn and encoded here, up to some tens of milliseconds of work:
    /// not for a runtime's thread.
    ///
    /// # Errors
    /// If the picture does not encode.
    pub fn response(&self, path: &str) -> Result<SampleResponse, SampleError> {
        let Some((index, sample, has_moved)) = self.find(path) else {
            return Ok(page(StatusCode::NOT_FOUND, "not found"));
        };
        match sample.mishap {
            Some(Mishap::Missing) => return Ok(page(StatusCode::NOT_FOUND, "this picture was deleted")),
            Some(Mishap::WebPage) => return Ok(page(StatusCode::OK, "please log in to see this picture")),
            Some(Mishap::FailsOnce) if !self.has_failed.swap(true, Ordering::Relaxed) => {
                return Ok(page(StatusCode::INTERNAL_SERVER_ERROR, "try again"));
            }
            Some(Mishap::Moved) if !has_moved => {
                let location = Some(format!("/moved{}", sample.path));
                return Ok(SampleResponse {
                    location,
                    ..page(StatusCode::FOUND, "moved")
                });
            }
            _ => {}
        }
        let whole = match self.drawn.get(index) {
            Some(drawn) => drawn.clone(),
            None => file(&sample)?,
        };
        let body = match sample.mishap {
            Some(Mishap::Truncated) => whole.slice(..whole.len() / 2),
            Some(Mishap::Empty) => Bytes::new(),
            Some(Mishap::Zeroed) => vec![0; whole.len()].into(),
            _ => whole,
        };
        let content_type = sample.encoding.format().to_mime_type();
        Ok(SampleResponse {
            status: StatusCode::OK,
            content_type,
            body,
            location: None,
        })
    }

    /// The number of the sample at a path, the sample, and whether the path is the one that it moved to.
    fn find(&self, path: &str) -> Option<(usize, Sample, bool)> {
        let (path, has_moved) = path
            .strip_prefix("/moved")
            .map_or((path, false), |path| (path, true));
        let (index, _) = path.strip_prefix("/pictures/")?.split_once('.')?;
        let index: usize = index.parse().ok().filter(|index| *index < self.count)?;
        let sample = Sample::new(index);
        let is_here = sample.path == path && (!has_moved || sample.mishap == Some(Mishap::Moved));
        is_here.then_some((index, sample, has_moved))
    }
}

fn file(sample: &Sample) -> Result<Bytes, SampleError> {
    let file = sample.file().map_err(|source| SampleError {
        path: sample.path.clone(),
        source,
    })?;
    Ok(file.into())
}

fn page(status: StatusCode, text: &str) -> SampleResponse {
    let body = format!("<!DOCTYPE html><html><body><p>{text}</p></body></html>\n").into();
    SampleResponse {
        status,
        content_type: HTML,
        body,
        location: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn get(set: &SampleSet, path: &str) -> SampleResponse {
        set.response(path).unwrap()
    }

    /// What a client gets that retries and follows redirects.
    fn get_at_last(set: &SampleSet, path: &str) -> SampleResponse {
        let mut response = get(set, path);
        if response.status.is_server_error() {
            response = get(set, path);
        }
        match response.location {
            Some(location) => get(set, &location),
            None => response,
        }
    }

    #[test]
    fn every_healthy_sample_decodes_at_its_stated_size_and_format() {
        let set = SampleSet::default();
        let mut formats = HashSet::new();
        for sample in set.samples().filter(Sample::is_healthy) {
            let response = get_at_last(&set, &sample.path);
            assert_eq!(response.status, StatusCode::OK, "{}", sample.path);
            assert_eq!(
                image::guess_format(&response.body).unwrap(),
                sample.encoding.format()
            );
            assert_eq!(response.content_type, sample.encoding.format().to_mime_type());
            let picture = image::load_from_memory(&response.body).unwrap();
            assert_eq!(
                (picture.width(), picture.height()),
                (sample.width, sample.height),
                "{}",
                sample.path
            );
            formats.insert(sample.encoding.format());
        }
        assert_eq!(formats.len(), 6);
    }

    #[test]
    fn a_set_drawn_beforehand_answers_as_one_that_is_not() {
        let (drawn, lazy) = (SampleSet::drawn(24).unwrap(), SampleSet::new(24));
        for sample in lazy.samples() {
            assert_eq!(
                get(&drawn, &sample.path),
                get(&lazy, &sample.path),
                "{}",
                sample.path
            );
        }
    }

    #[test]
    fn mishaps_are_as_many_as_stated() {
        let mut counts = HashMap::new();
        for sample in SampleSet::default().samples() {
            *counts.entry(sample.mishap).or_insert(0) += 1;
        }
        let stated = [
            (None, 230),
            (Some(Mishap::Missing), 8),
            (Some(Mishap::Truncated), 4),
            (Some(Mishap::WebPage), 4),
            (Some(Mishap::Empty), 4),
            (Some(Mishap::Zeroed), 4),
            (Some(Mishap::FailsOnce), 1),
            (Some(Mishap::Moved), 1),
        ];
        assert_eq!(counts, HashMap::from(stated));
    }

    #[test]
    fn broken_samples_are_broken_as_stated() {
        let set = SampleSet::new(64);
        for sample in set.samples() {
            let response = get(&set, &sample.path);
            let body = &response.body;
            match sample.mishap {
                Some(Mishap::Missing) => assert_eq!(response.status, StatusCode::NOT_FOUND),
                Some(Mishap::Truncated) => {
                    assert!(body.starts_with(&[0xff, 0xd8]) && !body.ends_with(&[0xff, 0xd9]));
                }
                Some(Mishap::WebPage) => {
                    assert!(response.status.is_success() && body.starts_with(b"<!DOCTYPE"));
                }
                Some(Mishap::Empty) => assert!(response.status.is_success() && body.is_empty()),
                Some(Mishap::Zeroed) => assert!(!body.is_empty() && body.iter().all(|byte| *byte == 0)),
                Some(Mishap::FailsOnce) => {
                    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
                    assert_eq!(get(&set, &sample.path).status, StatusCode::OK);
                }
                Some(Mishap::Moved) => assert_eq!(response.status, StatusCode::FOUND),
                None => assert_eq!(response.status, StatusCode::OK),
            }
        }
    }

    #[test]
    fn two_sets_send_the_same_bytes() {
        let (one, other) = (SampleSet::new(40), SampleSet::new(50));
        for sample in one.samples() {
            assert_eq!(
                get(&one, &sample.path),
                get(&other, &sample.path),
                "{}",
                sample.path
            );
        }
    }

    #[test]
    fn captions_are_not_empty_and_rarely_repeat() {
        let captions: Vec<String> = SampleSet::default()
            .samples()
            .map(|sample| sample.caption)
            .collect();
        assert!(captions.iter().all(|caption| caption.split(' ').count() >= 4));
        assert!(captions.iter().collect::<HashSet<_>>().len() > 220);
    }

    #[test]
    fn sizes_span_the_stated_range_and_keys_are_unique() {
        let samples: Vec<Sample> = SampleSet::default().samples().collect();
        let sides = || samples.iter().flat_map(|sample| [sample.width, sample.height]);
        assert!(sides().all(|side| (64..=800).contains(&side)));
        assert!(sides().any(|side| side < 80) && sides().any(|side| side > 700));
        assert_eq!(
            samples
                .iter()
                .map(|sample| sample.hash)
                .collect::<HashSet<_>>()
                .len(),
            samples.len()
        );
    }

    #[test]
    fn paths_that_no_sample_has_are_not_found() {
        let set = SampleSet::new(8);
        for path in [
            "/",
            "/robots.txt",
            "/pictures/000008.jpg",
            "/pictures/0.jpg",
            "/pictures/000000.png",
            "/moved/pictures/000000.jpg",
        ] {
            assert_eq!(get(&set, path).status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}
