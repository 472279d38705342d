//! `stepwise study FILE`.

mod emit;
mod jobs;
mod task;

use std::path::PathBuf;
use std::time::Duration;

use stepwise_study::budget::EQUAL;
use stepwise_study::claim;
use stepwise_study::holder::Holder;
use stepwise_study::manifest::{self, Manifest};
use stepwise_study::task::TaskStatus;
use stepwise_study::{Study, StudyError, Task};

pub use emit::Target;

use crate::device;
use crate::exit::{CommandResult, Failure};
use crate::table::Table;

/// Arguments of `study`.
#[derive(clap::Args)]
pub struct Args {
    /// The study, a TOML file.
    study: PathBuf,
    /// Print what would be run and how far it is, and run nothing.
    #[arg(long, conflicts_with_all = ["task", "emit"])]
    dry_run: bool,
    /// Run the task of this number alone, as an array job on a cluster does.
    #[arg(long, value_name = "K", conflicts_with_all = ["jobs", "devices"])]
    task: Option<usize>,
    /// End at once where another process runs the task, instead of waiting until that is known to live or to be gone.
    #[arg(long, requires = "task")]
    no_wait: bool,
    /// Runs at once.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// Devices that the runs take turns on, such as `cuda:0,cuda:1`; as many runs at once unless `--jobs` says otherwise.
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "device")]
    devices: Vec<String>,
    /// Device of every run: `cpu`, `cuda[:n]` or `wgpu[:n]`; the best one built in when left out.
    #[arg(long)]
    device: Option<String>,
    /// Print what runs the study on a cluster or in a shell, a task at a time, and run nothing.
    #[arg(long, value_enum, value_name = "TARGET", conflicts_with_all = ["task", "jobs", "devices"])]
    emit: Option<Target>,
}

/// Runs the command.
pub fn run(args: &Args) -> CommandResult {
    let study = Study::load(&args.study).map_err(Failure::input)?;
    if args.dry_run {
        let manifest = Manifest::plan(&study, None).map_err(Failure::input)?;
        say!("{}", overview(&study, &manifest)?.text());
        return Ok(());
    }
    let manifest = Manifest::open(&study, args.task).map_err(Failure::input)?;
    if let Some(target) = args.emit {
        tell!("manifest  {}", manifest::path(&study).display());
        say!("{}", emit::text(target, &study, args.device.as_deref()).trim_end());
        return Ok(());
    }
    if let Some(number) = args.task {
        let task = study.task(number).map_err(Failure::input)?;
        return task::run(&study, task, args.device.as_deref(), args.no_wait);
    }
    if let Some(reasons) = manifest.unequal_budget.words() {
        tell!("arms need not be taught the same {reasons}");
    }
    let mut devices: Vec<Option<String>> = args.devices.iter().cloned().map(Some).collect();
    if devices.is_empty() {
        devices.push(args.device.clone());
    }
    for name in &devices {
        device::choose(name.as_deref())?; // A name that means nothing is better said once than by every run.
    }
    let jobs = args.jobs.map_or(devices.len(), |jobs| jobs as usize);
    jobs::run(&study, &args.study, jobs, &devices)?;
    say!("study   {}", study.file.output_dir.display());
    say!("next    stepwise report {}", args.study.display());
    Ok(())
}

/// How a task is called: its arm and its seed.
fn name(study: &Study, task: &Task) -> String {
    format!("{} seed-{}", study.arms[task.arm].name, task.seed)
}

fn claim_failed(task: &Task, error: &std::io::Error) -> Failure {
    let path = task.claim();
    Failure::run(format!("{}: {error} -> check that the folder is writable and the disk has room", path.display()))
}

fn holder_name(holder: &Holder) -> String {
    format!("process {} on {}", holder.pid, if holder.host.is_empty() { "an unknown host" } else { &holder.host })
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// What the study runs, what each run is taught, and how far it is.
fn overview(study: &Study, manifest: &Manifest) -> Result<Table, Failure> {
    let title = format!("study {}: {} arms, {} seeds", manifest.name, study.arms.len(), study.file.seeds.len());
    let mut table = Table::new(title, ["task", "arm", "seed", "steps", "samples", "supervised tokens", "state"]);
    for (task, entry) in study.tasks.iter().zip(&manifest.tasks) {
        let state = match (task.stage().map_err(Failure::run)?, held(task)?) {
            (TaskStatus::Finished, _) => "finished".to_owned(),
            (_, Some(holder)) => format!("run by {}", holder_name(&holder)),
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

fn held(task: &Task) -> Result<Option<Holder>, Failure> {
    claim::held(&task.claim()).map_err(|error| claim_failed(task, &error))
}

impl From<StudyError> for Failure {
    fn from(error: StudyError) -> Self {
        Self::input(error)
    }
}
