//! Ceiling of an image encoder: what a linear reader gets from the frozen image features.
//!
//! A model that fine-tuning teaches to answer reads its image features through frozen or slightly adapted layers. If a
//! linear reader, fitted on the right answers, gets no more from the features than the commonest answer, the encoder
//! gives little to learn from (linear probes of Alain and Bengio, 2016). The readers here:
//!
//! - the commonest right answer of the question in these cases, which sees no image;
//! - a linear reader of a thumbnail of 16 x 16 pixels, which sees brightness and coarse shape;
//! - a linear reader of the image features.
//!
//! The linear readers are fitted on the patients of four folds and judged on the patients of the fifth, and each item is
//! judged once. The penalty is chosen inside the four folds. A linear reader is no upper bound in the
//! strict sense: a language model can combine features in other ways. Questions with numbers, boxes or free text are not
//! read.

mod accuracies;
mod gram;
mod question;
mod reader;
mod ridge;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use stepwise_data::case::Case;
use stepwise_data::random::stream;

use crate::stats::Sampling;
use crate::stats::adjusted_p::benjamini_hochberg;
use crate::summary::Estimate;
pub use accuracies::Accuracies;
use accuracies::JudgedItem;
use gram::{Gram, standardise};
use question::{Question, questions};

/// Fewest patients with a question: one for each fold.
pub const FEWEST_PATIENTS: usize = reader::FOLDS;

/// Vectors of the images of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseVectors {
    /// Features of the image encoder; of equal length for all cases.
    pub features: Vec<f32>,
    /// Pixels of the thumbnail; of equal length for all cases.
    pub thumbnail: Vec<f32>,
}

/// What linear readers get from the images of a set of cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// Number of cases.
    pub cases: usize,
    /// Number of patients.
    pub patients: usize,
    /// Number of questions that have one right answer in all cases, so that there is nothing to read.
    pub one_answer: usize,
    /// Number of questions that are asked about fewer than [`FEWEST_PATIENTS`] patients.
    pub few_patients: usize,
    /// Accuracy over all read items.
    pub all: Accuracies,
    /// Accuracy for each read question, in the order of stage, category and words.
    pub questions: Vec<QuestionCeiling>,
}

/// Accuracy of the readers for one question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuestionCeiling {
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Id of the category in the taxonomy.
    pub category: String,
    /// Words of the question.
    pub question: String,
    /// Number of different right answers.
    pub answers: usize,
    /// Accuracy over the items that ask the question. Intervals and tests are over new patients; the p-values of a
    /// difference are also adjusted over all questions (Benjamini and Hochberg).
    #[serde(flatten)]
    pub accuracies: Accuracies,
}

/// Fits and judges the readers. `vectors` holds the vectors of each case; `seed` decides the folds. Vectors are shifted
/// and scaled to mean 0 and standard deviation 1 per component, over all cases.
///
/// # Panics
/// When `vectors` and `cases` differ in length.
#[must_use]
pub fn ceiling(cases: &[Case], vectors: Vec<CaseVectors>, seed: u64) -> Ceiling {
    assert_eq!(cases.len(), vectors.len(), "one set of vectors for each case");
    let (mut features, mut thumbnails): (Vec<_>, Vec<_>) =
        vectors.into_iter().map(|vectors| (vectors.features, vectors.thumbnail)).unzip();
    standardise(&mut features);
    standardise(&mut thumbnails);
    let (features, thumbnails) = (Gram::new(&features), Gram::new(&thumbnails));
    let ids: BTreeSet<&str> = cases.iter().map(|case| case.group_id.as_str()).collect();
    let numbers: BTreeMap<&str, usize> = ids.into_iter().zip(0..).collect();
    let patient_of: Vec<usize> = cases.iter().map(|case| numbers[case.group_id.as_str()]).collect();

    let (mut one_answer, mut few_patients) = (0, 0);
    let mut read: Vec<(Question<'_>, Vec<JudgedItem>)> = Vec::new();
    for question in questions(cases) {
        let patients: BTreeSet<usize> = question.items.iter().map(|item| patient_of[item.case]).collect();
        if question.classes < 2 {
            one_answer += 1;
        } else if patients.len() < FEWEST_PATIENTS {
            few_patients += 1;
        } else {
            let mut rng = stream(seed, &["ceiling", question.category, question.text]);
            let folds: BTreeMap<usize, usize> =
                patients.iter().copied().zip(reader::folds(patients.len(), &mut rng)).collect();
            let fold_of: Vec<usize> = question.items.iter().map(|item| folds[&patient_of[item.case]]).collect();
            let majority = reader::majority(&question);
            let [thumbnail, features] = [&thumbnails, &features].map(|gram| reader::linear(&question, &fold_of, gram));
            let judge = |(k, item): (usize, &question::Asked)| JudgedItem {
                patient: patient_of[item.case],
                question: read.len(),
                majority: majority[k],
                thumbnail: thumbnail[k],
                features: features[k],
            };
            let judged = question.items.iter().enumerate().map(judge).collect();
            read.push((question, judged));
        }
    }
    let mut rows: Vec<QuestionCeiling> = read
        .iter()
        .map(|(question, judged)| QuestionCeiling {
            stage: question.stage,
            category: question.category.to_owned(),
            question: question.text.to_owned(),
            answers: question.classes,
            accuracies: Accuracies::new(judged, Sampling::Patients),
        })
        .collect();
    adjust(rows.iter_mut().map(|row| &mut row.accuracies.features_less_majority));
    adjust(rows.iter_mut().map(|row| &mut row.accuracies.features_less_thumbnail));
    Ceiling {
        cases: cases.len(),
        patients: numbers.len(),
        one_answer,
        few_patients,
        all: Accuracies::new(read.iter().flat_map(|(_, judged)| judged), Sampling::PatientsAndQuestions),
        questions: rows,
    }
}

/// Adjusts the p-values of one comparison over all questions (Benjamini and Hochberg).
fn adjust<'a>(gains: impl Iterator<Item = &'a mut Estimate>) {
    let mut tested: Vec<&mut Estimate> = gains.filter(|gain| gain.p.is_some()).collect();
    let p: Vec<f64> = tested.iter().filter_map(|gain| gain.p).collect();
    tested.iter_mut().zip(benjamini_hochberg(&p)).for_each(|(gain, p)| gain.p_adjusted = Some(p));
}
