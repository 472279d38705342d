//! Preflight: the largest micro-batch is found, and texts that are too long or contain special tokens are refused.

use std::sync::Arc;

use burn::tensor::Device;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::suite::Suite;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::case::{Answer, Case, Split};
use stepwise_data::check;
use stepwise_data::synth::{SynthOptions, write};
use stepwise_recipe::Recipe;
use stepwise_testing::files::repository;
use stepwise_testing::recipe;
use stepwise_trainer::batches::examples::{ExampleBuilder, MicroBatch};
use stepwise_trainer::batches::prefetch::BatchSource;
use stepwise_trainer::cases::Cases;
use stepwise_trainer::learner::Learner;
use stepwise_trainer::preflight::Preflight;
use stepwise_trainer::preflight::dry_run::dry_run;
use stepwise_trainer::preflight::plan_summary;
use stepwise_trainer::preflight::texts::TextCheck;

/// Recipe with examples of many lengths on the shipped model, with original, swapped, edited and missing images.
fn recipe(more: &str) -> Recipe {
    recipe::recipe(format!(
        r#"model_name_or_path = "{}"
[data]
synth = {{ cases = 24, seed = 2, image_size = 128 }}
[train]
per_device_train_batch_size = 3
gradient_accumulation_steps = 2
[curriculum]
augment = {{ blank = 0.2, no_image = 0.2, swap_near = 0.1, jpeg = {{ share = 0.2, level = 2 }} }}
[[curriculum.phase]]
stages = [1, 2]
num_train_epochs = 1
[[curriculum.phase]]
stages = [3, 4]
num_train_epochs = 1
context = "gold"
{more}"#,
        repository().join("checkpoints/tiny-base").display()
    ))
}

#[test]
fn the_dry_run_takes_the_largest_micro_batch() {
    takes_the_largest(&recipe(""));
}

/// Pairs add training examples, and options that are scored add rows.
#[test]
fn the_dry_run_takes_the_largest_micro_batch_of_pairs_and_options() {
    let more = "pairs = { share = 0.6 }\nobjective = { pair = {}, dpo = {}, contrast = {}, masked_kl = {} }\n";
    takes_the_largest(&recipe(more));
}

fn takes_the_largest(recipe: &Recipe) {
    let cases = Cases::open(&recipe.data).expect("cases");
    let run_plan = RunPlan::new(recipe, &cases.train).expect("a course");
    let mut learner = Learner::new(recipe, &Device::flex(), &mut ()).expect("a learner");
    let preparation = Preflight::new(recipe, &cases, &run_plan, &mut learner, None, &mut ()).expect("measured");
    let largest = preparation.token_stats.largest();

    let source = BatchSource {
        recipe: recipe.clone(),
        cases: Arc::new(Cases::open(&recipe.data).expect("cases")),
        run_plan: run_plan.clone(),
        processor: learner.pipeline.processor.clone(),
        predicted: None,
    };
    let (mut rows, mut examples, mut supervised, mut image) = (0, 0, 0, 0);
    for step in 0..run_plan.total {
        let made = (0..).map_while(|index| source.one(step, index).expect("lessons").map(|batch| (index, batch)));
        for (index, micro_batch) in made {
            let layout = &micro_batch.batch.layout;
            rows = rows.max(layout.rows());
            examples += micro_batch.names.len();
            for sequence in 0..micro_batch.names.len() {
                let of = |prediction: &&stepwise_vlm::packed_sequences::Prediction| prediction.sequence == sequence;
                supervised = supervised.max(layout.predictions.iter().filter(of).count());
            }
            image = image.max(micro_batch.batch.pixels());
            if (step, index) == (largest.step, largest.micro_batch) {
                assert_eq!(micro_batch.names.len(), largest.examples);
                assert_eq!(layout.predictions.len(), largest.predictions);
                // Edited images that happen to be equal are shared here, but count twice in the statistics.
                assert!(layout.rows() <= largest.rows && micro_batch.batch.pixels() <= largest.pixels);
            }
        }
    }
    assert!(rows <= largest.rows && largest.rows <= rows * 11 / 10, "{rows} rows, {} measured", largest.rows);
    let phases = &preparation.token_stats.phases;
    assert_eq!(phases.iter().map(|phase| phase.examples).sum::<usize>(), examples);
    assert_eq!(phases.iter().map(|phase| phase.supervised.max).max(), Some(supervised));
    assert_eq!(phases.iter().map(|phase| phase.steps).sum::<u64>(), run_plan.total);
    assert!(image > 0);

    let first = source.one(largest.step, largest.micro_batch).expect("lessons").expect("there");
    dry_run(&mut learner.pipeline, &first, 7, false).expect("every tensor that learns has a gradient");
}

