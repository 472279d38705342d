//! Delivered checkpoint: the checkpoint of a run that `eval`, `export` and `ask` take, and that reports show first.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::{BEST, LAST, STATE_FILE, TrainerState, name, step_of, steps};
use crate::log::tested_steps;
use crate::selection::Best;

/// Delivered checkpoint of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// Folder of the checkpoint.
    pub folder: PathBuf,
    /// Optimiser step of the checkpoint.
    pub step: u64,
    /// Why this checkpoint is taken.
    pub reason: Reason,
    /// Links of the run that lead nowhere, one message each; every command shows them as warnings.
    pub warnings: Vec<String>,
}

/// Why a checkpoint is the delivered one.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// `best` leads to the checkpoint. The choice is None where the state of the checkpoint does not record it.
    Best(Option<Best>),
    /// `best` does not exist, as in a copy of the run without its links; the newest checkpoint records this choice.
    Recorded(Best),
    /// `last` leads to the checkpoint, and no epoch was chosen. `evaluated` is false before the first benchmark.
    NoBest {
        /// Whether an epoch was evaluated, so that no evaluated epoch fulfils the guard.
        evaluated: bool,
    },
    /// `best` leads nowhere, or does not exist and the checkpoint of the chosen epoch is missing too; `last` leads to the
    /// checkpoint.
    BestLost,
    /// No link leads to a checkpoint; this is the newest one.
    Newest,
}

/// Returns the checkpoint that a run delivers: the one of the best epoch, else the newest one. `None` where a run has
/// neither.
#[must_use]
pub fn preferred<T>(best: Option<T>, newest: Option<T>) -> Option<T> {
    best.or(newest)
}

impl Delivered {
    /// Finds the delivered checkpoint in the folder of a run: `best`, else the choice that the newest checkpoint records,
    /// else `last`, else the newest checkpoint. `None` if the run has no checkpoint.
    #[must_use]
    pub fn of_run(run: &Path) -> Option<Self> {
        let (best, last) = (Link::read(run, BEST), Link::read(run, LAST));
        let mut warnings: Vec<String> = [&best, &last].iter().filter_map(|link| link.warning(run)).collect();
        let newest_step = steps(run).ok().and_then(|mut steps| steps.pop());
        let newest = || newest_step.map(|step| (step, run.join(name(step)), Reason::Newest));
        let mut best_is_lost = matches!(best, Link::Lost(..));
        let mut recorded = None;
        if let (Link::Absent, Some(choice)) = (&best, newest_step.and_then(|step| chosen(run, step))) {
            let folder = run.join(name(choice.step));
            if TrainerState::read(&folder).is_ok() {
                recorded = Some((choice.step, folder, Reason::Recorded(choice)));
            } else {
                best_is_lost = true;
                warnings.push(format!(
                    "{}: is missing, and so is {}, the checkpoint of the best epoch -> restore that folder, or name \
                     another checkpoint",
                    run.join(BEST).display(),
                    name(choice.step)
                ));
            }
        }
        let of_best = best.found().map(|(step, folder)| {
            let choice = TrainerState::read(&folder).ok().and_then(|state| state.selection.best);
            (step, folder, Reason::Best(choice.filter(|best| best.step == step)))
        });
        let of_last = last.found().map(|(step, folder)| {
            let reason = match TrainerState::read(&folder) {
                _ if best_is_lost => Reason::BestLost,
                Ok(state) => Reason::NoBest { evaluated: state.selection.has_evaluated() },
                Err(_) => Reason::NoBest { evaluated: false },
            };
            (step, folder, reason)
        });
        let (step, folder, reason) = preferred(of_best.or(recorded), of_last.or_else(newest))?;
        Some(Self { folder, step, reason, warnings })
    }

    /// Returns the epoch at whose end the checkpoint was written, by the choice of the best epoch or by the log of the
    /// run in the folder `run`. None if it was written within an epoch, or the log cannot be read.
    #[must_use]
    pub fn epoch(&self, run: &Path) -> Option<u32> {
        if let Reason::Best(Some(best)) | Reason::Recorded(best) = &self.reason {
            return Some(best.epoch);
        }
        let ends = tested_steps(&run.join("trainer_log.jsonl")).ok()?;
        ends.into_iter().find(|(_, step)| *step == self.step).map(|(epoch, _)| epoch)
    }

    /// Returns a short name for titles and tables, such as `checkpoint-8, best`.
    #[must_use]
    pub fn label(&self) -> String {
        let how = match self.reason {
            Reason::Best(_) | Reason::Recorded(_) => BEST,
            Reason::NoBest { .. } | Reason::BestLost => LAST,
            Reason::Newest => "newest",
        };
        format!("{}, {how}", name(self.step))
    }
}

impl fmt::Display for Delivered {
    /// Writes which checkpoint is taken, and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is taken: ", self.folder.display())?;
        match &self.reason {
            Reason::Best(Some(best)) => write!(f, "`best`, {best}"),
            Reason::Best(None) => write!(f, "`best` leads to it"),
            Reason::Recorded(best) => write!(f, "the recorded best, {best}; the link `best` is missing"),
            Reason::NoBest { evaluated: true } => {
                write!(
                    f,
                    "the newest (`last`); no evaluated epoch stays within `best_model_max_drop`, so there is no `best`"
                )
            }
            Reason::NoBest { evaluated: false } => {
                write!(f, "the newest (`last`); no evaluated epoch was chosen, so there is no `best`")
            }
            Reason::BestLost => write!(f, "the newest (`last`), because `best` leads nowhere or is missing"),
            Reason::Newest => write!(f, "the newest checkpoint, because neither `best` nor `last` leads to one"),
        }
    }
}

/// Epoch that the checkpoint of this step records as the best one so far.
fn chosen(run: &Path, step: u64) -> Option<Best> {
    TrainerState::read(&run.join(name(step))).ok()?.selection.best
}

/// What a link of a run leads to.
enum Link {
    Absent,
    /// Step and folder of a checkpoint.
    Found(u64, PathBuf),
    /// Name of the link, and target that is no checkpoint.
    Lost(&'static str, String),
}

impl Link {
    /// Reads a link. A folder in place of the link, as some copies of a run have, is a checkpoint too.
    fn read(run: &Path, link: &'static str) -> Self {
        let path = run.join(link);
        if fs::symlink_metadata(&path).is_err() {
            return Self::Absent;
        }
        let target = fs::read_link(&path).unwrap_or_else(|_| path.clone());
        let Some(folder) = path.canonicalize().ok().filter(|folder| folder.is_dir()) else {
            return Self::Lost(link, target.display().to_string());
        };
        let named = folder.file_name().and_then(|name| step_of(&name.to_string_lossy()));
        let stored = || TrainerState::read(&folder).ok().map(|state| state.global_step);
        match named.or_else(stored) {
            Some(step) => {
                let own = run.join(name(step));
                let is_own = own.canonicalize().is_ok_and(|own| own == folder);
                Self::Found(step, if is_own { own } else { path })
            }
            None => Self::Lost(link, format!("{}, a folder without {STATE_FILE}", target.display())),
        }
    }

    fn found(self) -> Option<(u64, PathBuf)> {
        match self {
            Self::Found(step, folder) => Some((step, folder)),
            Self::Absent | Self::Lost(..) => None,
        }
    }

    fn warning(&self, run: &Path) -> Option<String> {
        let Self::Lost(link, target) = self else { return None };
        let link = run.join(link);
        Some(format!(
            "{}: leads to {target}, which is no checkpoint -> restore that folder, or name another checkpoint",
            link.display()
        ))
    }
}
