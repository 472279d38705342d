//! What runs a study elsewhere: an array job, an indexed job, or a list of commands. Each task is `stepwise study FILE --task K`
//! in a folder that all machines see; nothing else of ours is between the scheduler and the run.

use std::fmt::Write;

use stepwise_study::Study;

/// Where the tasks are to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// A batch script with an array of jobs.
    Slurm,
    /// A manifest of an indexed Job.
    Kubernetes,
    /// A command a line, for a shell or GNU parallel.
    Shell,
}

/// The script or manifest.
pub fn text(target: Target, study: &Study, device: Option<&str>) -> String {
    match target {
        Target::Slurm => slurm(study, device),
        Target::Kubernetes => kubernetes(study, device),
        Target::Shell => shell(study, device),
    }
}

fn device_argument(device: Option<&str>) -> String {
    device.map_or_else(String::new, |device| format!(" --device {}", quoted(device)))
}

fn shell(study: &Study, device: Option<&str>) -> String {
    let (file, device) = (quoted(&study.path.to_string_lossy()), device_argument(device));
    study.tasks.iter().fold(String::new(), |mut text, task| {
        let _ = writeln!(text, "stepwise study {file} --task {}{device}", task.number);
        text
    })
}

/// SIGUSR1 comes to the shell alone two minutes before the time is up; the run then saves, ends with code 130 and is put back into
/// the queue, where the next start resumes it. A SIGTERM ends the whole job, as when it is cancelled or preempted: it comes to the
/// run as well, which a second one would end before it has saved. What Slurm then requeues, it requeues by itself.
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
# Add what your cluster wants: --partition, --time, --cpus-per-task, --mem, --gres=gpu:1 (with --device cuda below).
# Submit it from the folder that the study's paths start at.
cd \"$SLURM_SUBMIT_DIR\" || exit 2
stepwise study {file} --task \"$SLURM_ARRAY_TASK_ID\"{device} &
run=$!
time_is_up=
# Time is up: the run saves, and goes on when the task starts again.
trap 'signalled=yes; time_is_up=yes; kill -TERM \"$run\"' USR1
# The whole job is to end: the run has got this signal too, and only its end is waited for.
trap 'signalled=yes' TERM
# A signal ends a wait early; the next one waits for the run.
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
        "exec stepwise study {} --task \"$JOB_COMPLETION_INDEX\"{}",
        quoted(&study.path.to_string_lossy()),
        device_argument(device)
    );
    // JSON's strings are YAML's.
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
  # A task that is ended early has saved; a new pod resumes it, once the old one has ended.
  podReplacementPolicy: Failed
  backoffLimitPerIndex: 6
  podFailurePolicy:
    rules:
      # Evicted or preempted, or saved and stopped: no failure of the task.
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
          workingDir: /study  # the folder that the study's paths start at
          command: [\"/bin/sh\", \"-c\", {command}]
          # resources: what a run needs, such as {{requests: {{cpu: 4, memory: 8Gi}}, limits: {{nvidia.com/gpu: 1}}}}
          volumeMounts:
            - name: study
              mountPath: /study
      volumes:
        - name: study
          persistentVolumeClaim:
            claimName: stepwise-study  # a claim that all pods can write (ReadWriteMany)
"
    )
}

/// The name of a Kubernetes Job: lower-case letters, digits and hyphens, and no more than 63 of them in the names of its pods,
/// which end with their index.
fn job_name(study: &str, last: usize) -> String {
    let fitting = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = format!("stepwise-{study}").chars().map(fitting).take(63 - format!("-{last}").len()).collect();
    name.trim_end_matches('-').to_owned()
}

/// A word of a line `#SBATCH`: Slurm takes what stands in quotes as one word, and what follows a backslash as it is.
fn batch_quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// A word that a POSIX shell takes as it is.
fn quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Whether a word means itself wherever it stands.
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
