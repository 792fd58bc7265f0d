//! What must not be in an output: hashes of entries, and their records beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use img2tokens_schemas::listed::{Listed, domains, without_fragment};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Destination, ShardError};

/// The folder of the records.
const RECORDS: &str = "takedowns";
/// The most bytes of a record: some 12 million entries.
const MAX_RECORD_BYTES: u64 = 512 << 20;

/// What an entry is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Key,
    Url,
    Domain,
    Sha256,
}

/// An entry as it is recorded: the first 16 bytes of the BLAKE3 hash of its text, `key:..`, `url:..`, `domain:..` or
/// `sha256:..`. So a record tells whether a pair is meant that one has, and not what was taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EntryHash([u8; 16]);

/// What of a pair an entry can name.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its picture's URL, if it has one.
    pub url: Option<&'a str>,
    /// The SHA-256 digest of its picture in lowercase hexadecimal, if it is known.
    pub sha256: Option<&'a str>,
}

/// Entries by kind. Memory: some 24 bytes an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tombstones {
    entries: BTreeMap<Kind, BTreeSet<EntryHash>>,
    /// The records they were read from.
    records: BTreeSet<String>,
}

impl Tombstones {
    /// Adds an entry; none if it is one that a shard knows nothing of (an MD5 digest).
    pub fn add(&mut self, entry: &Listed) -> Option<EntryHash> {
        let (kind, hash) = match entry {
            Listed::Key(key) => (Kind::Key, EntryHash::of(Kind::Key, key)),
            Listed::Url(url) => (Kind::Url, EntryHash::of(Kind::Url, url)),
            Listed::Domain(domain) => (Kind::Domain, EntryHash::of(Kind::Domain, domain)),
            Listed::Sha256(digest) => (Kind::Sha256, EntryHash::of(Kind::Sha256, &digest.to_string())),
            Listed::Md5(_) => return None,
        };
        self.entries.entry(kind).or_default().insert(hash);
        Some(hash)
    }

    /// The names of the records they were read from, each a hash of what it holds.
    #[must_use]
    pub const fn records(&self) -> &BTreeSet<String> {
        &self.records
    }

    /// Whether nothing is forbidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether any entry names the pair.
    #[must_use]
    pub fn forbid(&self, pair: &Subject<'_>) -> bool {
        !self.matching(pair).is_empty()
    }

    /// All entries that name the pair.
    pub(crate) fn matching(&self, pair: &Subject<'_>) -> Vec<EntryHash> {
        let mut found = Vec::new();
        let mut look_for = |kind, text: &str| {
            if let Some(entries) = self.entries.get(&kind) {
                let hash = EntryHash::of(kind, text);
                found.extend(entries.contains(&hash).then_some(hash));
            }
        };
        look_for(Kind::Key, pair.key);
        if let Some(sha256) = pair.sha256 {
            look_for(Kind::Sha256, sha256);
        }
        let of_urls = [Kind::Url, Kind::Domain]
            .iter()
            .any(|kind| self.entries.contains_key(kind));
        let url = pair.url.filter(|_| of_urls);
        if let Some(url) = url.and_then(|url| Url::parse(url).ok()) {
            look_for(Kind::Url, without_fragment(&url));
            domains(&url).for_each(|domain| look_for(Kind::Domain, domain));
        }
        found
    }

    /// Records them beside the output. The record's name is the hash of its content: the same entries twice are one
    /// record. Returns the name, relative to the output root, and whether it is new.
    ///
    /// # Errors
    /// If it cannot be written, or there are so many entries that it could not be read: make several lists of them.
    pub async fn record(&self, destination: &Destination) -> Result<(String, bool), ShardError> {
        let mut record = serde_json::to_vec_pretty(&self.entries).map_err(ShardError::json(RECORDS))?;
        record.push(b'\n');
        let name = format!("{RECORDS}/{}", record_name(&record));
        if record.len() as u64 > MAX_RECORD_BYTES {
            let most = MAX_RECORD_BYTES;
            return Err(ShardError::TooLarge { name, most });
        }
        let is_new = destination.put_if_absent(&name, record.into()).await?;
        Ok((name, is_new))
    }

    /// All that is recorded beside an output.
    ///
    /// # Errors
    /// If a record cannot be read, or is not what was recorded.
    pub async fn read(destination: &Destination) -> Result<Arc<Self>, ShardError> {
        Arc::new(Self::default()).read_again(destination).await
    }

