//! Prompts of a data set under the model of a recipe.

use std::collections::HashSet;
use std::path::Path;

use stepwise_data::case::{Case, Item};
use stepwise_data::dataset::Dataset;
use stepwise_data::parallel;
use stepwise_data::problem::Problem;
use stepwise_data::prompt::{PromptOptions, prompt};
use stepwise_recipe::Recipe;
use stepwise_report::cases::Prompts;
use stepwise_trainer::image_settings::ImageSettings;
use stepwise_vlm::images::grid::ImageGrid;
use stepwise_vlm::processor::{Encoded, Processor};

use crate::commands::preview::tokens::marked;
use crate::exit::Failure;

/// Encodes all questions with their right answers, and formats those of the cases `shown`. A case that breaks a rule, by
/// `problems`, has no prompt: the text says so. Only the processor of the model is read.
///
/// # Errors
///
/// [`Failure::Input`] when the recipe or the processor cannot be read.
pub fn prompts(path: &Path, dataset: &Dataset, problems: &[Problem], shown: &[usize]) -> Result<Prompts, Failure> {
    let recipe = Recipe::load(path, &[]).map_err(Failure::input)?;
    let mut processor = Processor::from_folder(&recipe.model_name_or_path).map_err(Failure::input)?;
    let images = ImageSettings::of(&recipe).map_err(Failure::input)?.options;
    processor.set_image_options(images).map_err(Failure::input)?;
    let options = PromptOptions { answer_form: recipe.train.answer_form, ..PromptOptions::default() };
    let encode = |case: &Case, item: &Item| -> Result<Encoded, String> {
        let prompt = prompt(case, item, &options);
        let grids: Vec<ImageGrid> = case
            .images
            .iter()
            .take(prompt.images.len())
            .map(|image| processor.grid(image.width, image.height))
            .collect();
        let conversation = prompt.conversation.answered(&prompt.answer);
        processor.encode(&conversation, &grids, false).map_err(|error| error.to_string())
    };
    let broken: HashSet<usize> =
        problems.iter().filter(|problem| !problem.is_leak).filter_map(|problem| problem.row).collect();
    let numbered: Vec<(usize, &Case)> = (1..).zip(&dataset.cases).collect();
    let encoded = parallel::map(&numbered, |(row, case)| {
        if broken.contains(row) {
            return vec![Err("the case has a problem: mend it to see its prompts".to_owned()); case.chain.len()];
        }
        let mut case = (*case).clone();
        case.set_box_grid(|width, height| processor.box_grid(width, height));
        case.chain.iter().map(|item| encode(&case, item)).collect::<Vec<Result<Encoded, String>>>()
    });
    let mut prompts = Prompts { model: recipe.model_name_or_path.display().to_string(), ..Prompts::default() };
    for (case, found) in dataset.cases.iter().zip(&encoded) {
        for (item, encoded) in case.chain.iter().zip(found) {
            prompts.lengths.entry(item.stage).or_default().extend(encoded.as_ref().map(|encoded| encoded.ids.len()));
        }
    }
    for case in shown {
        for (item, encoded) in encoded[*case].iter().enumerate() {
            let text = match encoded {
                Ok(encoded) => marked(&processor, &encoded.ids, &encoded.supervised),
                Err(reason) => reason.clone(),
            };
            prompts.texts.insert((*case, item), text);
        }
    }
    Ok(prompts)
}
