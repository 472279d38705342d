//! What runs a study elsewhere: an array job, an indexed job, or a list of commands. Each task is `stepwise study FILE --task K`
//! in a folder that all machines see; nothing else of ours is between the scheduler and the run.

use std::fmt::Write;

use stepwise_trainer::study::Study;

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

/// SIGTERM comes two minutes before the time is up; the run then saves, ends with code 130 and, as does one whose node failed
/// or that was preempted, is put back into the queue, where the next start resumes it.
fn slurm(study: &Study, device: Option<&str>) -> String {
    let (file, device) = (quoted(&study.path.to_string_lossy()), device_argument(device));
    let (last, name) = (study.tasks.len().saturating_sub(1), &study.file.name);
    let folder = study.file.output_dir.display();
    format!(
        "#!/bin/bash
#SBATCH --job-name=stepwise-{name}
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --open-mode=append
#SBATCH --output={folder}/slurm-%a.out
# Add what your cluster wants: --partition, --time, --cpus-per-task, --mem, --gres=gpu:1 (with --device cuda below).
# Submit it from the folder that the study's paths start at.
cd \"$SLURM_SUBMIT_DIR\" || exit 2
stepwise study {file} --task \"$SLURM_ARRAY_TASK_ID\"{device} &
run=$!
trap 'stopped=yes; kill -TERM \"$run\"' TERM
wait \"$run\"; code=$?
# A signal ends the first wait early; the second one waits for the run to have saved.
if [ -n \"$stopped\" ]; then wait \"$run\"; code=$?; fi
if [ \"$code\" -eq 130 ]; then scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID\"; fi
exit \"$code\"
"
    )
}

fn kubernetes(study: &Study, device: Option<&str>) -> String {
    let count = study.tasks.len();
    // Names of Kubernetes are lower-case letters, digits and hyphens.
    let name = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = study.file.name.chars().map(name).collect();
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
  name: stepwise-{}
spec:
  completionMode: Indexed
  completions: {count}
  parallelism: {count}
  # A task that is ended early has saved; a new pod resumes it.
  backoffLimitPerIndex: 6
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 120
      containers:
        - name: task
          image: stepwise:latest  # an image with the program on its path
          workingDir: /study  # the folder that the study's paths start at
          command: [\"/bin/sh\", \"-c\", {command}]
          volumeMounts:
            - name: study
              mountPath: /study
      volumes:
        - name: study
          persistentVolumeClaim:
            claimName: stepwise-study  # a claim that all pods can write (ReadWriteMany)
",
        name.trim_matches('-')
    )
}

/// A word that a POSIX shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_with_blanks_and_quotes_reach_the_program_whole() {
        assert_eq!(super::quoted("recipes/study-order.toml"), "recipes/study-order.toml");
        assert_eq!(super::quoted("my study's.toml"), "'my study'\\''s.toml'");
        assert_eq!(super::quoted(""), "''");
    }
}
