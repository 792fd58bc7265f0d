//! `img2tokens model fetch`: a model from the Hugging Face hub.

use img2tokens_schemas::shown;
use img2tokens_vision_hub::{Hub, HubError, Part, Request};

use super::downloads::Downloads;
use crate::cli::ModelFetchArgs;
use crate::console::{print_line, say};
use crate::exit::{Exit, Failed};

/// Prints the model's directory, and to standard error what to do with it.
pub(super) async fn fetch(args: &ModelFetchArgs) -> Result<Exit, Failed> {
    let parts = [
        (args.decoder, Part::Decoder),
        (args.language_model_merger, Part::LanguageModelMerger),
        (args.text_tokenizer, Part::TextTokenizer),
    ];
    let request = Request {
        repository: args.repository.clone(),
        revision: args.revision.clone(),
        parts: parts
            .into_iter()
            .filter_map(|(is_wanted, part)| is_wanted.then_some(part))
            .collect(),
    };
    let hub = Hub::from_env().map_err(failed)?;
    let mut downloads = Downloads::start();
    let fetched = hub.fetch(&request, &mut |event| downloads.show(event)).await;
    downloads.finish();
    let snapshot = fetched.map_err(failed)?;
    if let Some(directory) = &args.dest {
        snapshot.place(directory).map_err(failed)?;
    }
    let directory = args.dest.as_ref().unwrap_or(&snapshot.path).display();
    let directory = shown(directory).whole();
    print_line(&directory).map_err(Failed::run)?;
    say(format_args!(
        "{} at commit {} is ready: use it with --model {directory}, or look at it with `img2tokens model info {directory}`",
        request.repository,
        shown(&snapshot.commit),
    ));
    Ok(Exit::Done)
}

fn failed(error: HubError) -> Failed {
    let exit = if error.is_transient() {
        Exit::Retry
    } else if error.is_usage() {
        Exit::Usage
    } else {
        Exit::Failed
    };
    Failed {
        exit,
        error: error.into(),
    }
}
