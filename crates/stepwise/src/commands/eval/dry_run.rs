//! `stepwise eval --endpoint URL --dry-run`: what an evaluation of a served model would ask.

use std::collections::HashSet;

use stepwise_benchmark::perturb::{Attack, GradientSource};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::shown_prompt;
use stepwise_data::conversation::Part;

use crate::table::Table;

/// Characters of a token, on average over English text.
const CHARACTERS: usize = 4;
/// Side of the squares that an image is counted in, the tokens of a square, and the tokens of every image, as the OpenAI
/// API counts images in high detail.
const SQUARE: u32 = 512;
const OF_SQUARE: usize = 170;
const OF_IMAGE: usize = 85;

/// Makes the table of questions, requests, images and tokens. Left out are questions whose attack needs gradients of the
/// model, and without a surrogate also transferred attacks.
pub fn table(plan: &Plan<'_>, has_surrogate: bool) -> Table {
    let needs_model = |attack: &dyn Attack| {
        attack.needs_gradients() && !(has_surrogate && attack.gradient_source() == GradientSource::Surrogate)
    };
    let (mut questions, mut not_asked, mut options) = (0, 0, 0);
    let (mut text, mut of_images) = (0, 0);
    let mut images = HashSet::new();
    for &entry in &plan.entries {
        let Some(perturbed) = plan.perturbed(entry) else { continue };
        if perturbed.attack.as_ref().is_some_and(|attack| needs_model(&**attack)) {
            not_asked += 1;
            continue;
        }
        questions += 1;
        let prompt = shown_prompt(plan, entry, &perturbed, "");
        options += prompt.options.len();
        let parts = prompt.conversation.messages.iter().flat_map(|message| &message.content);
        let characters = parts.map(|part| if let Part::Text { text } = part { text.chars().count() } else { 0 });
        text += characters.sum::<usize>().div_ceil(CHARACTERS);
        if prompt.images.is_empty() {
            continue;
        }
        let shown = perturbed.shown_case(entry.case);
        for (index, image) in plan.pool.cases()[shown].images.iter().enumerate() {
            images.insert((shown, index, perturbed.pictures.key()));
            let squares = image.width.div_ceil(SQUARE) * image.height.div_ceil(SQUARE);
            of_images += OF_IMAGE + OF_SQUARE * squares as usize;
        }
    }
    let mut table = Table::new(format!("questions of suite {}, nothing is sent", plan.suite.name), ["", "n"]);
    for (name, count) in [
        ("questions", questions),
        ("different images", images.len()),
        ("tokens of texts, about", text),
        ("tokens of images, about", of_images),
        ("tokens of answers, at most", questions * plan.suite.max_new_tokens),
    ] {
        table.rows.push(vec![name.to_owned(), count.to_string()]);
    }
    table.notes.push(format!(
        "one request a question with `--scoring generate`, at most {options} with `letter`, {} with `loglikelihood`",
        questions + options
    ));
    table.notes.push(
        "about: 4 characters a token, and images as the OpenAI API counts them in high detail; servers differ"
            .to_owned(),
    );
    if not_asked > 0 {
        table
            .notes
            .push(format!("{not_asked} questions need gradients, of the model or of a surrogate, and are not asked"));
    }
    table
}
