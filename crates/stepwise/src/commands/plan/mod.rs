//! `stepwise train RECIPE --plan`: prints the training examples of a run as counts by phase. Needs the cases,
//! but not the model. Image files are read only to find images that are near-duplicates of images on another side of the
//! split, and may be missing.

mod table;

use std::path::Path;

use stepwise_curriculum::planned::PlannedStep;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_recipe::Recipe;
use stepwise_report::plan::{PlanInput, render};
use stepwise_trainer::cases::{Cases, LeakRule};
use stepwise_trainer::evaluation::suite::{check_rules, recipe_suite};
use stepwise_trainer::image_settings::ImageSettings;
use stepwise_trainer::preflight::leaks;
use stepwise_trainer::preflight::plan_summary::{self, PlanSummary};
use stepwise_trainer::preflight::schedule_notes;

use crate::commands::split::warn;
use crate::exit::{CommandResult, Failure};
use crate::folder;
use crate::heartbeat::Heartbeat;

/// File format of a plan.
enum Form {
    /// Table of training examples, `.csv`.
    List,
    /// Page with charts, `.html`.
    Page,
}

/// Prints the counts of training examples by phase, and writes the whole plan to `file` if one is given. A patient or an
/// image on two sides of the split is treated by `rule`.
///
/// # Errors
///
/// [`Failure::Input`] when the name of the file does not end in `.csv` or `.html`, or the suite, the cases or the run
/// plan are invalid; [`Failure::Run`] when the file cannot be written.
pub fn run(recipe: &Recipe, path: &Path, file: Option<&Path>, rule: LeakRule) -> CommandResult {
    let file = file.map(|file| Ok::<_, Failure>((file, form(file)?))).transpose()?;
    let suite = recipe_suite(recipe).map_err(Failure::input)?;
    check_rules(recipe, suite.as_ref()).map_err(Failure::input)?;
    let _heartbeat = Heartbeat::start("planning the training examples");
    let cases = Cases::open_with_leaks(&recipe.data).map_err(Failure::input)?;
    warn(leaks::check(&cases, rule).map_err(Failure::input)?);
    let Cases { train: cases, warnings: of_cases, .. } = cases;
    let images = ImageSettings::of(recipe).map_err(Failure::input)?;
    let run_plan = RunPlan::new(recipe, &cases).map_err(Failure::input)?;
    let plan_summary = PlanSummary::new(recipe, &cases, &run_plan);
    say!("{}", table::text(&plan_summary));
    let warnings =
        [of_cases, images.warnings, plan_summary.idle(recipe), schedule_notes::warnings(recipe, &run_plan)].concat();
    warnings.iter().for_each(|line| tell!("warning: {line}"));
    let notes = images.notes.into_iter().chain(schedule_notes::single_steps(recipe, &run_plan));
    notes.for_each(|line| tell!("{line}"));
    let Some((file, form)) = file else { return Ok(()) };

    let steps: Vec<PlannedStep<'_>> = plan_summary::steps(recipe, &cases, &run_plan).collect();
    let mut phases: Vec<(String, usize)> = Vec::new();
    for done in 1..=steps.len() {
        let name = &recipe.curriculum.phase[run_plan.at(done as u64 - 1).phase].name;
        match phases.last_mut() {
            Some((last, end)) if last == name => *end = done,
            _ => phases.push((name.clone(), done)),
        }
    }
    let facts = [
        ("Recipe".to_owned(), path.display().to_string()),
        ("Seed".to_owned(), recipe.seed.to_string()),
        ("Base".to_owned(), recipe.model_name_or_path.display().to_string()),
    ];
    let title = recipe.output_dir.file_name().unwrap_or(recipe.output_dir.as_os_str()).to_string_lossy();
    let report =
        render(&PlanInput { title: &title, facts: &facts, cases: cases.len(), phases: &phases, steps: &steps });
    let text = match form {
        Form::Page => &report.html,
        Form::List => &report.tables[0].text,
    };
    folder::write(file, text)?;
    say!("\nplan    {}", file.display());
    Ok(())
}

fn form(file: &Path) -> Result<Form, Failure> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(Form::List),
        Some("html") => Ok(Form::Page),
        _ => Err(Failure::input(format!(
            "{}: a plan is written as a table or a page -> use a file name that ends in .csv or .html",
            file.display()
        ))),
    }
}
