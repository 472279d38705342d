//! `stepwise study run FILE`: runs all tasks of a study, or a single one, or lists them.

use std::path::PathBuf;

use stepwise_config::path::quoted;
use stepwise_study::Study;
use stepwise_study::budget::EQUAL;
use stepwise_study::manifest::Manifest;
use stepwise_study::task::TaskStatus;

use super::{jobs, task};
use crate::commands::split::leak_rule;
use crate::device;
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;
use crate::table::Table;

/// Arguments of `study run`.
#[derive(clap::Args)]
pub struct Args {
    /// Study, a TOML file.
    study: PathBuf,
    /// Print the tasks and their state, and run nothing.
    #[arg(long, conflicts_with = "task")]
    dry_run: bool,
    /// Run only the task with this number, as an array job on a cluster does.
    #[arg(long, value_name = "K", conflicts_with_all = ["jobs", "devices"])]
    task: Option<usize>,
    /// Exit at once when another process runs the task, instead of waiting until that process is known to be
    /// alive or gone.
    #[arg(long, requires = "task")]
    no_wait: bool,
    /// Number of runs at the same time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// Devices that the runs use in turn, such as `cuda:0,cuda:1`; without `--jobs`, one run per device at
    /// the same time.
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "device")]
    devices: Vec<String>,
    /// Run the study although a patient or an image is on two sides of the split; the reports of its runs say so.
    #[arg(long)]
    allow_leaks: bool,
    /// Device of every run: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is usable.
    #[arg(long)]
    device: Option<String>,
}

/// Runs the tasks, or prints them with `--dry-run`.
///
/// # Errors
///
/// [`Failure::Input`] for an invalid study, task or device; [`Failure::Run`] when runs failed; [`Failure::Held`] when
/// other processes run the rest; [`Failure::Interrupted`] when the user interrupts the command.
pub fn run(args: &Args) -> CommandResult {
    let mut study = Study::load(&args.study).map_err(Failure::input)?;
    study.leaks = leak_rule(args.allow_leaks);
    let heartbeat = Heartbeat::start("checking the cases of the study");
    if args.dry_run {
        let manifest = Manifest::plan(&study, None).map_err(Failure::input)?;
        say!("{}", overview(&study, &manifest)?.text());
        return Ok(());
    }
    let manifest = Manifest::open(&study, args.task).map_err(Failure::input)?;
    drop(heartbeat);
    if let Some(number) = args.task {
        let task = study.task(number).map_err(Failure::input)?;
        return task::run(&study, task, args.device.as_deref(), args.no_wait);
    }
    if let Some(reasons) = manifest.unequal_budget.words() {
        tell!("the training budget of the arms may differ in {reasons}");
    }
    let mut devices: Vec<Option<String>> = args.devices.iter().cloned().map(Some).collect();
    if devices.is_empty() {
        devices.push(args.device.clone());
    }
    for name in &devices {
        device::check(name.as_deref())?; // An invalid name is reported once here, not by every run.
    }
    let jobs = args.jobs.map_or(devices.len(), |jobs| jobs as usize);
    jobs::run(&study, jobs, &devices)?;
    say!("study   {}", study.file.output_dir.display());
    say!("next    stepwise study report {}", quoted(&args.study));
    Ok(())
}

/// Table of all tasks with their training budget and state.
fn overview(study: &Study, manifest: &Manifest) -> Result<Table, Failure> {
    let title = format!("study {}: {} arms, {} seeds", manifest.name, study.arms.len(), study.file.seeds.len());
    let mut table = Table::new(title, ["task", "arm", "seed", "steps", "samples", "supervised tokens", "state"]);
    for (task, entry) in study.tasks.iter().zip(&manifest.tasks) {
        let state = match (task.status().map_err(Failure::run)?, task.holder().map_err(Failure::run)?) {
            (TaskStatus::Finished, _) => "finished".to_owned(),
            (_, Some(holder)) => format!("run by {holder}"),
            (TaskStatus::Partial(step), None) => format!("stopped after step {step}"),
            (TaskStatus::Waiting, None) => "to be run".to_owned(),
        };
        table.rows.push(vec![
            task.number.to_string(),
            entry.arm.clone(),
            task.seed.to_string(),
            entry.budget.steps.to_string(),
            entry.budget.samples.to_string(),
            entry.budget.supervised_tokens.to_string(),
            state,
        ]);
    }
    table.notes.push(String::new());
    table.notes.push(format!("base       {}", manifest.base.display()));
    table.notes.push(format!("folder     {}", study.file.output_dir.display()));
    table.notes.push(format!("reference  {}", manifest.reference));
    table.notes.push(format!("primary    {}", manifest.primary.join(", ")));
    table.notes.push(format!("suite      {}, {} conditions", study.suite.name, study.suite.conditions.len()));
    table.notes.push(match manifest.unequal_budget.words() {
        None => format!("budget     {EQUAL}"),
        Some(reasons) => format!("budget     may differ in {reasons}"),
    });
    Ok(table)
}