#[test]
fn an_example_longer_than_cutoff_len_is_refused_before_the_run() {
    let mut recipe = recipe("");
    let cases = Cases::open(&recipe.data).expect("cases");
    let run_plan = RunPlan::new(&recipe, &cases.train).expect("a course");
    let mut learner = Learner::new(&recipe, &Device::flex(), &mut ()).expect("a learner");
    let mut measure = |recipe: &Recipe| Preflight::new(recipe, &cases, &run_plan, &mut learner, None, &mut ());
    let longest = measure(&recipe).expect("measured").token_stats.longest();
    recipe.cutoff_len = longest;
    assert!(measure(&recipe).is_ok());
    recipe.cutoff_len = longest - 1;
    let error = measure(&recipe).expect_err("too long").to_string();
    assert!(error.contains(&format!("{longest} tokens, cutoff_len is {}", longest - 1)), "{error}");
    assert!(cases.train.iter().any(|case| error.contains(&case.case_id)), "{error}");
}

#[test]
fn texts_that_are_only_evaluated_are_checked_in_all_wordings() {
    let recipe = recipe("[benchmark]\nsuite = \"fast\"");
    let sound = || Cases::open(&recipe.data).expect("cases");
    let mut learner = Learner::new(&recipe, &Device::flex(), &mut ()).expect("a learner");
    let positions = learner.pipeline.model.config().text.max_position_embeddings;
    let mut measure = |cases: &Cases, cutoff_len: usize| {
        let recipe = Recipe { cutoff_len, ..recipe.clone() };
        let run_plan = RunPlan::new(&recipe, &cases.train).expect("a course");
        Preflight::new(&recipe, cases, &run_plan, &mut learner, None, &mut ())
            .map(drop)
            .map_err(|error| error.to_string())
    };
    measure(&sound(), recipe.cutoff_len).expect("sound");
    let [long, medium] = [positions, 300].map(|words| "very ".repeat(words) + "large?");
    type Spoil = fn(&mut Case, &str);
    let spoil: [(&str, Spoil); 3] = [
        ("", |case, text| case.chain[1].question = text.to_owned()),
        (", paraphrase 2", |case, text| case.chain[1].paraphrases = vec!["How?".to_owned(), text.to_owned()]),
        ("", |case, text| {
            case.chain[1].answer = Answer::Text { gold: vec![text.to_owned()], aliases: Vec::new() };
        }),
    ];
    for (wording, spoil) in spoil {
        for (text, cutoff_len, what) in [
            ("Is <image> shown?", recipe.cutoff_len, "contains \"<image>\", which the tokenizer treats as a special"),
            ("Is it <end_of_utterance>?", recipe.cutoff_len, "contains \"<end_of_utterance>\", which"),
            (
                long.as_str(),
                1 << 20,
                &format!("tokens, max_position_embeddings of the model is {positions} -> shorten"),
            ),
            (medium.as_str(), 800, "tokens, cutoff_len is 800 -> raise `cutoff_len`"),
        ] {
            let mut cases = sound();
            spoil(&mut cases.eval[2], text);
            let case = &cases.eval[2];
            let error = measure(&cases, cutoff_len).expect_err(what);
            let place = format!("case \"{}\" (validation), question \"{}\"{wording}: ", case.case_id, case.chain[1].id);
            assert!(error.contains(&place) && error.contains(what), "{error}");
        }
    }
}

