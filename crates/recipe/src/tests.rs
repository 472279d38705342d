//! Tests of whole recipes and whole messages.

mod adapters;
mod objectives;

use super::*;

/// The smallest valid recipe.
const LEAST: &str = "model_name_or_path = \"base\"\ndata.synth = { cases = 8 }\n";

fn parse(text: &str, overrides: &[&str]) -> Result<Recipe, RecipeError> {
    let overrides: Vec<String> = overrides.iter().map(|&argument| argument.to_owned()).collect();
    Recipe::parse(Path::new("recipes/try.toml"), text.to_owned(), &overrides)
}

fn message(text: &str, overrides: &[&str]) -> String {
    parse(text, overrides).expect_err("must be refused").to_string()
}

#[test]
fn a_short_recipe_resolves_to_a_complete_one() {
    insta::assert_snapshot!(parse(LEAST, &[]).expect("valid").to_toml());
}

#[test]
fn the_abstain_option_follows_the_rules_of_options() {
    let with = |words: &str| format!("data.abstain_option={words:?}");
    for (words, problem) in [
        (" cannot tell", "`abstain_option` starts or ends with white space or an invisible character"),
        ("cannot tell\u{200b}", "`abstain_option` starts or ends with white space or an invisible character"),
        ("?", "`abstain_option` \"?\" is no answer to the parser, which ignores punctuation"),
        ("(-)", "`abstain_option` \"(-)\" is no answer to the parser"),
        ("cannot\u{1b}[1m tell", "`abstain_option` contains the control character U+001B"),
    ] {
        let argument = with(words).replace("\\u{200b}", "\\u200b").replace("\\u{1b}", "\\u001b");
        let refused = message(LEAST, &[&argument]);
        assert!(refused.contains(problem), "{words:?}: {refused}");
    }
    let recipe = parse(LEAST, &[&with("none of these")]).expect("valid");
    assert_eq!(recipe.data.abstain_option.as_deref(), Some("none of these"));
}

const LONG: &str = r#"
model_name_or_path = "base"
output_dir = "out"
seed = 9223372036854775807
finetuning_type = "full"
cutoff_len = 512
do_image_splitting = false

[data]
dataset = "cases"
eval_split = "test"
max_samples = 7

[full]
freeze_vision_tower = false

[train]
lr_scheduler_type = "constant_with_warmup"
warmup_steps = 4
adam_epsilon = 1e-12
max_steps = 100
save_total_limit = 2
report_to = "none"
answer_form = "letter"

[[curriculum.phase]]
stages = [1]

[[curriculum.phase]]
name = "look"
stages = [3, 2]
learning_rate = 3e-5
replay = 0.25
context = "gold"
evidence = "curriculum"
augment = { hint_minus = 0.2, hint_plus = [{ share = 0.1 }, { share = 0.1, persona = "patient" }], jpeg = { share = 0.1, level = 2 } }

[[curriculum.phase]]
name = "end"
stages = [4]
context = { gold = 0.5, wrong = 0.25 }

[benchmark]
suite = "suites/mine.toml"
max_cases = 50
every = 2
"#;

#[test]
fn a_phase_of_steps_resolves_without_passes() {
    let steps = format!("{LEAST}[[curriculum.phase]]\nmax_steps = 5\n");
    let recipe = parse(&steps, &[]).expect("valid");
    assert_eq!(recipe.curriculum.phase[0].num_train_epochs, None);
    assert_eq!(parse(&recipe.to_toml(), &[]).expect("a resolved recipe is a recipe"), recipe);
}

#[test]
fn a_resolved_recipe_loads_to_itself() {
    for text in [LEAST, LONG] {
        let recipe = parse(text, &[]).expect("valid");
        let again = parse(&recipe.to_toml(), &[]).expect("a resolved recipe is a recipe");
        assert_eq!(recipe, again);
        assert_eq!(recipe.digest(), again.digest());
    }
    insta::assert_snapshot!(parse(LONG, &[]).expect("valid").to_toml());
}

