//! Scripts that run a study on a cluster: a Slurm array job, an indexed Kubernetes Job, or a list of commands. Each task runs
//! `stepwise study run FILE --task K` in a folder that all machines share; nothing else stands between scheduler and run.

use std::fmt::Write;

use crate::Study;

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

/// Script or manifest that runs all tasks of `study`, on `device` if given.
#[must_use]
pub fn script(scheduler: Scheduler, study: &Study, device: Option<&str>) -> String {
    match scheduler {
        Scheduler::Slurm => slurm(study, device),
        Scheduler::Kubernetes => kubernetes(study, device),
        Scheduler::Shell => shell(study, device),
    }
}

fn device_argument(device: Option<&str>) -> String {
    device.map_or_else(String::new, |device| format!(" --device {}", quoted(device)))
}

fn shell(study: &Study, device: Option<&str>) -> String {
    let (file, device) = (quoted(&study.path.to_string_lossy()), device_argument(device));
    study.tasks.iter().fold(String::new(), |mut text, task| {
        let _ = writeln!(text, "stepwise study run {file} --task {}{device}", task.number);
        text
    })
}

/// Slurm sends SIGUSR1 to the shell alone two minutes before the time limit; the run then saves, ends with code 130 and is
/// requeued, and the next start resumes it. SIGTERM ends the whole job when it is cancelled or preempted. It also reaches the run,
/// so the script must not send a second one, which would end the run before it has saved. Slurm requeues preempted jobs itself.
fn slurm(study: &Study, device: Option<&str>) -> String {
    let (file, device) = (quoted(&study.path.to_string_lossy()), device_argument(device));
    let (last, name) = (study.tasks.len().saturating_sub(1), &study.file.name);
    let folder = study.file.output_dir.to_string_lossy().replace('%', "%%");
    let output = batch_quoted(&format!("{folder}/slurm-%a.out"));
    format!(
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
stepwise study run {file} --task \"$SLURM_ARRAY_TASK_ID\"{device} &
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
    )
}

fn kubernetes(study: &Study, device: Option<&str>) -> String {
    let count = study.tasks.len();
    let name = job_name(&study.file.name, count.saturating_sub(1));
    let command = format!(
        "exec stepwise study run {} --task \"$JOB_COMPLETION_INDEX\"{}",
        quoted(&study.path.to_string_lossy()),
        device_argument(device)
    );
    // A JSON string is a valid YAML string.
    let command = serde_json::Value::from(command);
    format!(
        "apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {count}
  parallelism: {count}
  # A task that ended early has saved; a new pod resumes it after the old one has ended.
  podReplacementPolicy: Failed
  backoffLimitPerIndex: 6
  podFailurePolicy:
    rules:
      # An eviction, a preemption, or a stop after saving is not a failure of the task.
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
      - action: Ignore
        onExitCodes:
          operator: In
          values: [130]
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 120
      containers:
        - name: task
          image: stepwise:latest  # an image with the program on its path
          workingDir: /study  # the folder that the paths of the study are relative to
          command: [\"/bin/sh\", \"-c\", {command}]
          # resources: needs of one run, such as {{requests: {{cpu: 4, memory: 8Gi}}, limits: {{nvidia.com/gpu: 1}}}}
          volumeMounts:
            - name: study
              mountPath: /study
      volumes:
        - name: study
          persistentVolumeClaim:
            claimName: stepwise-study  # a claim that all pods can write to (ReadWriteMany)
"
    )
}

/// Name of a Kubernetes Job: lower-case letters, digits and hyphens. A pod name, which adds the index, has at most 63
/// characters.
fn job_name(study: &str, last: usize) -> String {
    let fitting = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = format!("stepwise-{study}").chars().map(fitting).take(63 - format!("-{last}").len()).collect();
    name.trim_end_matches('-').to_owned()
}

/// Quotes a word of an `#SBATCH` line, where Slurm reads double quotes and backslashes.
fn batch_quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Whether a word needs no quotes in a shell, in YAML and on an `#SBATCH` line.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c))
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_with_blanks_and_quotes_reach_slurm_whole() {
        assert_eq!(super::batch_quoted("out/order/slurm-%a.out"), "out/order/slurm-%a.out");
        assert_eq!(super::batch_quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }

    #[test]
    fn names_of_jobs_are_what_kubernetes_takes() {
        assert_eq!(super::job_name("Order_of.2", 3), "stepwise-order-of-2");
        assert_eq!(super::job_name("1__", 0), "stepwise-1");
        let long = "a".repeat(46) + "-bcdefgh";
        assert_eq!(super::job_name(&long, 99).len(), 63 - "-99".len());
        assert_eq!(super::job_name(&long, 999_999), "stepwise-".to_owned() + &"a".repeat(46), "no hyphen at its end");
    }

    #[test]
    fn words_with_blanks_and_quotes_reach_the_program_whole() {
        assert_eq!(super::quoted("recipes/study-order.toml"), "recipes/study-order.toml");
        assert_eq!(super::quoted("my study's.toml"), "'my study'\\''s.toml'");
        assert_eq!(super::quoted(""), "''");
    }
}
