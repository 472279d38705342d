//! Manifest of an indexed Job for Kubernetes.

use super::TaskCommand;
use crate::Study;

/// Returns the manifest of a Job whose indices are the tasks of `study`; `run` makes their commands.
pub(super) fn manifest(study: &Study, run: &TaskCommand<'_>) -> String {
    let count = study.tasks.len();
    let name = job_name(&study.file.name, count.saturating_sub(1));
    // A JSON string is a valid YAML string.
    let command = serde_json::Value::from(format!("exec {}", run.command("\"$JOB_COMPLETION_INDEX\"")));
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

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_jobs_are_what_kubernetes_takes() {
        assert_eq!(super::job_name("Order_of.2", 3), "stepwise-order-of-2");
        assert_eq!(super::job_name("1__", 0), "stepwise-1");
        let long = "a".repeat(46) + "-bcdefgh";
        assert_eq!(super::job_name(&long, 99).len(), 63 - "-99".len());
        assert_eq!(super::job_name(&long, 999_999), "stepwise-".to_owned() + &"a".repeat(46), "no hyphen at its end");
    }
}
