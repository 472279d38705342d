//! Tags of scalars in TensorBoard. TensorBoard shows groups (the part before the first `/`) in alphabetical order, so
//! groups begin with a number: loss and main gains come first, details of single conditions last.

/// Metrics in the first group, by their name without `benchmark/` or `gain/`.
const MAIN: [&str; 9] = [
    "accuracy/clean",
    "accuracy/hint_minus",
    "accuracy/blank",
    "accuracy/fgsm",
    "ancestor_chain_accuracy",
    "chain_accuracy",
    "image_score",
    "mean_attacked_accuracy",
    "robust_accuracy",
];

/// Returns the tag of a number of the training, such as `loss` or `grad_norm`.
pub(super) fn of_training(name: &str) -> String {
    let group = if name == "loss" { "1_main" } else { "2_train" };
    format!("{group}/{name}")
}

/// Returns the tag of a metric of an epoch, such as `benchmark/accuracy/clean` or `gain/robust_accuracy`.
pub(super) fn of_metric(name: &str) -> String {
    let (kind, metric) = name.split_once('/').unwrap_or(("", name));
    let has_levels = metric.contains('/');
    match kind {
        "benchmark" if MAIN.contains(&metric) => format!("1_main/{}", metric.replace('/', "_")),
        "gain" if MAIN.contains(&metric) => format!("1_main/gain_{}", metric.replace('/', "_")),
        "" => format!("1_main/{metric}"),
        "gain" if !has_levels => format!("3_gain/{metric}"),
        "benchmark" if !has_levels => format!("4_benchmark/{metric}"),
        "gain" => format!("6_gain_by_condition/{metric}"),
        "benchmark" => format!("7_benchmark_by_condition/{metric}"),
        _ => format!("5_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_main_gains_come_first_and_single_conditions_last() {
        let mut tags: Vec<String> = ["loss", "lr", "phase/orient/loss"].map(of_training).to_vec();
        let metrics = [
            "benchmark/accuracy/jpeg/stage_1",
            "benchmark/image_score",
            "benchmark/image_score/category_10",
            "benchmark/robust_accuracy",
            "eval_loss",
            "forgetting/stage_1",
            "gain/accuracy/clean",
            "gain/accuracy/jpeg",
            "gain/image_score",
            "gain/robust_accuracy",
            "gain/worst_case_accuracy",
        ];
        tags.extend(metrics.map(of_metric));
        tags.sort();
        let expected = [
            "1_main/eval_loss",
            "1_main/gain_accuracy_clean",
            "1_main/gain_image_score",
            "1_main/gain_robust_accuracy",
            "1_main/image_score",
            "1_main/loss",
            "1_main/robust_accuracy",
            "2_train/lr",
            "2_train/phase/orient/loss",
            "3_gain/worst_case_accuracy",
            "5_forgetting/stage_1",
            "6_gain_by_condition/accuracy/jpeg",
            "7_benchmark_by_condition/accuracy/jpeg/stage_1",
            "7_benchmark_by_condition/image_score/category_10",
        ];
        assert_eq!(tags, expected);
    }
}
