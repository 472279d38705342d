//! Evaluates a model on a plan: builds the queries, makes the attacks and judges the responses.

pub(crate) mod attack;
mod batch;
mod error;
mod images;
mod judge;
mod options;
mod outcomes;
mod pieces;
mod prepare;
mod questions;
pub(crate) mod recall;
mod shown;
mod unanswerable;

pub use error::RunError;
pub use images::{Gallery, Images, load, pictures};
pub use judge::{judged, reread};
pub use options::{Options, RunProgress, Surrogate};
pub use outcomes::Run;
pub use pieces::DECODED_AT_ONCE;
pub use questions::{Question, attacked, each_question};
pub use shown::shown_prompt;
pub use unanswerable::{NO_GRADIENTS, NO_PICTURE, NO_REPLY, NO_RESPONSE, NO_SURROGATE};

use crate::model::Model;
use crate::plan::Plan;
use crate::runner::batch::CaseBatch;

/// Evaluates `model` on `plan` and returns one outcome per answered entry. `images` loads the images of the cases.
/// Known outcomes ([`Options::known`]) are reused and count as answered. Entries that cannot be asked, such as attacks
/// on a model without gradients, are counted in [`Run::unanswerable`].
///
/// # Errors
/// When an image cannot be read or has another size than its case states; when the model or the surrogate fails, is
/// asked to stop, or returns a wrong number of responses or gradients; or when the progress callback stops the run. The
/// outcomes of all parts finished by then have been passed to the callback; the part under way is lost.
pub fn run(
    plan: &Plan<'_>,
    images: &dyn Images,
    model: &mut dyn Model,
    mut options: Options<'_>,
) -> Result<Run, RunError> {
    let mut gallery = Gallery::new(plan.pool.cases(), images);
    let mut run = Run::new(plan);
    let mut batch = CaseBatch::default();
    let mut planned = 0;
    let mut cases = plan.entries.chunk_by(|a, b| a.case == b.case).peekable();
    while let Some(of_case) = cases.next() {
        for &entry in of_case {
            let Some(perturbed) = plan.perturbed(entry) else { continue };
            if perturbed.recall.is_some() {
                batch.recalling.push((entry, perturbed));
            } else {
                batch.take(plan, entry, perturbed, &options, &mut run);
            }
        }
        // Known outcomes count as well, so that a resumed run forms the same batches as the interrupted one.
        planned += of_case.len();
        if planned >= options.batch || cases.peek().is_none() {
            std::mem::take(&mut batch).answer(plan, &mut gallery, model, &mut options, &mut run)?;
            gallery.clear();
            planned = 0;
        }
    }
    run.sort(plan);
    Ok(run)
}
