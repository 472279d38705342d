//! A resumed run equals an uninterrupted one.

use stepwise_trainer::checkpoint::source::ModelSource;
use stepwise_vlm::images::processor::ImageOptions;

use super::*;

#[test]
fn a_resumed_run_is_bit_identical() {
    let place = Workplace::new();
    let run_folder = place.path("run");
    let text = place.recipe("run", "[lora]\nr = 2\nlora_dropout = 0.1\ntarget_modules = \"all-linear\"");
    let (finished, losses) = run(&text, Stop::Never, false);
    assert!(!finished.interrupted && finished.report.is_some());
    let last = losses.last().expect("steps").0;
    assert!(losses.iter().all(|(_, loss)| loss.is_finite()) && last > 4);
    let kept = place.set_aside("run");

    // Within the first phase, during the evaluation for predicted answers, and within the second phase.
    let (stopped, mut parted) = run(&text, Stop::After(3), false);
    assert!(stopped.interrupted && stopped.global_step == 3);
    parted.extend(run_in_parts(&text, &[Stop::Within("benchmark own answers before s34")], true).1);
    assert!(run_folder.join("predicted/phase-2.part.jsonl").is_file());
    parted.extend(run_in_parts(&text, &[Stop::After(last - 2)], true).1);
    // The current model cannot replace the answers it gave before the phase.
    let (answers, moved) = (run_folder.join("predicted/phase-2.json"), place.path("answers.json"));
    std::fs::rename(&answers, &moved).expect("answers were kept");
    let refused = attempt(&text, Stop::Never, true).0.expect_err("the answers are gone").to_string();
    assert!(refused.contains("phase `s34` already started -> restore the file"), "{refused}");
    std::fs::rename(&moved, &answers).expect("moved back");
    parted.extend(run_in_parts(&text, &[Stop::Never], true).1);
    assert_eq!(parted, losses);

    let name = checkpoint::name(last);
    assert_same_files(&kept.join(&name), &run_folder.join(&name));
    assert_files_in(&kept.join("benchmark"), &run_folder.join("benchmark"));
}

/// Other settings of a phase: competence order, early advance at a plateau, fading marks, blank images, and one
/// schedule over the whole run. Adapters on the last block of the image encoder, whose inputs are cached.
#[test]
fn a_resumed_run_of_another_curriculum_is_bit_identical() {
    let place = Workplace::new();
    let run_folder = place.path("run");
    let lora = "[lora]\nr = 2\nfreeze_vision_tower = false\n\
        target_modules = '.*text_model.*_proj|.*vision_model.encoder.layers.1.*_proj'";
    let text = place.recipe("run", lora);
    let (before, after) =
        (text.find("[[curriculum.phase]]").expect("phases"), text.find("[benchmark]").expect("a suite"));
    let phases = "[curriculum]\nlr_schedule_per_phase = false\n\
        [[curriculum.phase]]\nstages = [1, 2]\nnum_train_epochs = 3\nsampling_order = \"competence\"\n\
        early_advance = { metric = \"accuracy:clean\", patience = 1, min_delta = 1.0 }\n\
        [[curriculum.phase]]\nname = \"marks\"\nstages = [3]\nnum_train_epochs = 1\nreplay = 0.3\nevidence = \"curriculum\"\n\
        [[curriculum.phase]]\nname = \"blank\"\nstages = [4]\nnum_train_epochs = 1\nblank_images = true\nsampling_order = \"round_robin\"\n\
        context = { predicted = 0.8 }\n";
    let text = format!("{}{phases}{}", &text[..before], &text[after..]);
    let (finished, losses) = run(&text, Stop::Never, false);
    let planned = losses.len() as u64;
    assert_eq!(finished.global_step, planned);
    let kept = place.set_aside("run");
    let stops = [3, planned - 6, planned - 2].map(Stop::After);
    let parted = run_in_parts(&text, &[&stops[..], &[Stop::Never]].concat(), false).1;
    assert_eq!(parted, losses);
    let ledger = json(&run_folder.join("benchmark/forgetting.json"));
    assert_eq!(ledger["phases"][0]["epoch"], 2, "a plateau of one epoch ends the phase of three");
    let ends: Vec<Value> = log(&run_folder).into_iter().filter(|line| line["forgetting"].is_object()).collect();
    assert_eq!(
        ends.iter().map(|line| line["phase"].as_str()).collect::<Vec<_>>(),
        [Some("s12"), Some("marks"), Some("blank")]
    );
    assert_eq!(ends[2]["forgetting"], ledger, "the log contains the forgetting table");
    let name = checkpoint::name(finished.global_step);
    assert_same_files(&kept.join(&name), &run_folder.join(&name));
}

