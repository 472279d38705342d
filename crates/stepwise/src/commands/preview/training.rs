//! Training examples of one case, with the supervised tokens marked.

use serde_json::{Value, json};
use stepwise_curriculum::SampleIndex;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_recipe::Recipe;
use stepwise_trainer::batches::examples::{ExampleBuilder, TrainingExample};
use stepwise_trainer::cases::Cases;
use stepwise_trainer::image_settings::ImageSettings;
use stepwise_vlm::processor::{Encoded, Processor};

use super::tokens::marked;
use crate::exit::{CommandResult, Failure};

/// Label of a token that is not supervised, as in PyTorch and Hugging Face.
const IGNORED: i64 = -100;

/// Prints the training examples of each question of the training case with the index `case`, two for a pair; with
/// `as_json`, one JSON object with token ids and labels. The weights of the model are not read.
///
/// # Errors
///
/// [`Failure::Input`] when the processor cannot be loaded, the case does not exist, or an example cannot be made.
pub fn print(recipe: &Recipe, cases: &mut Cases, number: usize, as_json: bool) -> CommandResult {
    if number >= cases.train.len() {
        let count = cases.train.len();
        let problem = format!("--case {number}: there are {count} training cases -> give 0 to {}", count - 1);
        return Err(Failure::input(problem));
    }
    let mut processor = Processor::from_folder(&recipe.model_name_or_path).map_err(Failure::input)?;
    let options = ImageSettings::of(recipe).map_err(Failure::input)?.options;
    processor.set_image_options(options).map_err(Failure::input)?;
    cases.set_box_grids(&processor);
    let (cases, case) = (&*cases, &cases.train[number]);
    let run_plan = RunPlan::new(recipe, &cases.train).map_err(Failure::input)?;
    let mut examples = ExampleBuilder::new(recipe, cases, &processor).map_err(Failure::input)?;
    let mut shown = Vec::new();
    if !as_json {
        for image in &case.images {
            say!("image {}: {} x {} pixels, {}", image.id, image.width, image.height, image.path);
        }
    }
    for (index, item) in case.chain.iter().enumerate() {
        // The first phase that contains the stage of the item, or else the first phase of all.
        let phase = recipe.curriculum.phase.iter().position(|phase| phase.stages.contains(&item.stage));
        let sample = SampleIndex { case: number, item: index };
        for example in examples.all(run_plan.beginning(phase.unwrap_or(0)), sample).map_err(Failure::input)? {
            let (conversation, grids) = (&example.example.conversation, example.example.grids());
            let encoded = processor.encode(conversation, &grids, false).map_err(Failure::input)?;
            if as_json {
                shown.push(described(&example, &encoded));
                continue;
            }
            let features: usize = encoded.images.iter().map(|span| span.len).sum();
            let condition = example.condition.map_or_else(String::new, |condition| format!(", under {condition}"));
            let is_own = example.images_of == case.case_id;
            let images_of = if is_own { String::new() } else { format!(", images of {}", example.images_of) };
            say!(
                "\n{} (stage {}, category {}{condition}{images_of}): {} tokens, {features} of them image, {} supervised",
                example.name,
                item.stage,
                item.category,
                encoded.ids.len(),
                encoded.targets().count()
            );
            say!("{}", marked(&processor, &encoded.ids, &encoded.supervised));
        }
    }
    if as_json {
        say!("{}", json!({ "case_id": case.case_id, "examples": shown }));
    }
    Ok(())
}

/// Returns the tokens of an example and their labels: the token itself where it is supervised, else [`IGNORED`].
fn described(example: &TrainingExample, encoded: &Encoded) -> Value {
    let tokens = encoded.ids.iter().zip(&encoded.supervised);
    let labels: Vec<i64> = tokens.map(|(id, supervised)| if *supervised { i64::from(*id) } else { IGNORED }).collect();
    json!({
        "name": example.name,
        "stage": example.stage,
        "condition": example.condition.unwrap_or_default(),
        "images_of": example.images_of,
        "token_ids": encoded.ids,
        "labels": labels,
    })
}
