//! Checks that all runs of a study are evaluated on the same cases, because arms are compared question by question.

use stepwise_recipe::Data;

use super::{Study, StudyError, Task};

/// Checks that all runs of `study` are evaluated on the same cases.
///
/// # Errors
/// When two runs have different evaluation cases, or when cases cannot be read.
pub fn check_questions(study: &Study) -> Result<(), StudyError> {
    let Some((first, others)) = study.tasks.split_first() else { return Ok(()) };
    let mut alike: Vec<&Data> = vec![&first.recipe.data];
    let mut wanted = None;
    for task in others {
        if alike.contains(&&task.recipe.data) {
            continue;
        }
        let wanted = match &wanted {
            Some(wanted) => wanted,
            None => wanted.insert(study.cases(first)?.eval),
        };
        if study.cases(task)?.eval != *wanted {
            let run = |task: &Task| format!("`{}` with seed {}", study.arms[task.arm].name, task.seed);
            return Err(StudyError::Senseless {
                path: study.path.clone(),
                what: format!("{} and {} would be evaluated on different cases", run(first), run(task)),
                advice: "use the same data and `eval_split` in every arm, and set a fixed `seed` in `synth`".to_owned(),
            });
        }
        alike.push(&task.recipe.data);
    }
    Ok(())
}
