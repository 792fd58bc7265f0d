//! Whether a file's bytes are those that the hub holds.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::HubError;
use crate::facts::{Digest, Facts};

/// Bytes of a file hashed at once.
const BUFFER: usize = 1 << 20;

/// Checks the file `name` that arrived at `path`. Reads all of it.
pub(crate) fn check(name: &str, path: &Path, facts: &Facts) -> Result<(), HubError> {
    let failed = |source| HubError::write(path, source);
    let found = std::fs::metadata(path).map_err(failed)?.len();
    if found != facts.size {
        return Err(HubError::Size {
            file: name.to_owned(),
            expected: facts.size,
            found,
        });
    }
    let found = match facts.digest {
        Digest::Sha256 => hash(Sha256::new(), path),
        // A git object's id covers its type and size (gitformat-pack(5)).
        Digest::GitBlob => {
            let header = format!("blob {}\0", facts.size);
            hash(Sha1::new().chain_update(header), path)
        }
    }
    .map_err(failed)?;
    if found == facts.etag {
        Ok(())
    } else {
        Err(HubError::Digest {
            file: name.to_owned(),
            expected: facts.etag.clone(),
            found,
        })
    }
}

fn hash<D: sha2::Digest>(mut hasher: D, path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            None | Some([]) => break,
            Some(bytes) => hasher.update(bytes),
        }
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `sha256sum` and `git hash-object` say of the same bytes.
    const TEXT: &str = "hello world\n";
    const SHA256: &str = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447";
    const GIT: &str = "3b18e512dba79e4c8300dd08aeb37f8e728b8dad";

    #[test]
    fn digests_are_those_of_sha256sum_and_git() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, TEXT).unwrap();
        for etag in [SHA256, GIT] {
            let facts = Facts::new(etag, TEXT.len() as u64).unwrap();
            check("file", &path, &facts).unwrap();
            let longer = Facts {
                size: 13,
                ..facts.clone()
            };
            assert!(matches!(
                check("file", &path, &longer),
                Err(HubError::Size { found: 12, .. })
            ));
            let other = Facts {
                etag: etag.replace('3', "4"),
                ..facts
            };
            assert!(matches!(
                check("file", &path, &other),
                Err(HubError::Digest { .. })
            ));
        }
    }
}
