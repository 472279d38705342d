//! Preflight: the largest micro-batch is found, and training examples that are too long are refused.

use std::sync::Arc;

use burn::tensor::Device;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::case::Answer;
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
    let recipe = recipe("");
    let cases = Cases::open(&recipe.data).expect("cases");
    let run_plan = RunPlan::new(&recipe, &cases.train).expect("a course");
    let mut learner = Learner::new(&recipe, &Device::flex(), &mut ()).expect("a learner");
    let preparation = Preflight::new(&recipe, &cases, &run_plan, &mut learner, &mut ()).expect("measured");
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
            image = image.max(micro_batch.batch.tiles());
            if (step, index) == (largest.step, largest.micro_batch) {
                assert_eq!(micro_batch.names.len(), largest.examples);
                assert_eq!(layout.predictions.len(), largest.predictions);
                // Edited images that happen to be equal are shared here, but count twice in the statistics.
                assert!(layout.rows() <= largest.rows && micro_batch.batch.tiles() <= largest.tiles);
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
    let mut measure = |recipe: &Recipe| Preflight::new(recipe, &cases, &run_plan, &mut learner, &mut ());
    let longest = measure(&recipe).expect("measured").token_stats.longest();
    recipe.cutoff_len = longest;
    assert!(measure(&recipe).is_ok());
    recipe.cutoff_len = longest - 1;
    let error = measure(&recipe).expect_err("too long").to_string();
    assert!(error.contains(&format!("{longest} tokens, cutoff_len is {}", longest - 1)), "{error}");
    let case = error.split('/').next().expect("a case");
    assert!(cases.train.iter().any(|other| other.case_id == case), "{error}");
}

#[test]
fn box_answers_have_the_loss_weight_of_their_phase() {
    let recipe = recipe("evidence = \"box\"\nbox_loss_weight = 0.5\n");
    let cases = Cases::open(&recipe.data).expect("cases");
    let run_plan = RunPlan::new(&recipe, &cases.train).expect("a course");
    let learner = Learner::new(&recipe, &Device::flex(), &mut ()).expect("a learner");
    let mut examples = ExampleBuilder::new(&recipe, &cases, &learner.pipeline.processor);
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
