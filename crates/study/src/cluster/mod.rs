//! Scripts that run a study on a cluster: a Slurm array job, an indexed Kubernetes Job, or a list of commands. Each task runs
//! `stepwise study run FILE --task K` in a folder that all machines share; nothing else stands between scheduler and run.

mod kubernetes;
mod quote;
mod slurm;

use std::path::{Path, PathBuf};

use crate::Study;
pub use quote::quoted;

/// Scheduler that runs the tasks of a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Slurm: a batch script with an array job.
    Slurm,
    /// Kubernetes: the manifest of an indexed Job.
    Kubernetes,
    /// A shell or GNU parallel: one command per line.
    Shell,
}

/// Why no script can be written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A path cannot be written into a script without change.
    #[error(
        "{path:?}: a script cannot contain this path, because it is not UTF-8 or has a control character -> rename the file \
         or folder"
    )]
    Path {
        /// Path of the study file, or the study's output folder.
        path: PathBuf,
    },
}

/// Returns the text of a script or manifest that runs all tasks of `study`, each on `device`; None uses the default
/// device. No file is written.
///
/// # Errors
/// When the path of the study file, or for Slurm the output folder, cannot be written into a script.
pub fn script(scheduler: Scheduler, study: &Study, device: Option<&str>) -> Result<String, ScriptError> {
    let run = TaskCommand { file: writable(&study.path)?, device };
    match scheduler {
        Scheduler::Slurm => slurm::script(study, &run),
        Scheduler::Kubernetes => Ok(kubernetes::manifest(study, &run)),
        Scheduler::Shell => Ok(study.tasks.iter().map(|task| run.command(&task.number.to_string()) + "\n").collect()),
    }
}

/// Shell command of one task.
struct TaskCommand<'a> {
    /// Path of the study file.
    file: &'a str,
    /// Device of the run; None for the default.
    device: Option<&'a str>,
}

impl TaskCommand<'_> {
    /// Command line of the task `number`: a number, or a shell variable in quotes.
    fn command(&self, number: &str) -> String {
        let device = self.device.map_or_else(String::new, |device| format!(" --device {}", quoted(device)));
        format!("stepwise study run {} --task {number}{device}", quoted(self.file))
    }
}

/// The path as text, if every character can stand in a script.
fn writable(path: &Path) -> Result<&str, ScriptError> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| ScriptError::Path { path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_a_script_cannot_hold_is_refused() {
        assert_eq!(writable(Path::new("my study's 50%.toml")), Ok("my study's 50%.toml"));
        let error = writable(Path::new("a\nrm.toml")).expect_err("a line break ends a command");
        assert!(error.to_string().starts_with("\"a\\nrm.toml\": ") && error.to_string().contains(" -> "), "{error}");
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            let latin1 = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9.toml"));
            assert_eq!(writable(latin1), Err(ScriptError::Path { path: latin1.into() }));
        }
    }
}