const ADAPTED: &str = r#"
model_name_or_path = "base"
data.synth = { cases = 8 }

[lora]
use_dora = true
init_lora_weights = "gaussian"
loraplus_lr_ratio = 16
modules_to_save = ["lm_head", "modality_projection.proj"]
freeze_vision_tower = false
freeze_multi_modal_projector = false

[lora.rank_pattern]
'layers\.0\..*q_proj' = 4
down_proj = 16

[lora.alpha_pattern]
down_proj = 64

[train]
vision_tower_lr = 2e-6
multi_modal_projector_lr = 1e-5
"#;

const ORDERED: &str = r#"
model_name_or_path = "base"
data.synth = { cases = 8 }

[curriculum]
order = "cumulative"
replay = 0.1
context = { gold = 0.9, wrong = 0.1 }
evidence = "marked"
augment = { blank = 0.1, hint_minus = 0.2 }
"#;

#[test]
fn an_order_makes_its_phases_and_stands_for_them() {
    let recipe = parse(ORDERED, &[]).expect("valid");
    let again = parse(&recipe.to_toml(), &[]).expect("a resolved recipe is a recipe");
    assert_eq!(recipe, again);
    let stages: Vec<&[u8]> = recipe.curriculum.phase.iter().map(|phase| phase.stages.as_slice()).collect();
    assert_eq!(stages, [&[1][..], &[1, 2], &[1, 2, 3], &[1, 2, 3, 4]]);
    // Later phases of a cumulative order have all earlier stages, so there is nothing to replay.
    assert!(recipe.curriculum.phase.iter().all(|phase| phase.examples.replay == 0.0));
    let reverse = parse(ORDERED, &["curriculum.order=reverse"]).expect("valid");
    let replay: Vec<f64> = reverse.curriculum.phase.iter().map(|phase| phase.examples.replay).collect();
    assert_eq!(replay, [0.0, 0.1, 0.1, 0.1]);
    insta::assert_snapshot!(recipe.to_toml());
}

#[test]
fn an_override_takes_an_order_in_place_of_phases() {
    let recipe = parse(LONG, &["curriculum.order=shuffled", "train.max_steps=40"]).expect("valid");
    let Curriculum { order, phase, .. } = &recipe.curriculum;
    assert_eq!((order.clone(), phase.len(), phase[0].stages.as_slice()), (Some(Order::Shuffled), 1, &[1, 2, 3, 4][..]));
}

#[test]
fn a_phase_takes_what_holds_for_all_unless_it_says_otherwise() {
    let text = format!(
        "{LEAST}[curriculum]\ncontext = \"gold\"\nreplay = 0.2\naugment = {{ blank = 0.1 }}\n[[curriculum.phase]]\nstages = [1]\n\
         [[curriculum.phase]]\nstages = [2]\naugment = {{}}\n[[curriculum.phase]]\nstages = [3]\ncontext = \"none\"\nreplay = 0\n"
    );
    let recipe = parse(&text, &[]).expect("valid");
    let of = |phase: &PhaseRecipe| {
        (phase.examples.replay, phase.examples.context.gold, phase.examples.augment.conditions.len())
    };
    let found: Vec<_> = recipe.curriculum.phase.iter().map(of).collect();
    assert_eq!(found, [(0.0, 1.0, 1), (0.2, 1.0, 0), (0.0, 0.0, 1)]);
    assert_eq!(recipe, parse(&recipe.to_toml(), &[]).expect("a resolved recipe is a recipe"));
}

