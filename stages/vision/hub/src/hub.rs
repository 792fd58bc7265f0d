//! The hub, and a model fetched from it.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use hf_hub::{HFClient, HFError};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

use crate::download::Download;
use crate::error::Asked;
use crate::layout::Layout;
use crate::request::is_commit;
use crate::{Event, HubError, Request, Snapshot, facts, parts, settings};

/// Limits of waiting; a download itself may take as long as it brings bytes.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);
/// Further tries of a request that a network or server in trouble fails.
const RETRIES: usize = 3;

const AGENT: &str = concat!("img2tokens/", env!("CARGO_PKG_VERSION"));

/// A hub and the local cache of what it holds.
pub struct Hub {
    client: HFClient,
    /// Follows no redirect.
    direct: Client,
    token: Option<String>,
    is_offline: bool,
}

impl Hub {
    /// The hub, token and cache that the environment names: `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`,
    /// `HF_HUB_CACHE`, `HF_HUB_OFFLINE`, as the Hugging Face client reads them.
    ///
    /// # Errors
    /// If the endpoint is no URL, or the machine cannot speak HTTPS.
    pub fn from_env() -> Result<Self, HubError> {
        let failed = |error| match error {
            HFError::Url(_) => HubError::Endpoint(std::env::var("HF_ENDPOINT").unwrap_or_default()),
            other => HubError::Client(Box::new(other)),
        };
        let client = |configure: fn(ClientBuilder) -> ClientBuilder| {
            let builder = Client::builder()
                .user_agent(AGENT)
                .connect_timeout(CONNECT)
                .read_timeout(SILENCE);
            configure(builder).build().map_err(|error| failed(error.into()))
        };
        let token = settings::token();
        let mut builder = HFClient::builder()
            .client(client(|builder| builder)?)
            .user_agent(AGENT)
            .retry_max_attempts(RETRIES);
        if let Some(token) = &token {
            builder = builder.token(token);
        }
        Ok(Self {
            client: builder.build().map_err(failed)?,
            direct: client(|builder| builder.redirect(Policy::none()))?,
            token,
            is_offline: settings::is_offline(),
        })
    }

    /// Where the files are kept.
    #[must_use]
    pub fn cache(&self) -> &Path {
        self.client.cache_dir()
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
        if self.is_offline {
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
        let repository = self.repository(request);
        let asked = repository.info().revision(request.revision.as_str());
        let info = asked
            .send()
            .await
            .map_err(|error| self.asked(request).failed(error, ""))?;
        let commit = info.sha.filter(|sha| is_commit(sha));
        let commit = commit.ok_or_else(|| HubError::Answer {
            file: request.repository.to_string(),
            what: "no commit".to_owned(),
        })?;
        let siblings = info.siblings.unwrap_or_default();
        Ok((commit, siblings.into_iter().map(|file| file.rfilename).collect()))
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
        let facts = facts::ask(&self.direct, self.token.as_deref(), &asked, commit, file).await?;
        let repository = self.repository(request);
        let download = Download {
            repository: &repository,
            layout,
            commit,
            file,
            facts: &facts,
        };
        let was_there = download.run(watch).await?;
        // With its blob in place, this downloads nothing and makes the snapshot's link to it.
        let placed = repository.download_file().filename(file).revision(commit);
        placed.send().await.map_err(|error| asked.failed(error, file))?;
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

    fn repository(&self, request: &Request) -> hf_hub::HFRepository<hf_hub::RepoTypeModel> {
        let repository = &request.repository;
        self.client.model(&repository.organisation, &repository.name)
    }

    fn asked<'a>(&'a self, request: &'a Request) -> Asked<'a> {
        Asked {
            endpoint: self.client.endpoint(),
            repository: &request.repository,
            revision: &request.revision,
            has_token: self.token.is_some(),
        }
    }
}
