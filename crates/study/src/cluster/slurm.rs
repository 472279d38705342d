//! Batch script with an array job for Slurm.

use stepwise_config::path::is_plain;

use super::{ScriptError, TaskCommand, writable};
use crate::Study;

/// Returns a batch script that runs every task of `study` as one element of an array job.
///
/// Slurm sends SIGUSR1 to the shell alone two minutes before the time limit; the run then saves, ends with code 130 and
/// is requeued, and the next start resumes it. SIGTERM ends the whole job when it is cancelled or preempted. It also
/// reaches the run, so the script must not send a second one, which would end the run before it has saved. Slurm
/// requeues preempted jobs itself.
///
/// # Errors
/// [`ScriptError::Path`] when the output folder of the study cannot be written into a script.
pub(super) fn script(study: &Study, run: &TaskCommand<'_>) -> Result<String, ScriptError> {
    let command = run.command("\"$SLURM_ARRAY_TASK_ID\"");
    let (last, name) = (study.tasks.len().saturating_sub(1), &study.file.name);
    let folder = writable(&study.file.output_dir)?.replace('%', "%%");
    let output = batch_quoted(&format!("{folder}/slurm-%a.out"));
    Ok(format!(
        "#!/bin/bash
#SBATCH --job-name=stepwise-{name}
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output={output}
# Add what your cluster requires: --partition, --time, --cpus-per-task, --mem, --gres=gpu:1 (with --device cuda below).
# Submit it from the folder that the paths of the study are relative to.
cd \"$SLURM_SUBMIT_DIR\" || exit 2
{command} &
run=$!
time_is_up=
# The time limit is near: the run saves, and the next start of the task resumes it.
trap 'signalled=yes; time_is_up=yes; kill -TERM \"$run\"' USR1
# The whole job ends: the run received this signal too, so the script only waits for it.
trap 'signalled=yes' TERM
# A signal interrupts `wait`; the loop waits again.
signalled=yes
while [ -n \"$signalled\" ]; do signalled=; wait \"$run\"; code=$?; done
if [ -n \"$time_is_up\" ] && [ \"$code\" -eq 130 ]; then
  scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID\"
fi
exit \"$code\"
"
    ))
}

/// Quotes a word of an `#SBATCH` line, where Slurm reads double quotes and backslashes.
fn batch_quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_with_blanks_and_quotes_reach_slurm_whole() {
        assert_eq!(super::batch_quoted("out/order/slurm-%a.out"), "out/order/slurm-%a.out");
        assert_eq!(super::batch_quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }
}
