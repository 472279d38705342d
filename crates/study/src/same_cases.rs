//! Arms are compared question by question, so all must be asked the same.

use stepwise_recipe::Data;

use super::{Study, StudyError, Task};

/// Whether every run of `study` is asked about the same cases.
///
/// # Errors
/// When two are not, and when cases cannot be read.
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
                what: format!("{} and {} would be asked about different cases", run(first), run(task)),
                advice:
                    "compare what is asked the same: the same data and `eval_split` in every arm, and `synth` with a \
                         `seed` of its own"
                        .to_owned(),
            });
        }
        alike.push(&task.recipe.data);
    }
    Ok(())
}