/// Other adapters than plain LoRA: a checkpoint also restores PiSSA's initial product and the trained
/// copies of `modules_to_save`.
#[test]
fn a_resumed_run_of_another_adapter_is_bit_identical() {
    let place = Workplace::new();
    for (kind, keys) in [
        ("pissa", "init_lora_weights = \"pissa\"\nrank_pattern = { q_proj = 3 }\nuse_rslora = true"),
        (
            "dora",
            "use_dora = true\nloraplus_lr_ratio = 4\nmodules_to_save = [\"lm_head\", \"modality_projection.proj\"]",
        ),
    ] {
        let lora = format!("[lora]\nr = 2\nlora_dropout = 0.1\nfreeze_multi_modal_projector = false\n{keys}");
        let text = place.recipe(kind, &lora).replace("\"fast\"", "\"none\"");
        let (finished, losses) = run(&text, Stop::Never, false);
        let kept = place.set_aside(kind);
        let (resumed, parted) = run_in_parts(&text, &[Stop::After(2), Stop::Never], false);
        assert!(resumed.global_step == finished.global_step && finished.global_step > 4);
        assert_eq!(parted, losses, "{kind}");
        let name = checkpoint::name(finished.global_step);
        assert_same_files(&kept.join(&name), &place.path(kind).join(&name));
        let source = ModelSource::find(&place.path(kind), None).expect("a model");
        source.load(&Device::flex(), ImageOptions::default()).expect("loads");
    }
}

/// Pairs, whose draws depend on the epoch, and all objectives, some with scheduled weights: scores of the reference are
/// cached in one process, and computed again in the other.
#[test]
fn a_resumed_run_with_pairs_and_objectives_is_bit_identical() {
    let place = Workplace::new();
    let run_folder = place.path("run");
    let phases = "[curriculum]\npairs = { share = 0.5 }\naugment = { hint_minus = 0.3, hint_plus = 0.2 }\n\
        [[curriculum.phase]]\nstages = [1, 2]\nnum_train_epochs = 1\n\
        objective = { dpo = { weight = { from = 0.0, to = 1.5 } }, unlikelihood = {}, consistency = {}, product_of_experts = { prior = \"base\" } }\n\
        [[curriculum.phase]]\nstages = [3, 4]\nnum_train_epochs = 1\npairs = { share = 0.6, partner = \"nearest_thumbnail\" }\n\
        [objective]\ncross_entropy = { from = 1.0, to = 0.4 }\npair = { beta = 0.2 }\nconditional_preference = { weight = 0.5 }\ncontrast = {}\nmasked_kl = {}\n\
        simpo = { rejected = \"named\" }\nexpected_reward = {}\n";
    let tuning = "[lora]\nr = 2\nlora_dropout = 0.1";
    let text = place.recipe_of("run", tuning, "save_steps = 0", phases, "none");
    let (finished, losses) = run(&text, Stop::Never, false);
    let kept = place.set_aside("run");
    let last = losses.last().expect("steps").0;
    let (resumed, parted) = run_in_parts(&text, &[Stop::After(3), Stop::After(last - 2), Stop::Never], false);
    assert_eq!(resumed.global_step, finished.global_step);
    assert_eq!(parted, losses);
    let name = checkpoint::name(last);
    assert_same_files(&kept.join(&name), &run_folder.join(&name));
    let lines = log(&run_folder);
    let weights = |folder: &Path| {
        let lines = log(folder).into_iter().filter(|line| line["objective_weight"].is_object());
        lines.map(|line| (line["current_steps"].clone(), line["objective_weight"].clone())).collect::<Vec<_>>()
    };
    let written = weights(&run_folder);
    assert_eq!(written, weights(&kept), "the weights in force after each stop are those of the uninterrupted run");
    let (first, end) = (&written[0].1, &written.last().expect("lines").1);
    assert_eq!((&first["dpo"], &first["unlikelihood"]), (&serde_json::json!(0.0), &serde_json::json!(1.0)));
    assert_eq!((&end["cross_entropy"], &end["simpo"]), (&serde_json::json!(0.4), &serde_json::json!(1.0)));
    let steps_of_phase = written.iter().filter(|(_, weights)| weights["dpo"].is_number()).count();
    assert_eq!(written[steps_of_phase - 1].1["dpo"], 1.5, "the schedule of a phase ends at its last step");
    let named = |phase: &str| {
        let of_phase = lines.iter().filter(|line| line["phase"] == phase && line["objective_loss"].is_object());
        let names = of_phase.flat_map(|line| line["objective_loss"].as_object().expect("losses").keys().cloned());
        names.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(named("s12"), "consistency dpo product_of_experts unlikelihood");
    assert_eq!(named("s34"), "conditional_preference contrast expected_reward masked_kl pair simpo");
}
