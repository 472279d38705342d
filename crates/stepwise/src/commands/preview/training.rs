//! Training examples of one case, with the supervised tokens marked.

use stepwise_curriculum::SampleIndex;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_recipe::Recipe;
use stepwise_trainer::batches::examples::ExampleBuilder;
use stepwise_trainer::cases::Cases;
use stepwise_trainer::image_settings::ImageSettings;
use stepwise_vlm::pipeline::VlmPipeline;

use super::tokens::marked;
use crate::device;
use crate::exit::{CommandResult, Failure};

/// Prints one training example for each question of the training case with the index `case`.
///
/// # Errors
///
/// [`Failure::Input`] when the model cannot be loaded, the case does not exist, or an example cannot be made.
pub fn print(recipe: &Recipe, cases: &mut Cases, number: usize) -> CommandResult {
    if number >= cases.train.len() {
        let count = cases.train.len();
        let problem = format!("--case {number}: there are {count} training cases -> give 0 to {}", count - 1);
        return Err(Failure::input(problem));
    }
    let chosen = device::choose(Some("cpu"))?;
    let mut pipeline = VlmPipeline::load(&recipe.model_name_or_path, &chosen.device).map_err(Failure::input)?;
    let options = ImageSettings::of(recipe).map_err(Failure::input)?.options;
    pipeline.processor.set_image_options(options).map_err(Failure::input)?;
    cases.set_box_grids(&pipeline.processor);
    let (cases, case) = (&*cases, &cases.train[number]);
    let run_plan = RunPlan::new(recipe, &cases.train).map_err(Failure::input)?;
    let mut examples = ExampleBuilder::new(recipe, cases, &pipeline.processor);
    for image in &case.images {
        say!("image {}: {} x {} pixels, {}", image.id, image.width, image.height, image.path);
    }
    for (index, item) in case.chain.iter().enumerate() {
        // The first phase that contains the stage of the item, or else the first phase of all.
        let phase = recipe.curriculum.phase.iter().position(|phase| phase.stages.contains(&item.stage));
        let sample = SampleIndex { case: number, item: index };
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