#[test]
fn curricula_that_make_no_sense_are_refused() {
    insta::assert_snapshot!(message(
        r#"
model_name_or_path = "base"
data.synth = { cases = 8 }

[curriculum]
order = "stepwize"
replay = 1.5
context = "glod"
evidence = "fade"
augment = { hint_mius = 0.1, fgsm = 0.1, clean = 0.5, parents_wrong = 0.1, jpeg = 0.1, blank = { fill = "noise" } }

[[curriculum.phase]]
context = { gold = 0.7, wrong = 0.5, golden = 1 }
augment = { hint_plus = { share = 0.1, families = "held_out" }, hint_minus = 1.1, hint_zero = "0.1", blank = { share = 0.1, colour = 3 } }

[[curriculum.phase]]
name = "last"
stages = [1]
context = 3
augment = { blank = 0.6, swap_far = 0.3, no_image = 0.2 }
"#,
        &["curriculum.phase.1.augment.region_decay=0.1"]
    ));
    insta::assert_snapshot!(message(
        &format!("{LEAST}[curriculum]\norder = \"shuffled\"\naugment = 3\n[[curriculum.phase]]\nstages = [1]\n"),
        &[]
    ));
    insta::assert_snapshot!(message(&format!("{LEAST}[curriculum]\nreplay = 0.1\n"), &[]));
}

#[test]
fn a_phase_freezes_parts_that_the_recipe_trains() {
    let text = format!(
        "{LEAST}[lora]\nfreeze_multi_modal_projector = false\n[[curriculum.phase]]\nstages = [1]\nfreeze_language_model = true\n\
         [[curriculum.phase]]\nstages = [2]\nfreeze_multi_modal_projector = true\n[[curriculum.phase]]\nstages = [3]\n\
         freeze_language_model = false\n"
    );
    let recipe = parse(&text, &[]).expect("valid");
    let frozen: Vec<String> = recipe.curriculum.phase.iter().map(|phase| phase.freeze.names()).collect();
    assert_eq!(frozen, ["decoder", "connector", ""]);
    assert_eq!(recipe, parse(&recipe.to_toml(), &[]).expect("a resolved recipe is a recipe"));
    let without = parse(&text, &["curriculum.phase.0.freeze_language_model=false"]).expect("valid");
    assert_ne!(recipe.digest(), without.digest());
    assert_eq!(recipe.base_digest(), without.base_digest());

    // The trained parts of an existing adapter are known only when it is loaded.
    let elsewhere = ["adapter_name_or_path=a", "curriculum.phase.0.freeze_vision_tower=true"];
    assert!(parse(&text, &elsewhere).is_ok());
    let mut said = String::new();
    for overrides in [
        &["curriculum.phase.0.freeze_multi_modal_projector=true"][..],
        &["curriculum.phase.0.freeze_vision_tower=true"],
        &["curriculum.phase.0.freeze_llm=true"],
    ] {
        said.push_str(&format!("--set {}\n{}\n\n", overrides.join(" --set "), message(&text, overrides)));
    }
    let full = format!("{LEAST}finetuning_type = \"full\"\n[[curriculum.phase]]\nfreeze_language_model = true\n");
    said.push_str(&message(&full, &[]));
    insta::assert_snapshot!(said);
}

#[test]
fn misspelt_keys_are_never_dropped() {
    insta::assert_snapshot!(message(
        r#"
model_name_or_path = "base"
finetunig_type = "lora"
batch_size = 2
banana = 1

[data]
synth = { cases = 8, sed = 1 }

[lora]
lora_rank = 16
use_dora = true
seed = 3
learnin_rate = 3

[train]
learning_rte = 1e-4
lora_dropout = 0.1
fp16 = true

[trian]
x = 1

[[curriculum.phase]]
stage = [1]
epochs = 2
"#,
        &["lora.alpa=32", "lora.q.r=1"]
    ));
}