#[test]
fn texts_of_conditions_are_checked_with_their_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = SynthOptions { cases: 12, seed: 1, image_size: 64, ..SynthOptions::default() };
    write(folder.path(), &options, &mut |_| {}).expect("written");
    let mut dataset = check::load(folder.path()).expect("sound");
    // The hint repeats the answer, so its question is the longest.
    let place = dataset.cases.iter().position(|case| case.split == Split::Validation).expect("a case");
    let long = format!("a {} mass", "large ".repeat(100).trim_end());
    dataset.cases[place].chain[0].answer = Answer::Text { gold: vec![long.clone()], aliases: Vec::new() };
    dataset.cases[place].chain[0].confusable.clear();
    dataset.save().expect("written");
    let suite = folder.path().join("suite.toml");
    let hints = "[[condition]]\nid = \"clean\"\nkind = \"clean\"\n[[condition]]\nid = \"told\"\nkind = \"hint_plus\"\n";
    std::fs::write(&suite, format!("name = \"s\"\nversion = 1\nseed = 1\n{hints}")).expect("written");
    let recipe = recipe::recipe(format!(
        "model_name_or_path = \"{}\"\n[data]\ndataset = \"{}\"\n[benchmark]\nsuite = \"{}\"\n\
         [[curriculum.phase]]\nstages = [1]\nnum_train_epochs = 1",
        repository().join("checkpoints/tiny-base").display(),
        folder.path().display(),
        suite.display()
    ));
    let cases = Cases::open(&recipe.data).expect("cases");
    let mut learner = Learner::new(&recipe, &Device::flex(), &mut ()).expect("a learner");
    let processor = &learner.pipeline.processor;
    let plan_suite = Suite::load(&suite).expect("a suite");
    let plan = Plan::new(&plan_suite, &cases.eval);
    let check = |positions: usize| {
        let answer_form = recipe.train.answer_form;
        let texts = TextCheck { processor, images: &cases.pictures, answer_form, cutoff_len: None, positions };
        texts.check(&cases.eval, Some(&plan), &mut ())
    };
    let Case { case_id, chain, .. } = &dataset.cases[place];
    let question = format!("case \"{case_id}\" (validation), question \"{}\", condition \"told\": ", chain[0].id);
    let line = format!("cases.jsonl:{}: {question}", place + 1);
    let most = learner.pipeline.model.config().text.max_position_embeddings;
    let found = (1..most)
        .rev()
        .step_by(40)
        .find_map(|positions| check(positions).err().map(|error| (positions, error.to_string())));
    let (positions, error) = found.expect("a limit that only the hint exceeds");
    assert!(
        error.contains(&line)
            && error.contains(&format!("tokens, max_position_embeddings of the model is {positions}")),
        "{error}"
    );
    let run_plan = RunPlan::new(&recipe, &cases.train).expect("a course");
    Preflight::new(&recipe, &cases, &run_plan, &mut learner, None, &mut ()).expect("within the limits of the model");
}

#[test]
fn box_answers_have_the_loss_weight_of_their_phase() {
    let recipe = recipe("evidence = \"box\"\nbox_loss_weight = 0.5\n");
    let cases = Cases::open(&recipe.data).expect("cases");
    let run_plan = RunPlan::new(&recipe, &cases.train).expect("a course");
    let learner = Learner::new(&recipe, &Device::flex(), &mut ()).expect("a learner");
    let mut examples = ExampleBuilder::new(&recipe, &cases, &learner.pipeline.processor).expect("a builder");
    let mut weighed = [0, 0];
    for (done, step) in (0..).zip(plan_summary::steps(&recipe, &cases.train, &run_plan)) {
        let place = run_plan.at(done);
        for (planned, sample) in step.examples.into_iter().zip(run_plan.samples(place)) {
            let stored = &cases.train[sample.case].chain[sample.item].answer;
            let is_box = planned.condition == Some("evidence_box") || matches!(stored, Answer::Box { .. });
            let example = examples.of(place, sample).expect("a lesson");
            let micro_batch = MicroBatch::new(&learner.pipeline.processor, &[example], true, 4096).expect("packed");
            let expected = if is_box && place.phase == 1 { 0.5 } else { 1.0 };
            let predictions = &micro_batch.batch.layout.predictions;
            assert!(!predictions.is_empty() && predictions.iter().all(|prediction| prediction.weight == expected));
            weighed[usize::from(expected < 1.0)] += 1;
        }
    }
    assert!(weighed[0] > 100 && weighed[1] > 10, "{weighed:?}");
}
