//! Questions of a suite, as a model is asked them in an evaluation.

use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser;
use stepwise_benchmark::plan::{Plan, PlanEntry};
use stepwise_benchmark::suite::{Condition, Suite};
use stepwise_recipe::Recipe;
use stepwise_trainer::cases::Cases;
use stepwise_trainer::evaluation::suite::recipe_suite;
use stepwise_trainer::image_settings::ImageSettings;
use stepwise_vlm::processor::Processor;

use super::question::QuestionPrinter;
use crate::exit::{CommandResult, Failure};
use crate::folder;

/// Arguments of `preview` that select questions of an evaluation.
#[derive(clap::Args)]
pub struct Choice {
    /// Shows questions of this suite in place of training examples: `fast`, `full` or a suite file. With another of the
    /// following options alone, the suite of the recipe.
    #[arg(long, value_name = "SUITE")]
    suite: Option<PathBuf>,
    /// Condition of the suite; may be repeated. By default all conditions.
    #[arg(long = "condition", value_name = "ID")]
    conditions: Vec<String>,
    /// Number of questions per condition, spread evenly over the cases; by default 1.
    #[arg(long = "n", value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    count: Option<usize>,
    /// Writes the images of the shown questions to this folder, as the condition changes them.
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
}

impl Choice {
    /// Whether questions of an evaluation are selected.
    pub fn is_wanted(&self) -> bool {
        self.suite.is_some() || !self.conditions.is_empty() || self.count.is_some() || self.images.is_some()
    }
}

/// Prints questions of the chosen conditions about the evaluation cases of `recipe`, and how many questions each
/// condition leaves out, by reason. `case` is the index of an evaluation case, or None for all.
///
/// # Errors
///
/// [`Failure::Input`] when the cases, the suite or the processor cannot be loaded, the case or a condition does not
/// exist, an image cannot be read, or a text cannot be encoded; [`Failure::Run`] when an image cannot be written.
pub fn print(recipe: &Recipe, choice: &Choice, case: Option<usize>) -> CommandResult {
    let suite = suite(recipe, choice.suite.as_deref())?;
    let conditions = conditions(&suite, &choice.conditions)?;
    let mut cases = Cases::for_evaluation(&recipe.data).map_err(Failure::input)?;
    if let Some(number) = case.filter(|number| *number >= cases.eval.len()) {
        let count = cases.eval.len();
        let problem = format!("--case {number}: there are {count} evaluation cases -> give 0 to {}", count - 1);
        return Err(Failure::input(problem));
    }
    let mut processor = Processor::from_folder(&recipe.model_name_or_path).map_err(Failure::input)?;
    let options = ImageSettings::of(recipe).map_err(Failure::input)?.options;
    processor.set_image_options(options).map_err(Failure::input)?;
    cases.set_box_grids(&processor);
    if let Some(images) = &choice.images {
        folder::make(images)?;
    }
    let plan = Plan::new(&suite, &cases.eval);
    let mut printer = QuestionPrinter::new(&plan, &cases.pictures, &processor, choice.images.as_deref());
    for &number in &conditions {
        let condition = &suite.conditions[number];
        let is_of = |entry: &&PlanEntry| entry.condition == number && case.is_none_or(|case| entry.case == case);
        let entries: Vec<PlanEntry> = plan.entries.iter().filter(is_of).copied().collect();
        say!("{}", heading(condition, entries.len()));
        for (reason, count) in &plan.skipped[number] {
            say!("left out: {count}, {reason}");
        }
        for entry in spread(&entries, choice.count.unwrap_or(1)) {
            printer.print(entry)?;
        }
    }
    Ok(())
}

/// Loads the suite with the name or path `named`, or else the suite of the recipe, with the recipe's answer form.
fn suite(recipe: &Recipe, named: Option<&Path>) -> Result<Suite, Failure> {
    let Some(named) = named else {
        let own = recipe_suite(recipe).map_err(Failure::input)?;
        return own.ok_or_else(|| Failure::input("the recipe has no suite -> name one, such as `--suite fast`"));
    };
    let mut suite = Suite::named(named).map_err(Failure::input)?;
    suite.answer_form = recipe.train.answer_form;
    Ok(suite)
}

/// Returns the indices in the suite of the conditions with these ids, in the order given; of all conditions where `ids`
/// is empty.
fn conditions(suite: &Suite, ids: &[String]) -> Result<Vec<usize>, Failure> {
    if ids.is_empty() {
        return Ok((0..suite.conditions.len()).collect());
    }
    let number = |id: &String| {
        suite.conditions.iter().position(|condition| condition.id == *id).ok_or_else(|| {
            let known: Vec<&str> = suite.conditions.iter().map(|condition| condition.id.as_str()).collect();
            Failure::input(format!(
                "--condition {id}: the suite `{}` has no such condition -> name one of {}",
                suite.name,
                known.join(", ")
            ))
        })
    };
    ids.iter().map(number).collect()
}

fn heading(condition: &Condition, questions: usize) -> String {
    let kind = if condition.id == condition.kind { String::new() } else { format!(" (kind {})", condition.kind) };
    format!("\n=== {}{kind}: {questions} questions", condition.id)
}

/// Takes at most `count` of the entries, evenly spread.
fn spread(entries: &[PlanEntry], count: usize) -> impl Iterator<Item = PlanEntry> {
    let taken = count.min(entries.len());
    (0..taken).map(move |place| entries[place * entries.len() / taken])
}
