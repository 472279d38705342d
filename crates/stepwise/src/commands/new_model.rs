//! `stepwise new-model OUT`: creates a small SmolVLM with random weights and a new tokenizer.

use std::path::PathBuf;

use stepwise_data::case::Case;
use stepwise_data::io::bounded;
use stepwise_data::prompt::{PromptOptions, prompt};
use stepwise_data::synth::{self, SynthOptions};
use stepwise_vlm::create::{FreshConfig, FreshError, create};

use crate::exit::{CommandResult, Failure};
use crate::folder;

/// Arguments of `new-model`.
#[derive(clap::Args)]
pub struct Args {
    /// Output folder; must not exist.
    out: PathBuf,
    /// TOML file with the sizes of the model; by default a model of about five million parameters.
    #[arg(long)]
    sizes: Option<PathBuf>,
    /// Number of synthetic cases that the tokenizer is trained on.
    #[arg(long, default_value_t = 2000)]
    cases: u64,
    /// Seed of the weights and the synthetic cases.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Creates the model folder.
///
/// # Errors
///
/// [`Failure::Input`] when the output folder exists or cannot be written, or the sizes are invalid; [`Failure::Run`]
/// when the tokenizer cannot be made.
pub fn run(args: &Args) -> CommandResult {
    folder::must_be_new(&args.out)?;
    let sizes = match &args.sizes {
        None => FreshConfig::default(),
        Some(path) => {
            let failed = |problem: String| Failure::input(format!("{}: {problem}", path.display()));
            let text = bounded::text(path).map_err(|error| {
                failed(format!("{error} -> {}", bounded::advice(&error, "check the path of the sizes")))
            })?;
            toml::from_str(&text)
                .map_err(|error| failed(format!("{} -> correct the sizes", error.to_string().trim_end())))?
        }
    };
    let options = SynthOptions { seed: args.seed, ..SynthOptions::default() };
    let texts = (0..args.cases).flat_map(move |number| words(&synth::record(number, &options)));
    create(&args.out, &sizes, texts, args.seed).map_err(|error| match error {
        FreshError::Config(_) => Failure::input(format!("{error} -> change the sizes")),
        FreshError::Weights(_) => Failure::input(format!("{error} -> name a folder that can be created and written")),
        FreshError::Tokenizer(_) => Failure::run(error),
    })?;
    say!("{}", args.out.display());
    Ok(())
}

/// Returns the prompt texts and the answer of every question of a case.
fn words(case: &Case) -> Vec<String> {
    let prompts = case.chain.iter().map(|item| prompt(case, item, &PromptOptions::default()));
    prompts
        .flat_map(|prompt| {
            let parts = prompt.conversation.messages.into_iter().flat_map(|message| message.content);
            let texts = parts.filter_map(|part| match part {
                stepwise_data::conversation::Part::Text { text } => Some(text),
                stepwise_data::conversation::Part::Image { .. } => None,
            });
            texts.chain([format!(" {}", prompt.answer)]).collect::<Vec<_>>()
        })
        .collect()
}
