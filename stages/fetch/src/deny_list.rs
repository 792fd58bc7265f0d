//! What is never fetched, and never kept.

use std::{collections::HashSet, path::Path};

use img2tokens_schemas::listed::{
    Listed, MAX_LIST_BYTES, UnreadableEntry, domains, read_list, without_fragment,
};
use img2tokens_schemas::{Digest, read_regular_text};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{error::FetchCause, setup::FetchSetupError};

/// URLs, domains and digests of bodies.
#[derive(Debug, Default)]
pub(crate) struct DenyList {
    urls: HashSet<String>,
    domains: HashSet<String>,
    md5: HashSet<[u8; 16]>,
    sha256: HashSet<[u8; 32]>,
    /// Of the file.
    digest: Option<[u8; 32]>,
}

impl DenyList {
    /// Reads a list ([`img2tokens_schemas::listed`]). Keys it must not have: no download knows its pair's.
    pub(crate) fn read(path: &Path) -> Result<Self, FetchSetupError> {
        let text = read_regular_text(path, MAX_LIST_BYTES).map_err(|source| FetchSetupError::File {
            key: "deny_list",
            path: path.to_owned(),
            source,
        })?;
        let refused = |line, entry| FetchSetupError::DenyListEntry {
            path: path.to_owned(),
            line,
            entry,
        };
        let mut list = Self {
            digest: Some(Sha256::digest(&text).into()),
            ..Self::default()
        };
        for entry in read_list(&text) {
            let (line, listed) = entry.map_err(|UnreadableEntry { line, entry }| refused(line, entry))?;
            match listed {
                Listed::Key(_) => return Err(refused(line, listed.to_string())),
                Listed::Url(url) => list.urls.insert(url),
                Listed::Domain(domain) => list.domains.insert(domain),
                Listed::Md5(digest) => list.md5.insert(digest),
                Listed::Sha256(Digest(digest)) => list.sha256.insert(digest),
            };
        }
        Ok(list)
    }

    /// The SHA-256 of the file, in hexadecimal; none if there is no file.
    pub(crate) fn digest(&self) -> Option<String> {
        let digest = self.digest?;
        Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Checks a URL and its host's domains, the host itself first.
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), FetchCause> {
        if !self.urls.is_empty() && self.urls.contains(without_fragment(url)) {
            return Err(FetchCause::DenyListed {
                what: "the url".to_owned(),
            });
        }
        if self.domains.is_empty() {
            return Ok(());
        }
        match domains(url).find(|domain| self.domains.contains(*domain)) {
            Some(domain) => Err(FetchCause::DenyListed {
                what: format!("the domain {domain}"),
            }),
            None => Ok(()),
        }
    }

    /// What must be hashed of a body to check it: nothing if the list holds no digests.
    pub(crate) fn hasher(&self) -> BodyHasher {
        BodyHasher {
            md5: (!self.md5.is_empty()).then(Md5::new),
            sha256: (!self.sha256.is_empty()).then(Sha256::new),
        }
    }

    /// Checks the digests of a body.
    pub(crate) fn check_body(&self, hasher: BodyHasher) -> Result<(), FetchCause> {
        if hasher
            .md5
            .is_some_and(|hash| self.md5.contains::<[u8; 16]>(&hash.finalize().into()))
        {
            return Err(FetchCause::DenyListed {
                what: "the md5 of the body".to_owned(),
            });
        }
        if hasher
            .sha256
            .is_some_and(|hash| self.sha256.contains::<[u8; 32]>(&hash.finalize().into()))
        {
            return Err(FetchCause::DenyListed {
                what: "the sha256 of the body".to_owned(),
            });
        }
        Ok(())
    }
}

/// Hashes a body while it comes in, so that no runtime thread is held up by a large one at its end.
#[derive(Debug)]
pub(crate) struct BodyHasher {
    md5: Option<Md5>,
    sha256: Option<Sha256>,
}

impl BodyHasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn list(text: &str) -> Result<DenyList, FetchSetupError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        DenyList::read(file.path())
    }

    fn denies(list: &DenyList, url: &str) -> bool {
        list.check_url(&Url::parse(url).unwrap()).is_err()
    }

    #[test]
    fn a_domain_denies_all_below_it_and_nothing_beside_it() {
        let list = list("# a comment\nExample.COM # why\n\nbücher.example\n").unwrap();
        for url in [
            "http://example.com/",
            "https://a.b.example.com./x",
            "http://xn--bcher-kva.example/",
        ] {
            assert!(denies(&list, url), "{url}");
        }
        for url in ["http://badexample.com/", "http://example.com.org/", "http://com/"] {
            assert!(!denies(&list, url), "{url}");
        }
    }

    #[test]
    fn a_url_is_denied_in_any_spelling_that_means_the_same() {
        let list = list("HTTP://Example.com:80/a/../b?x=1#part").unwrap();
        assert!(denies(&list, "http://example.com/b?x=1#other"));
        assert!(!denies(&list, "http://example.com/b?x=2") && !denies(&list, "https://example.com/b?x=1"));
    }

    #[test]
    fn a_body_is_denied_by_either_digest() {
        // Digests of "abc": RFC 1321, A.5, and FIPS 180-2, B.1.
        let md5 = "900150983cd24fb0d6963f7d28e17f72";
        let sha256 = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        for entry in [
            md5.to_owned(),
            format!("md5:{md5}"),
            sha256.to_owned(),
            format!("sha256:{sha256}"),
        ] {
            let list = list(&entry).unwrap();
            let check = |parts: &[&str]| {
                let mut hasher = list.hasher();
                parts.iter().for_each(|part| hasher.update(part.as_bytes()));
                list.check_body(hasher)
            };
            assert!(check(&["a", "bc"]).is_err() && check(&["ab"]).is_ok(), "{entry}");
        }
    }

    #[test]
    fn an_entry_of_no_kind_is_refused_with_its_line() {
        for entry in [
            "no domain.com",
            "a|b.com",
            "900150983cd24fb0d6963f7d28e17f7",
            "http://",
            "key:00012-000000345",
        ] {
            match list(&format!("example.com\n\n{entry}\n")) {
                Err(FetchSetupError::DenyListEntry {
                    line: 3,
                    entry: found,
                    ..
                }) => assert_eq!(found, entry),
                other => panic!("{other:?}"),
            }
        }
    }
}
