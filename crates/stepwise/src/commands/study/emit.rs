//! `stepwise study emit FILE`: prints a script that runs the tasks of a study with a scheduler.

use std::path::PathBuf;

use stepwise_study::Study;
use stepwise_study::cluster::{self, Scheduler};
use stepwise_study::manifest::{self, Manifest};

use crate::exit::{CommandResult, Failure};

/// Arguments of `study emit`.
#[derive(clap::Args)]
pub struct Args {
    /// Study, a TOML file.
    study: PathBuf,
    /// Scheduler that runs the tasks.
    #[arg(long, value_enum)]
    target: Target,
    /// Device of every run: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is usable.
    #[arg(long)]
    device: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Target {
    /// A batch script with an array job.
    Slurm,
    /// The manifest of an indexed Job.
    Kubernetes,
    /// One command per line, for a shell or GNU parallel.
    Shell,
}

/// Prints a script that runs all tasks of the study with the chosen scheduler. Before that, writes the manifest of the
/// study if it is new or has changed.
///
/// # Errors
///
/// [`Failure::Input`] when the study cannot be read or is invalid, its path cannot stand in a script, the manifest
/// cannot be made (see [`Manifest::plan`]) or written, or the study has changed since its first run.
pub fn run(args: &Args) -> CommandResult {
    let study = Study::load(&args.study).map_err(Failure::input)?;
    let scheduler = match args.target {
        Target::Slurm => Scheduler::Slurm,
        Target::Kubernetes => Scheduler::Kubernetes,
        Target::Shell => Scheduler::Shell,
    };
    let script = cluster::script(scheduler, &study, args.device.as_deref()).map_err(Failure::input)?;
    Manifest::open(&study, None).map_err(Failure::input)?;
    tell!("manifest  {}", manifest::path(&study).display());
    say!("{}", script.trim_end());
    Ok(())
}
