//! Translates batch sizes: other tools count conversations, Stepwise counts cases, which hold several questions each.

use super::draft::Draft;
use super::tool::Tool;
use super::yaml::Yaml;

/// Size of the training data that a recipe is translated for. It relates questions, which other tools count as
/// conversations, to cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Questions {
    /// Number of training cases; at least 1.
    pub cases: u64,
    /// Number of questions of all training cases; at least 1.
    pub questions: u64,
}

/// Size of an optimiser step of the other tool. A row of a batch is one conversation unless the tool packs.
struct Step {
    /// Rows in a micro-batch on one device.
    micro: u64,
    /// Rows of the whole step.
    rows: u64,
    /// Whether a row holds as many conversations as fit into it, instead of one.
    packed: bool,
    /// The step in words.
    words: String,
    /// Whether every device of the tool adds as many conversations to the step.
    per_device: bool,
    /// Whether micro-batch and step are defaults of the tool.
    defaults: (bool, bool),
}

/// Sets the batch sizes of the draft, and `num_train_epochs` where a number of steps ends the run; replaces earlier
/// values. Returns notes for the user about the size and the number of steps.
///
/// `processes` is the number of processes that the command starts, each with its own batch; None counts as one, and a
/// note says how to multiply. With `data` the sizes are chosen so that a step holds about as many questions as the
/// tool's step holds conversations, at least one case; without it the tool's numbers of conversations become numbers of
/// cases. A packed row counts as one conversation, which the notes say. Sizes are limited to 1 to 65536.
pub(super) fn put(tool: Tool, draft: &mut Draft<'_>, processes: Option<u64>, data: Option<Questions>) -> Vec<String> {
    let step = step(tool, draft, processes.unwrap_or(1));
    let name = tool.name();
    let (micro, accumulation) = match data {
        None => (step.micro, step.rows.div_ceil(step.micro)),
        Some(data) => fitted(&step, data),
    };
    let (micro, accumulation) = (micro.clamp(1, 65536), accumulation.clamp(1, 65536));
    let remark = |default: bool| match (data, default) {
        (None, false) => format!("cases; {} there", step.unit()),
        (None, true) => format!("cases; {name}'s default, in {}", step.unit()),
        (Some(_), _) => format!("cases; a step there: {}", step.held()),
    };
    draft.put_remarked("train", "per_device_train_batch_size", &micro.to_string(), remark(step.defaults.0));
    let remark = match step.defaults.1 && data.is_none() {
        true => format!("{name}'s default"),
        false => format!("a step there: {}", step.held()),
    };
    draft.put_remarked("train", "gradient_accumulation_steps", &accumulation.to_string(), remark);
    let mut notes = vec![match data {
        None => without_data(&step, name, micro * accumulation),
        Some(data) => with_data(&step, name, draft, data, micro * accumulation),
    }];
    if processes.is_none() && step.per_device {
        notes.push(format!(
            "{name} multiplies the step by the number of devices: for N devices there, multiply \
             `gradient_accumulation_steps` by N"
        ));
    }
    notes.extend(length(draft, name, data, micro * accumulation));
    notes
}

/// The optimiser step of the other tool.
fn step(tool: Tool, draft: &Draft<'_>, processes: u64) -> Step {
    let count = |keys: &[&str]| {
        let number = keys.iter().find_map(|key| draft.number(key))?;
        (number >= 1.0 && number.fract() == 0.0 && number <= 65536.0).then_some(number as u64)
    };
    let usual = match tool {
        Tool::LlamaFactory | Tool::Trl => 8,
        _ => 1,
    };
    let given = match tool {
        Tool::MsSwift => count(&["per_device_train_batch_size", "batch_size"]),
        Tool::LlamaFactory | Tool::Trl => count(&["per_device_train_batch_size"]),
        Tool::LlamaFactoryV1 | Tool::MegatronSwift | Tool::Axolotl => count(&["micro_batch_size"]),
    };
    let micro = given.unwrap_or(usual);
    let accumulated = count(&["gradient_accumulation_steps"]);
    let global = count(&["global_batch_size"]);
    let on = if processes > 1 { format!(" × {processes} processes") } else { String::new() };
    let by_accumulation = |accumulation: u64| {
        (micro.saturating_mul(accumulation).saturating_mul(processes), format!("{micro} × {accumulation}{on}"))
    };
    let (rows, words, whole) = match tool {
        Tool::LlamaFactoryV1 | Tool::MegatronSwift => {
            let whole = global.unwrap_or(if tool == Tool::MegatronSwift { 16 } else { micro * processes });
            (whole, format!("global batch size {whole}"), global.is_none())
        }
        // Without the key ms-swift accumulates up to 16 conversations, for any batch size and number of processes.
        Tool::MsSwift if accumulated.is_none() => {
            let (rows, words) = by_accumulation(16_u64.div_ceil(micro.saturating_mul(processes)));
            (rows, words, true)
        }
        Tool::Axolotl if accumulated.is_none() && count(&["batch_size"]).is_some() => {
            let whole = count(&["batch_size"]).unwrap_or(micro).saturating_mul(processes);
            (whole, format!("`batch_size`{on}"), false)
        }
        _ => {
            let (rows, words) = by_accumulation(accumulated.unwrap_or(1));
            (rows, words, accumulated.is_none())
        }
    };
    let fixed = match tool {
        Tool::LlamaFactoryV1 => global.is_some(),
        Tool::MegatronSwift => true,
        Tool::MsSwift => accumulated.is_none(),
        _ => false,
    };
    Step { micro, rows, packed: packed(tool, draft), words, per_device: !fixed, defaults: (given.is_none(), whole) }
}