#[test]
fn wrong_values_are_reported_all_at_once_and_in_order() {
    insta::assert_snapshot!(message(
        r#"
model_name_or_path = ""
finetuning_type = "qlora"
cutoff_len = 4
seed = -1
do_image_splitting = 1
output_dir = 1979-05-27

[data]
dataset = "d"
synth = { cases = 0 }
eval_split = "train"

[lora]
r = "16"
lora_alpha = 2.5
lora_dropout = 1.0
target_modules = ["q_proj", 3, ""]
exclude_modules = []

[full]

[train]
learning_rate = -1
weight_decay = nan
max_grad_norm = inf
warmup_ratio = 0.1
warmup_steps = 10
max_steps = 5
report_to = ["tensorboard", "wandb"]

[[curriculum.phase]]
name = "a b"
stages = [1, 5, 1]
replay = 0.1
context = "golden"

[[curriculum.phase]]
name = "two"
stages = []
[[curriculum.phase]]
name = "two"

[benchmark]
suite = "fats"
"#,
        &["lora.use_rslora=abc", "train.num_train_epochs=0"]
    ));
}

#[test]
fn sections_that_do_not_fit_are_named() {
    insta::assert_snapshot!(message(
        "model_name_or_path = \"b\"\nlora = 3\ncurriculum = { phase = [1] }\n[benchmark]\n[full]\nfreeze_language_model = true\n\
         [train]\nlr_scheduler_type = \"constant\"\nwarmup_ratio = 0.1\n",
        &["finetuning_type=full"]
    ));
}

#[test]
fn an_empty_recipe_is_told_what_it_needs() {
    insta::assert_snapshot!(message("", &[]));
}

#[test]
fn what_is_not_toml_is_reported_all_at_once() {
    insta::assert_snapshot!(message("a = \nb = = 1\n[c]\nd = 1\nd = 2", &["x", "seed.y=1", "=2", "a..b=1"]));
}

#[test]
fn overrides_replace_what_the_file_says() {
    let text = "model_name_or_path = \"base\"\nlora.r = 4\ndata.synth.cases = 8\n[[curriculum.phase]]\nreplay = 0\n";
    let recipe = parse(
        text,
        &["lora.r=32", "train.learning_rate = 2e-5", "model_name_or_path=/models/x", "curriculum.phase.0.stages=[2]"],
    )
    .expect("valid");
    let Tuning::Lora { lora } = &recipe.tuning else { panic!("not LoRA") };
    assert_eq!((lora.r, lora.lora_alpha, recipe.train.learning_rate), (32, 64, 2e-5));
    assert_eq!(recipe.model_name_or_path, Path::new("/models/x"));
    assert_eq!(
        (recipe.curriculum.phase[0].stages.as_slice(), recipe.curriculum.phase[0].name.as_str()),
        (&[2][..], "s2")
    );
}

#[test]
fn an_override_takes_the_place_of_the_key_it_excludes() {
    let file = "model_name_or_path = \"base\"\ndata.dataset = \"d\"\ntrain.warmup_ratio = 0.1\n";
    let recipe = parse(file, &["data.synth.cases=4", "train.warmup_steps=3"]).expect("valid");
    assert!(matches!(recipe.data.source, CaseSource::Synth(Synth { cases: 4, .. })));
    assert_eq!(recipe.train.warmup, crate::lr_schedule::Warmup::Steps(3));
    let file = "model_name_or_path = \"base\"\ndata.synth.cases = 3\ntrain.warmup_steps = 3\n";
    let recipe = parse(file, &["data.dataset=d", "train.warmup_ratio=0.5"]).expect("valid");
    assert_eq!(recipe.data.source, CaseSource::Dataset(vec!["d".into()]));
    assert_eq!(recipe.train.warmup, crate::lr_schedule::Warmup::Ratio(0.5));
}

#[test]
fn the_digest_follows_what_decides_the_weights() {
    let digest = |overrides: &[&str]| parse(LEAST, overrides).expect("valid").digest();
    let usual = digest(&[]);
    assert_eq!(usual, digest(&["output_dir=elsewhere", "train.save_steps=7", "train.logging_steps=1"]));
    for decisive in ["seed=1", "lora.r=4", "train.learning_rate=1e-3", "data.synth.cases=9", "train.max_steps=9"] {
        assert_ne!(usual, digest(&[decisive]), "{decisive}");
    }
}