    /// The same, or all that is recorded if that has changed since it was read. Costs one listing if not.
    ///
    /// # Errors
    /// As [`Tombstones::read`].
    pub async fn read_again(self: Arc<Self>, destination: &Destination) -> Result<Arc<Self>, ShardError> {
        let names = destination.names(RECORDS).await?;
        let records = BTreeSet::from_iter(names);
        if records == self.records {
            return Ok(self);
        }
        let mut all = Self::default();
        for record in &records {
            let name = format!("{RECORDS}/{record}");
            let Some(bytes) = destination.read(&name, MAX_RECORD_BYTES).await? else {
                continue;
            };
            if *record != record_name(&bytes) {
                let problem = "its content is not what its name says, so it was altered".to_owned();
                return Err(ShardError::Foreign { name, problem });
            }
            let entries: BTreeMap<Kind, BTreeSet<EntryHash>> =
                serde_json::from_slice(&bytes).map_err(ShardError::json(&name))?;
            for (kind, hashes) in entries {
                all.entries.entry(kind).or_default().extend(hashes);
            }
        }
        all.records = records;
        Ok(Arc::new(all))
    }
}

impl EntryHash {
    fn of(kind: Kind, text: &str) -> Self {
        let prefix = match kind {
            Kind::Key => "key:",
            Kind::Url => "url:",
            Kind::Domain => "domain:",
            Kind::Sha256 => "sha256:",
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(prefix.as_bytes()).update(text.as_bytes());
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        Self(hash)
    }
}

impl From<EntryHash> for String {
    fn from(hash: EntryHash) -> Self {
        format!("{:032x}", u128::from_be_bytes(hash.0))
    }
}

impl TryFrom<String> for EntryHash {
    type Error = String;

    fn try_from(digits: String) -> Result<Self, String> {
        let hash = u128::from_str_radix(&digits, 16).map(|number| Self(number.to_be_bytes()));
        hash.ok()
            .filter(|hash| String::from(*hash) == digits)
            .ok_or_else(|| format!("`{digits}` is no hash of an entry"))
    }
}

fn record_name(record: &[u8]) -> String {
    format!("{}.json", blake3::hash(record).to_hex())
}

#[cfg(test)]
mod tests {
    use img2tokens_schemas::listed::read_list;

    use super::*;

    fn tombstones(list: &str) -> Tombstones {
        let mut tombstones = Tombstones::default();
        for entry in read_list(list) {
            tombstones.add(&entry.unwrap().1).unwrap();
        }
        tombstones
    }

    fn pair<'a>(key: &'a str, url: &'a str, sha256: &'a str) -> Subject<'a> {
        Subject {
            key,
            url: Some(url),
            sha256: Some(sha256),
        }
    }

    #[test]
    fn a_pair_is_named_by_key_url_domain_or_digest_and_by_nothing_else() {
        let digest = "ab".repeat(32);
        let pair = pair("a b", "HTTP://a.Example.com:80/x.jpg#top", &digest);
        for list in [
            "key:a b",
            "http://a.example.com/x.jpg",
            "example.com",
            "a.example.com",
            &digest.to_uppercase(),
        ] {
            assert!(tombstones(list).forbid(&pair), "{list}");
        }
        for list in [
            "key:a",
            "https://a.example.com/x.jpg",
            "http://a.example.com/x.jpg?y",
            "b.example.com",
            "key:example.com",
            &"ba".repeat(32),
        ] {
            assert!(!tombstones(list).forbid(&pair), "{list}");
        }
    }

    #[test]
    fn a_record_holds_hashes_that_others_can_make() {
        // `printf key:secret | b3sum -l 16`
        let record = serde_json::to_string(&tombstones("key:secret").entries).unwrap();
        let hash = blake3::hash(b"key:secret").to_hex();
        assert_eq!(record, format!("{{\"key\":[\"{}\"]}}", &hash.as_str()[..32]));
    }

    #[tokio::test]
    async fn records_add_up_whatever_the_order_and_spelling_of_their_lists() {
        let folder = tempfile::tempdir().unwrap();
        let destination = Destination::Local(folder.path().to_owned());
        assert!(Tombstones::read(&destination).await.unwrap().is_empty());
        let (first, is_new) = tombstones("key:a\nexample.com")
            .record(&destination)
            .await
            .unwrap();
        assert!(is_new);
        let again = tombstones("EXAMPLE.com # why\n\nkey:a");
        assert_eq!(again.record(&destination).await.unwrap(), (first, false));
        let (other, _) = tombstones("key:b").record(&destination).await.unwrap();
        let all = Tombstones::read(&destination).await.unwrap();
        assert_eq!(all.entries, tombstones("key:a\nkey:b\nexample.com").entries);
        assert!(Arc::ptr_eq(
            &all,
            &all.clone().read_again(&destination).await.unwrap()
        ));

        destination.put_atomic(&other, "{}\n".into()).await.unwrap();
        assert!(matches!(
            Tombstones::read(&destination).await,
            Err(ShardError::Foreign { name, .. }) if name == other
        ));
    }
}
