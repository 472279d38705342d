//! Progress of a command on stderr: a progress bar if stderr is a terminal, else a line every ten seconds, and plain
//! lines for steps, epochs and notes.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stepwise_trainer::log::StepLine;
use stepwise_trainer::preflight::Preflight;
use stepwise_trainer::progress::{EpochLine, Progress};

use crate::heartbeat::Heartbeat;
use crate::output::is_quiet;
use crate::preflight_tables;

/// Progress display on stderr.
pub struct ConsoleProgress {
    bar: ProgressBar,
    heartbeat: Heartbeat,
    task: String,
    warnings: Vec<String>,
}

impl ConsoleProgress {
    /// Makes a display; the bar is hidden if stderr is not a terminal. `task` is the work before the first progress event,
    /// such as `loading`.
    pub fn new(task: &str) -> Self {
        let is_drawn = std::io::stderr().is_terminal() && !is_quiet();
        let target = if is_drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template("{msg:<22} {wide_bar} {pos}/{len} {elapsed} eta {eta}");
        let bar = style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style));
        Self { bar, heartbeat: Heartbeat::start(task), task: String::new(), warnings: Vec::new() }
    }

    /// Returns the warnings so far.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Shows the preflight tables of a run, and a warning if memory may not suffice.
    pub fn preflight(&mut self, preflight: &Preflight) {
        self.line(&preflight_tables::text(preflight));
        if let Some(warning) = preflight_tables::warning(preflight) {
            self.warning(&warning);
        }
    }

    /// Formats a benchmark metric with its gain over the base; None if the epoch has no such metric.
    fn pair(line: &EpochLine, name: &str) -> Option<String> {
        let value = line.metrics.get(&format!("benchmark/{name}"))?;
        let gain = line.metrics.get(&format!("gain/{name}"));
        Some(gain.map_or_else(|| format!("{value:.3}"), |gain| format!("{value:.3} ({gain:+.3})")))
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| tell!("{text}"));
        self.heartbeat.spoken();
    }
}

/// Label and metric name of the main results on the line of an epoch. All other metrics are in the run's folder.
const EPOCH_METRICS: [(&str, &str); 7] = [
    ("image", "image_score"),
    ("robust", "robust_accuracy"),
    ("clean", "accuracy/clean"),
    ("hint-", "accuracy/hint_minus"),
    ("blank", "accuracy/blank"),
    ("fgsm", "accuracy/fgsm"),
    ("chains", "chain_accuracy"),
];

impl Progress for ConsoleProgress {
    fn begin(&mut self, task: &str, done: u64, total: u64) {
        self.task = task.to_owned();
        self.bar.reset();
        self.bar.set_message(self.task.clone());
        self.bar.set_length(total);
        // The pace of a task does not include what was done before it.
        self.bar.set_position(done);
        self.bar.reset_eta();
        if !self.bar.is_hidden() {
            self.heartbeat.pause();
        }
        self.heartbeat.advance(task, done, total);
    }

    fn advance(&mut self, task: &str, done: u64, total: u64) {
        if self.task != task {
            self.begin(task, done, total);
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.heartbeat.advance(task, done, total);
    }

    fn step(&mut self, line: &StepLine) {
        self.line(&format!(
            "step {:>6}/{} {:>5.1}%  {}  epoch {:.2}  loss {:.4}  lr {:.2e}  grad {:.3}  {} tokens  {:.0} tokens/s  {:.2} s  left {}",
            line.current_steps,
            line.total_steps,
            line.percentage,
            line.phase,
            line.epoch,
            line.loss,
            line.lr,
            line.grad_norm,
            line.supervised_tokens,
            line.tokens_per_second,
            line.seconds_per_step,
            line.remaining_time,
        ));
    }

    fn epoch(&mut self, line: &EpochLine) {
        let results =
            EPOCH_METRICS.iter().filter_map(|(label, name)| Some(format!("  {label} {}", Self::pair(line, name)?)));
        let mut results: String = results.collect();
        if let Some(transfer) = line.metrics.get("forgetting/backward_transfer") {
            results.push_str(&format!("  earlier stages {transfer:+.3}"));
        }
        self.line(&format!("epoch {}/{} ({})  loss {:.4}{results}", line.epoch, line.epochs, line.phase, line.loss));
    }

    fn note(&mut self, text: &str) {
        self.line(text);
    }

    fn warning(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
        self.line(&format!("warning: {text}"));
    }
}