/// Whether the other tool fills the rows of a batch with several conversations.
fn packed(tool: Tool, draft: &Draft<'_>) -> bool {
    let on = |key: &str| draft.value(key).is_some_and(|value| !value.off());
    match tool {
        Tool::Axolotl => on("sample_packing"),
        // `neat_packing` switches `packing` on.
        Tool::LlamaFactory => on("packing") || on("neat_packing"),
        Tool::MsSwift | Tool::MegatronSwift | Tool::Trl => on("packing"),
        // The other strategies fill a batch up to a number of tokens.
        Tool::LlamaFactoryV1 => draft
            .value("batching_strategy")
            .and_then(Yaml::text)
            .is_some_and(|strategy| !["normal", "padding_free"].contains(&strategy.as_str())),
    }
}

impl Step {
    /// What a batch of the tool counts, in words.
    fn unit(&self) -> &'static str {
        if self.packed { "packed rows" } else { "conversations" }
    }

    /// The rows of the step, in words.
    fn held(&self) -> String {
        match (self.rows, self.packed) {
            (1, false) => "1 conversation".to_owned(),
            (1, true) => "1 packed row".to_owned(),
            (rows, _) => format!("{rows} {}", self.unit()),
        }
    }
}

/// Cases in a micro-batch and accumulation whose questions come nearest to the rows of `step`.
fn fitted(step: &Step, data: Questions) -> (u64, u64) {
    let each = data.questions as f64 / data.cases as f64;
    let micro = ((step.micro as f64 / each).round() as u64).max(1);
    let accumulation = ((step.rows as f64 / each / micro as f64).round() as u64).max(1);
    (micro, accumulation)
}

fn without_data(step: &Step, name: &str, cases: u64) -> String {
    let Step { rows, words, .. } = step;
    if step.packed {
        return format!(
            "packed rows in a step of {name}: {rows} ({words}), each with as many conversations as fit into it; cases in a \
             step here: {cases}, each with all its questions -> with N conversations in a row and M questions in a case, \
             multiply `gradient_accumulation_steps` by N / M; `--data FOLDER` counts the questions of a folder of cases"
        );
    }
    format!(
        "conversations in a step of {name}: {rows} ({words}); cases in a step here: {cases}, each with all its \
         questions. With 4 questions in a case, a step holds {} questions and a pass takes a quarter of the steps -> \
         `--data FOLDER` counts the questions of a folder of cases and converts",
        cases * 4
    )
}

fn with_data(step: &Step, name: &str, draft: &Draft<'_>, data: Questions, cases: u64) -> String {
    let Questions { cases: all, questions } = data;
    let each = questions as f64 / all as f64;
    let epochs = draft.set_number("train", "num_train_epochs").unwrap_or(3.0);
    let steps = |of: u64, size: u64| of.div_ceil(size.max(1)) as f64 * epochs;
    let (there, here) = (steps(questions, step.rows), steps(all, cases));
    if step.packed {
        return format!(
            "{questions} questions in {all} training cases, {each:.1} in a case: a step of {name} holds {} ({}); a row holds \
             as many conversations as fit into it, so the number of steps there is not known; a step here holds \
             {cases} case{} or about {:.0} questions, {here} steps in {epochs} epoch{}: a row is taken for one question \
             -> with N conversations in a row, multiply `gradient_accumulation_steps` by N",
            step.held(),
            step.words,
            plural(cases as f64),
            cases as f64 * each,
            plural(epochs),
        );
    }
    let mut note = format!(
        "{questions} questions in {all} training cases, {each:.1} in a case: a step of {name} holds {} ({}), with \
         a question in each {there} steps in {epochs} epoch{}; a step here holds {cases} case{} or about {:.0} \
         questions, {here} steps",
        step.held(),
        step.words,
        plural(epochs),
        plural(cases as f64),
        cases as f64 * each,
    );
    if cases == 1 && (each > step.rows as f64 * 1.25) {
        note.push_str(
            "; a step cannot hold less than a case -> compare validation results before trusting the number of epochs and \
             the learning rate",
        );
    }
    note
}

/// Ending of a noun behind `count`.
fn plural(count: f64) -> &'static str {
    if count == 1.0 { "" } else { "s" }
}

/// Makes `max_steps` end the run whatever the epochs are, as in the other tools.
fn length(draft: &mut Draft<'_>, name: &str, data: Option<Questions>, cases: u64) -> Option<String> {
    let steps = draft.set_number("train", "max_steps").filter(|steps| *steps >= 1.0)? as u64;
    // An epoch has at least one step.
    let an_epoch = data.map_or(1, |data| data.cases.div_ceil(cases.max(1)));
    let epochs = steps.div_ceil(an_epoch.max(1)).clamp(1, 100_000);
    let remark = "`max_steps` ends the run, as there".to_owned();
    draft.put_remarked("train", "num_train_epochs", &epochs.to_string(), remark);
    Some(format!(
        "`max_steps = {steps}` ends the run as in {name}, whatever the epochs are; {steps} steps here see other numbers of \
         questions than there, see above"
    ))
}
