//! The hub, and a model fetched from it.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;

use crate::client::HubClient;
use crate::download::Download;
use crate::error::Asked;
use crate::layout::Layout;
use crate::request::is_commit;
use crate::settings::Settings;
use crate::{Event, HubError, Request, Snapshot, facts, parts};

/// A hub and the local cache of what it holds.
pub struct Hub {
    client: HubClient,
    settings: Settings,
}

/// What a hub says of a revision; the rest is passed over.
#[derive(Deserialize)]
struct RevisionInfo {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

/// A file of a revision.
#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Hub {
    /// The hub, token and cache that the environment names: `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`,
    /// `HF_HUB_CACHE`, `HF_HUB_OFFLINE`, as the Hugging Face client reads them.
    ///
    /// # Errors
    /// If the endpoint is no URL, or the machine cannot speak HTTPS.
    pub fn from_env() -> Result<Self, HubError> {
        let settings = Settings::read(&|name| std::env::var(name).ok())?;
        let client = HubClient::new(&settings).map_err(|error| HubError::Client(Box::new(error)))?;
        Ok(Self { client, settings })
    }

    /// Where the files are kept.
    #[must_use]
    pub fn cache(&self) -> &Path {
        &self.settings.cache
    }

    /// Brings the files of a model into the cache, those that are not there already, and tells `watch` of each.
    ///
    /// # Errors
    /// If the hub cannot be reached, holds no such model or does not show it, a file is not what the hub states, or
    /// the cache cannot be written. What is in the cache under a final name is whole then, too.
    pub async fn fetch(
        &self,
        request: &Request,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Snapshot, HubError> {
        let layout = Layout::new(self.cache(), &request.repository);
        if self.settings.is_offline {
            return self.cached(request, &layout, watch);
        }
        let (commit, held) = self.look_up(request).await?;
        let files =
            parts::needed(|file| held.contains(file), &request.parts).ok_or_else(|| HubError::NoModel {
                repository: request.repository.clone(),
                revision: request.revision.clone(),
            })?;
        if let Some(missing) = files.iter().find(|file| !held.contains(**file)) {
            return Err(self.asked(request).refused(404, None, missing));
        }
        for &file in &files {
            self.bring(request, &layout, &commit, file, watch).await?;
        }
        // Last, so that the revision's name stands for a whole model.
        if !request.revision.is_commit() {
            let reference = layout.reference(&request.revision);
            let parent = reference.parent().unwrap_or(&reference);
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(&reference, &commit))
                .map_err(|error| HubError::write(&reference, error))?;
        }
        Ok(Snapshot {
            path: layout.snapshot(&commit),
            commit,
            files,
        })
    }

    /// The commit of a revision, and the files it holds.
    async fn look_up(&self, request: &Request) -> Result<(String, HashSet<String>), HubError> {
        let asked = self.asked(request);
        let strange = |what: String| HubError::Answer {
            file: request.repository.to_string(),
            what,
        };
        let answer = self
            .client
            .answer(request.repository.info(&request.revision))
            .await;
        let answer = answer.map_err(|error| asked.failed(error, ""))?;
        let info: RevisionInfo = serde_json::from_slice(&answer)
            .map_err(|error| strange(format!("no facts of a repository ({error})")))?;
        let commit = info.sha.filter(|sha| is_commit(sha));
        let commit = commit.ok_or_else(|| strange("no commit".to_owned()))?;
        let files = info.siblings.into_iter().map(|file| file.rfilename);
        Ok((commit, files.collect()))
    }

    /// Brings one file into the snapshot of a commit.
    async fn bring(
        &self,
        request: &Request,
        layout: &Layout,
        commit: &str,
        file: &'static str,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), HubError> {
        if layout.snapshot(commit).join(file).exists() {
            watch(Event::Cached { file });
            return Ok(());
        }
        let asked = self.asked(request);
        let facts = facts::ask(&self.client, &asked, commit, file).await?;
        let download = Download {
            client: &self.client,
            repository: &request.repository,
            layout,
            commit,
            file,
            facts: &facts,
        };
        let was_there = download.run(watch).await?;
        layout.link(commit, file, &facts.etag)?;
        watch(if was_there {
            Event::Cached { file }
        } else {
            Event::Finished {
                file,
                size: facts.size,
            }
        });
        Ok(())
    }

    /// The same from the cache alone.
    fn cached(
        &self,
        request: &Request,
        layout: &Layout,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Snapshot, HubError> {
        let missing = |what: String| HubError::Offline {
            what,
            cache: self.cache().to_owned(),
        };
        let name = format!("{} at `{}`", request.repository, request.revision);
        let commit = layout
            .commit(&request.revision)
            .ok_or_else(|| missing(name.clone()))?;
        let path = layout.snapshot(&commit);
        let files = parts::needed(|file| path.join(file).exists(), &request.parts)
            .ok_or_else(|| missing(format!("the model of {name}")))?;
        for &file in &files {
            if !path.join(file).exists() {
                return Err(missing(format!("{file} of {name}")));
            }
            watch(Event::Cached { file });
        }
        Ok(Snapshot { path, commit, files })
    }

    fn asked<'a>(&'a self, request: &'a Request) -> Asked<'a> {
        Asked {
            endpoint: self.client.endpoint().as_str().trim_end_matches('/'),
            repository: &request.repository,
            revision: &request.revision,
            has_token: self.client.has_token(),
        }
    }
}
