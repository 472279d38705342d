//! `stepwise preview RECIPE`: prints the training examples of a case as text, with the supervised tokens marked.

use std::path::PathBuf;

use stepwise_curriculum::SampleIndex;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_recipe::Recipe;
use stepwise_trainer::batches::examples::ExampleBuilder;
use stepwise_trainer::cases::Cases;
use stepwise_vlm::pipeline::VlmPipeline;
use stepwise_vlm::processor::Processor;

use crate::device;
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;

/// Arguments of `preview`.
#[derive(clap::Args)]
pub struct Args {
    /// Recipe, a TOML file.
    recipe: PathBuf,
    /// Overrides a value of the recipe, such as `lora.r=32`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Index of the training case, from 0.
    #[arg(long, default_value_t = 0)]
    case: usize,
}

/// Prints one training example for each question of the chosen case.
///
/// # Errors
///
/// [`Failure::Input`] when the recipe, the cases or the model cannot be loaded, the case does not exist, or an example
/// cannot be made.
pub fn run(args: &Args) -> CommandResult {
    let recipe = Recipe::load(&args.recipe, &args.overrides).map_err(Failure::input)?;
    let _heartbeat = Heartbeat::start("loading cases and model");
    let cases = Cases::open(&recipe.data).map_err(Failure::input)?;
    let Some(case) = cases.train.get(args.case) else {
        let count = cases.train.len();
        let problem = format!("--case {}: there are {count} training cases -> give 0 to {}", args.case, count - 1);
        return Err(Failure::input(problem));
    };
    let chosen = device::choose(Some("cpu"))?;
    let mut pipeline = VlmPipeline::load(&recipe.model_name_or_path, &chosen.device).map_err(Failure::input)?;
    pipeline.processor.set_image_splitting(recipe.do_image_splitting);
    let run_plan = RunPlan::new(&recipe, &cases.train).map_err(Failure::input)?;
    let mut examples = ExampleBuilder::new(&recipe, &cases, &pipeline.processor);
    for image in &case.images {
        say!("image {}: {} x {} pixels, {}", image.id, image.width, image.height, image.path);
    }
    for (index, item) in case.chain.iter().enumerate() {
        // The first phase that contains the stage of the item, or else the first phase of all.
        let phase = recipe.curriculum.phase.iter().position(|phase| phase.stages.contains(&item.stage));
        let sample = SampleIndex { case: args.case, item: index };
        let example = examples.of(run_plan.beginning(phase.unwrap_or(0)), sample).map_err(Failure::input)?;
        let encoded = pipeline.encode(&example.example, false).map_err(Failure::input)?;
        let features: usize = encoded.images.iter().map(|span| span.len).sum();
        let supervised = encoded.supervised.iter().filter(|on| **on).count();
        say!(
            "\n{} (stage {}, category {}{}): {} tokens, {features} of them image, {supervised} supervised",
            example.name,
            item.stage,
            item.category,
            example.condition.map_or_else(String::new, |condition| format!(", under {condition}")),
            encoded.ids.len()
        );
        say!("{}", marked(&pipeline.processor, &encoded.ids, &encoded.supervised));
    }
    Ok(())
}

/// Formats tokens as text: supervised tokens between `[[` and `]]`, consecutive image tokens as a count.
fn marked(processor: &Processor, ids: &[u32], supervised: &[bool]) -> String {
    let words = processor.token_strings(ids);
    let mut text = String::new();
    let mut index = 0;
    while index < ids.len() {
        let run = words[index..].iter().take_while(|word| *word == "<image>").count();
        if run > 0 {
            text.push_str(&format!("<image> x {run}"));
            index += run;
            continue;
        }
        let before = index > 0 && supervised[index - 1];
        if supervised[index] && !before {
            text.push_str("[[");
        }
        text.push_str(&words[index]);
        if supervised[index] && !supervised.get(index + 1).copied().unwrap_or(false) {
            text.push_str("]]");
        }
        index += 1;
    }
    text
}
