//! `stepwise new-model OUT`: a small SmolVLM from nothing.

use std::path::PathBuf;

use stepwise_data::case::Case;
use stepwise_data::prompt::{PromptOptions, prompt};
use stepwise_data::synth::{self, SynthOptions};
use stepwise_vlm::create::{FreshConfig, FreshError, create};

use crate::exit::{CommandResult, Failure};
use crate::folder;

/// Arguments of `new-model`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write.
    out: PathBuf,
    /// Sizes, as a TOML file; the defaults make a model of about five million parameters.
    #[arg(long)]
    sizes: Option<PathBuf>,
    /// Synthetic cases whose words the tokenizer learns.
    #[arg(long, default_value_t = 2000)]
    cases: u64,
    /// Of weights and cases.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> CommandResult {
    folder::must_be_new(&args.out)?;
    let sizes = match &args.sizes {
        None => FreshConfig::default(),
        Some(path) => {
            let failed = |problem: String| Failure::input(format!("{}: {problem}", path.display()));
            let text = std::fs::read_to_string(path)
                .map_err(|error| failed(format!("{error} -> check the path of the sizes")))?;
            toml::from_str(&text).map_err(|error| failed(error.to_string()))?
        }
    };
    let options = SynthOptions { seed: args.seed, ..SynthOptions::default() };
    let texts = (0..args.cases).flat_map(move |number| words(&synth::record(number, &options)));
    create(&args.out, &sizes, texts, args.seed).map_err(|error| match error {
        FreshError::Config(_) => Failure::input(format!("{error} -> change the sizes")),
        FreshError::Weights(_) => Failure::input(format!("{error} -> name a folder that can be made and written")),
        FreshError::Tokenizer(_) => Failure::run(error),
    })?;
    say!("{}", args.out.display());
    Ok(())
}

/// Every question of a case as it is asked, and its answer.
fn words(case: &Case) -> Vec<String> {
    let asked = case.chain.iter().map(|item| prompt(case, item, &PromptOptions::default()));
    asked
        .flat_map(|prompt| {
            let said = prompt.conversation.messages.into_iter().flat_map(|message| message.content);
            let said = said.filter_map(|part| match part {
                stepwise_data::conversation::Part::Text { text } => Some(text),
                stepwise_data::conversation::Part::Image { .. } => None,
            });
            said.chain([format!(" {}", prompt.answer)]).collect::<Vec<_>>()
        })
        .collect()
}
