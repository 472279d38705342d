//! `stepwise train RECIPE`: fine-tunes and evaluates a model, or prints the plan of the run.

use std::path::PathBuf;

use stepwise_config::path::{quoted, quoted_word};
use stepwise_data::io::bounded;
use stepwise_recipe::Recipe;
use stepwise_trainer::checkpoint::{BEST, LAST};
use stepwise_trainer::claim::run::{RunClaimError, claim_run};
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::train::{Finished, PreparedRun, TrainError, TrainOptions};

use super::plan;
use super::split::leak_rule;
use crate::commands::details;
use crate::device;
use crate::exit::{CommandResult, Failure};
use crate::lost_claim::leave;
use crate::progress::ConsoleProgress;
use crate::{gains, source, standings_table};

/// Arguments of `train`.
#[derive(clap::Args)]
pub struct Args {
    /// Recipe, a TOML file.
    recipe: PathBuf,
    /// Overrides a value of the recipe, such as `lora.r=32`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Resume from the newest complete checkpoint in the recipe's output folder.
    #[arg(long)]
    resume: bool,
    /// Print the training examples of each phase as counts, and train nothing; with a file, also write every example
    /// with its step, as a table (`.csv`) or a page with charts (`.html`).
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "resume")]
    plan: Option<Option<PathBuf>>,
    /// Train although a patient or an image is on two sides of the split; the report says so.
    #[arg(long)]
    allow_leaks: bool,
    /// Device: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is usable.
    #[arg(long)]
    device: Option<String>,
}

/// Trains the recipe, or prints its plan, and prints the results.
///
/// # Errors
///
/// [`Failure::Input`] when the run cannot be prepared or trained, [`Failure::Held`] when another process trains in the
/// output folder, [`Failure::Run`] when the run stops or a file cannot be written, and [`Failure::Interrupted`] when the
/// user interrupts the run.
pub fn run(args: &Args) -> CommandResult {
    let recipe = Recipe::load(&args.recipe, &args.overrides).map_err(Failure::input)?;
    details::recipe(&args.recipe, &recipe);
    if let Some(file) = &args.plan {
        return plan::run(&recipe, &args.recipe, file.as_deref(), leak_rule(args.allow_leaks));
    }
    let recipe_text = bounded::text(&args.recipe).map_err(|error| {
        Failure::input(format!("{}: {error} -> check that the file is readable", args.recipe.display()))
    })?;
    let mut progress = ConsoleProgress::new("loading cases and model");
    let chosen = device::choose(args.device.as_deref())?;
    let interrupt =
        Interrupt::listen(|| tell!("\nfinishing the step and saving; again to leave at once")).map_err(Failure::run)?;
    let folder = recipe.output_dir.display().to_string();
    // Held until the command ends. Claimed first, so that a second process ends before it reads anything.
    let (_claim, left_by) = claim_run(&recipe.output_dir, leave(&folder)).map_err(|error| match error {
        RunClaimError::Held { .. } => Failure::Held(error.to_string()),
        RunClaimError::Folder(_) | RunClaimError::File { .. } => Failure::input(error),
    })?;
    if let Some(holder) = left_by {
        tell!("{folder}: left behind by {holder}, which has ended: taken over");
    }
    let options = TrainOptions {
        recipe: &recipe,
        recipe_text: &recipe_text,
        device: chosen.device,
        device_name: &chosen.name,
        adapter: chosen.adapter.as_ref(),
        resume: args.resume,
        base_answers: None,
        render: stepwise_report::render,
        leaks: leak_rule(args.allow_leaks),
    };
    let failure = |error| match error {
        TrainError::Stopped { .. } | TrainError::File { .. } | TrainError::Device { .. } => Failure::run(error),
        _ => Failure::input(error),
    };
    let prepared = PreparedRun::new(&options, &mut progress).map_err(failure)?;
    if let Some(preflight) = prepared.preflight() {
        progress.preflight(preflight);
    }
    let finished = prepared.train(&mut progress, &interrupt).map_err(failure)?;
    results(&finished);
    say!("run     {}", finished.folder.display());
    if let Some(best) = &finished.best {
        say!("best    {} ({best})", finished.folder.join(BEST).display());
    } else if !finished.epochs.is_empty() {
        say!(
            "best    none: no evaluated epoch stays within `best_model_max_drop`; the newest is {}",
            finished.folder.join(LAST).display()
        );
    }
    if let Some(delivered) = &finished.delivered {
        source::warn(delivered);
    }
    if finished.stopped_early {
        say!(
            "ended   early, after step {}: the metric no longer improved (`early_stopping_patience`)",
            finished.global_step
        );
    }
    if let Some(report) = &finished.report {
        say!("report  {}", report.display());
    }
    if finished.interrupted {
        say!("next    {}", resuming(args));
        tell!("interrupted after step {}: continue with `--resume`", finished.global_step);
        return Err(Failure::Interrupted);
    }
    say!("next    stepwise eval {} --suite full --split test", quoted(&finished.folder));
    Ok(())
}

/// Command line that resumes the run, with the arguments of this one.
fn resuming(args: &Args) -> String {
    let mut words = vec!["stepwise train".to_owned(), quoted(&args.recipe)];
    words.extend(args.overrides.iter().map(|written| format!("--set {}", quoted_word(written))));
    words.extend(args.device.iter().map(|device| format!("--device {}", quoted_word(device))));
    words.extend(args.allow_leaks.then(|| "--allow-leaks".to_owned()));
    words.push("--resume".to_owned());
    words.join(" ")
}

/// Prints the results of the delivered epoch, and all epochs next to it. Where the delivered checkpoint is at the end of no
/// evaluated epoch, as after an interrupt, the newest evaluated epoch is shown.
fn results(finished: &Finished) {
    let Some(standings) = &finished.standings else { return };
    let delivered = standings.delivered().map(|standing| standing.epoch);
    let shown = finished.epochs.iter().find(|(epoch, _)| Some(*epoch) == delivered).or(finished.epochs.last());
    let Some((epoch, summary)) = shown else { return };
    say!("{}", gains::text(&format!("after epoch {epoch}"), summary));
    if summary.conditions.iter().any(|condition| condition.id == "hint_minus") {
        say!("hint- in the lines of epochs: accuracy under misleading hints (hint_minus)");
    }
    match (&finished.delivered, delivered) {
        (Some(of_run), Some(epoch)) => say!("this table: epoch {epoch}, the delivered checkpoint ({})", of_run.label()),
        (Some(of_run), None) => {
            say!("this table: epoch {epoch}, the newest evaluated one; {} was not evaluated", of_run.label());
        }
        (None, _) => {}
    }
    if let Some(table) = standings_table::table("all evaluated epochs".to_owned(), standings) {
        say!("\n{}\n", table.text());
    }
}
