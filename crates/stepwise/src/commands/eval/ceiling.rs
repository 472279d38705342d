//! `stepwise eval PATH --ceiling`: what a linear reader gets from the frozen image features of the model.

use rand::seq::SliceRandom;
use stepwise_benchmark::ceiling::{Accuracies, Ceiling, FEWEST_PATIENTS, ceiling};
use stepwise_data::case::Case;
use stepwise_data::random::stream;
use stepwise_recipe::Recipe;
use stepwise_trainer::evaluation::vectors::{VectorError, case_vectors};
use stepwise_trainer::image_settings::of_recipe;
use stepwise_trainer::interrupt::Interrupt;
use stepwise_vlm::nn::parameter::Pass;

use super::{Args, inputs};
use crate::exit::{CommandResult, Failure};
use crate::progress::ConsoleProgress;
use crate::table::Table;
use crate::table::cell::{number, p_or_dash, with_interval};
use crate::{device, folder, source};

/// Most cases that are read without `--max-cases`. Time grows with the cube of the number of cases with a question.
const MOST_CASES: usize = 1000;

/// Seed of the folds and of the draw of cases.
const SEED: u64 = 0;

/// Longest question that the table shows whole, in characters.
const SHOWN: usize = 60;

/// Reads the cases with the readers and prints their accuracies. Without `--split`, the cases of training and of
/// evaluation are read: the readers are cross-validated, so no split is needed.
///
/// # Errors
///
/// [`Failure::Input`] when the model or the cases cannot be used; [`Failure::Run`] when a file cannot be written;
/// [`Failure::Interrupted`] when the user interrupts the work.
pub fn run(args: &Args) -> CommandResult {
    let mut progress = ConsoleProgress::new("loading cases and model");
    let chosen = device::choose(args.device.as_deref())?;
    let source = source::find(args.path(), args.base.as_deref())?;
    let recipe = source.recipe.as_ref().map(|path| Recipe::load(path, &[])).transpose().map_err(Failure::input)?;
    let (_, cases) = inputs::cases(args, recipe.as_ref())?;
    let mut read = cases.eval;
    if args.split.is_none() {
        read.splice(0..0, cases.train);
    }
    draw(&mut read, args.max_cases.unwrap_or(MOST_CASES));
    if let Some(out) = &args.out {
        folder::make(out)?;
    }
    let images = recipe.as_ref().map(of_recipe).unwrap_or_default();
    let pipeline = source.load(&chosen.device, images).map_err(Failure::input)?;
    source::announce(&source);
    let interrupt = Interrupt::listen(|| tell!("\nstopping; again to leave at once")).map_err(Failure::run)?;
    let vectors =
        case_vectors(&read, &cases.pictures, &pipeline, &Pass::ANSWER, &interrupt, &mut progress).map_err(|error| {
            match error {
                VectorError::Interrupted => Failure::Interrupted,
                VectorError::Image { .. } => Failure::input(error),
            }
        })?;
    let found = ceiling(&read, vectors, SEED);
    let json = serde_json::to_string_pretty(&found).map_err(Failure::run)?;
    if let Some(out) = &args.out {
        folder::write(&out.join("ceiling.json"), &json)?;
    }
    match args.json {
        true => say!("{json}"),
        false => say!("{}", table(&source::title(args.path(), &source), &found).text()),
    }
    Ok(())
}

/// Keeps at most `most` cases, drawn at random and in their order.
fn draw(cases: &mut Vec<Case>, most: usize) {
    let all = cases.len();
    if all <= most {
        return;
    }
    tell!("{most} of {all} cases are read, drawn at random; `--max-cases` changes the number");
    let mut order: Vec<usize> = (0..all).collect();
    order.shuffle(&mut stream(SEED, &["ceiling cases"]));
    let mut is_kept = vec![false; all];
    order[..most].iter().for_each(|&place| is_kept[place] = true);
    let mut is_kept = is_kept.into_iter();
    cases.retain(|_| is_kept.next().unwrap_or_default());
}

/// Makes the table of accuracies: one row per question and one for all.
fn table(name: &str, found: &Ceiling) -> Table {
    let mut table = Table::new(
        format!(
            "{name}: what a linear reader gets from the image, {} cases of {} patients",
            found.cases, found.patients
        ),
        ["", "n", "answers", "commonest", "16 x 16", "features", "features - commonest", "p adjusted"],
    );
    for row in &found.questions {
        let name = format!("{} {} {}", row.stage, row.category, shortened(&row.question));
        table.rows.push(cells(name, row.answers.to_string(), &row.accuracies));
    }
    if !found.questions.is_empty() {
        table.rows.push(cells("all".to_owned(), String::new(), &found.all));
    }
    table.notes.push(note("with one answer in all cases", found.one_answer));
    table.notes.push(note(&format!("asked about fewer than {FEWEST_PATIENTS} patients"), found.few_patients));
    table.notes.retain(|note| !note.is_empty());
    table.notes.push(
        "commonest: the most frequent answer of these cases; 16 x 16 and features: a ridge classifier on a thumbnail and on \
         the features that the language model receives, fitted on other patients (5 folds)"
            .to_owned(),
    );
    table.notes.push(
        "intervals: new patients, for all also new questions; p: adjusted over the questions (Benjamini and Hochberg)"
            .to_owned(),
    );
    let clear = found.questions.iter().filter(|row| row.accuracies.features_less_majority.is_clear()).count();
    table.notes.push(format!("clear gain over the commonest answer: {clear} of {} questions", found.questions.len()));
    table
}

fn note(what: &str, count: usize) -> String {
    match count {
        0 => String::new(),
        1 => format!("1 question {what} is left out"),
        _ => format!("{count} questions {what} are left out"),
    }
}

fn cells(name: String, answers: String, found: &Accuracies) -> Vec<String> {
    let gain = &found.features_less_majority;
    vec![
        name,
        found.features.n.to_string(),
        answers,
        number(found.majority.value),
        number(found.thumbnail.value),
        number(found.features.value),
        with_interval(gain),
        p_or_dash(gain.p_adjusted.or(gain.p)),
    ]
}

fn shortened(question: &str) -> String {
    match question.char_indices().nth(SHOWN) {
        None => question.to_owned(),
        Some((end, _)) => format!("{}...", question[..end].trim_end()),
    }
}