/// The defaults in the reference equal the values of a recipe that leaves the keys out.
#[test]
fn the_reference_states_the_defaults_that_hold() {
    let keys = reference().keys;
    let resolved: toml::Table = parse(LEAST, &[]).expect("valid").to_toml().parse().expect("TOML");
    let find = |key: &Key| {
        let mut place = &toml::Value::Table(resolved.clone());
        for step in key.section.split('.').filter(|step| !step.is_empty()) {
            place = match place.get(step)? {
                toml::Value::Array(elements) => elements.first()?,
                inner => inner,
            };
        }
        place.get(key.name).cloned()
    };
    let mut compared = 0;
    for key in &keys {
        assert!(!key.help.is_empty() && key.help.ends_with('.'), "{key:?}");
        let literal = key.default.as_deref().and_then(|default| format!("x = {default}").parse::<toml::Table>().ok());
        if let (Some(literal), Some(value), true) = (literal, find(key), key.name != "cases") {
            assert_eq!(literal["x"], value, "{key:?}");
            compared += 1;
        }
    }
    assert!(compared > 25, "only {compared} defaults are literal");
    let mut seen: Vec<_> = keys.iter().map(|key| (&key.section, key.name)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), keys.len(), "a key is documented twice");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_path() {
    let error = Recipe::load(Path::new("no/such.toml"), &[]).expect_err("absent");
    assert!(error.to_string().starts_with("no/such.toml: No such file"), "{error}");
    let folder = tempfile::tempdir().expect("writable");
    let path = folder.path().join("latin1.toml");
    std::fs::write(&path, b"seed = 1 # caf\xe9").expect("writable");
    let error = Recipe::load(&path, &[]).expect_err("not UTF-8");
    assert!(error.to_string().contains("is not UTF-8 from byte 15 on -> save the file as UTF-8 text"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n\t\u{e9}\u{1F600}]{0,200}", argument in "[a-z.=\\[\\]0-9\" \u{e9}]{0,30}") {
        let _ = parse(&text, &[&argument]).map_err(|error| error.to_string());
        let _ = parse(&format!("{LEAST}{text}"), &[]).map_err(|error| error.to_string());
    }

    #[test]
    fn any_value_at_any_key_is_accepted_or_reported(index in 0usize..250, value in "(-?[0-9]{1,40}|-?[0-9]\\.[0-9]e[0-9]{1,3}|true|\"[a-z]{0,3}\"|\\[\\]|\\{\\}|nan|inf)") {
        let keys = reference().keys;
        let key = &keys[index % keys.len()];
        let section = key.section.replace("curriculum.phase", "curriculum.phase.0");
        let path = if section.is_empty() { key.name.to_owned() } else { format!("{section}.{}", key.name) };
        let text = format!("{LEAST}[[curriculum.phase]]\n");
        if let Ok(recipe) = parse(&text, &[&format!("{path}={value}")]) {
            proptest::prop_assert_eq!(&parse(&recipe.to_toml(), &[]).expect("loads again"), &recipe);
        }
    }
}

#[test]
fn vast_numbers_and_files_are_refused() {
    let said = message(LEAST, &["lora.r=1000000000", "lora.lora_alpha=1000000000000000000000000000000000000000000"]);
    assert!(said.contains("`r` cannot be 1000000000\n"), "{said}");
    assert!(said.contains("`lora_alpha` cannot be"), "{said}");
    let ranks = message(LEAST, &["lora.rank_pattern={q_proj=1000000000}"]);
    assert!(ranks.contains("write a number, at least 1 and at most 4096"), "{ranks}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("recipe.toml");
    // A sparse file takes no space on the disk.
    std::fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("made");
    let error = Recipe::load(&path, &[]).expect_err("vast").to_string();
    assert!(error.contains("is larger than the limit of 67108864 bytes -> "), "{error}");
}
