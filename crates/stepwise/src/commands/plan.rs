//! `stepwise train RECIPE --plan`: what a run would teach. Needs the cases, and neither model nor pictures.

use std::path::Path;

use stepwise_curriculum::run_plan::RunPlan;
use stepwise_recipe::Recipe;
use stepwise_report::plan::{PlanInput, PlannedStep, render};
use stepwise_trainer::cases::Cases;
use stepwise_trainer::evaluation::suite::{check_rules, recipe_suite};
use stepwise_trainer::preflight::plan_summary::{self, PlanSummary};

use crate::exit::{CommandResult, Failure};
use crate::{folder, table};

/// How a plan is written.
enum Form {
    List,
    Page,
}

/// Says what each phase would teach, and writes the whole plan to `file`.
pub fn run(recipe: &Recipe, path: &Path, file: Option<&Path>) -> CommandResult {
    let file = file.map(|file| Ok::<_, Failure>((file, form(file)?))).transpose()?;
    let suite = recipe_suite(recipe).map_err(Failure::input)?;
    check_rules(recipe, suite.as_ref()).map_err(Failure::input)?;
    let cases = Cases::open(&recipe.data).map_err(Failure::input)?.train;
    let run_plan = RunPlan::new(recipe, &cases).map_err(Failure::input)?;
    let plan_summary = PlanSummary::new(recipe, &cases, &run_plan);
    say!("{}", table::plan_summary(&plan_summary));
    plan_summary.idle(recipe).iter().for_each(|line| tell!("warning: {line}"));
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
            "{}: a plan is a list or a page -> end its name in .csv or .html",
            file.display()
        ))),
    }
}
