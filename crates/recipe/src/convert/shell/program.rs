//! Recognises the tool and the purpose of a command.

use super::expand::assignment;
use crate::convert::purpose::Purpose;
use crate::convert::tool::Tool;

/// What a command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::convert) enum Program {
    /// A training command of one of these tools.
    Training(&'static [Tool]),
    /// Another command of a known tool.
    Other(Purpose),
    /// A Python script of no known tool.
    Script,
}

/// A command of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::convert) struct Command {
    /// Line, counted from 1.
    pub line: usize,
    /// Words that name the program, such as `swift sft`.
    pub name: String,
    /// What the command runs.
    pub program: Program,
    /// Arguments behind the program, each with its line.
    pub arguments: Vec<(usize, String)>,
    /// Environment variables that the script sets for it.
    pub environment: Vec<(String, String)>,
    /// Options of the launcher, such as `--num_processes 8`.
    pub launcher: Vec<String>,
}

const LLAMA_FACTORY: &[Tool] = &[Tool::LlamaFactory, Tool::LlamaFactoryV1];
const V1: &[Tool] = &[Tool::LlamaFactoryV1];

/// Recognises the program of the command `words` in line `line`, also behind a launcher such as `torchrun`, whose
/// options are kept apart. `environment` holds the variables that the script sets for it. Returns None when the words
/// are empty or name no known tool, launcher or Python script.
pub(super) fn command(line: usize, words: &[(usize, String)], environment: Vec<(String, String)>) -> Option<Command> {
    let word = |index: usize| words.get(index).map_or("", |(_, word)| word.as_str());
    let first = base(word(0));
    if WRAPPERS.contains(&first) {
        let mut starting = (1..words.len()).filter(|index| starts(base(word(*index))));
        return starting.find_map(|start| {
            let set = words[1..start].iter().filter_map(|(_, word)| assignment(word));
            command(line, &words[start..], environment.iter().cloned().chain(set).collect())
        });
    }
    let made = |program: Program, count: usize, launcher: Vec<String>| Command {
        line,
        name: words[..count.min(words.len())].iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" "),
        program,
        arguments: words[count.min(words.len())..].to_vec(),
        environment: environment.clone(),
        launcher,
    };
    let direct = match first {
        "swift" => swift(word(1), &[Tool::MsSwift]),
        "megatron" => swift(word(1), &[Tool::MegatronSwift]),
        "llamafactory-cli" | "lmf" => llama_factory(word(1)),
        "trl" => trl(word(1)),
        "axolotl" => axolotl(word(1)),
        _ => None,
    };
    if let Some(program) = direct {
        return Some(made(program, 2, Vec::new()));
    }
    if !launches(first) || (first == "accelerate" && word(1) != "launch") {
        return None;
    }
    let mut index = 1;
    let mut launcher: Vec<String> = Vec::new();
    while index < words.len() {
        let module = ["-m", "--module"].contains(&word(index));
        let name = if module { word(index + 1) } else { word(index) };
        let count = index + 1 + usize::from(module);
        if module && LAUNCHERS.contains(&name) {
            index = count;
            continue;
        }
        if !module
            && TOOLS.contains(&base(name))
            && let Some(command) = command(line, &words[index..], environment.clone())
        {
            return Some(Command { launcher, ..command });
        }
        if module || name.ends_with(".py") {
            let (program, more) = script(name, word(count));
            let mut found = made(program, count + more, launcher);
            found.name = words[index..(count + more).min(words.len())]
                .iter()
                .map(|(_, word)| word.as_str())
                .collect::<Vec<_>>()
                .join(" ");
            return Some(found);
        }
        launcher.push(name.to_owned());
        index += 1;
    }
    None
}

/// Programs that run the program named behind their options, and do not decide the number of training processes.
const WRAPPERS: &[&str] = &[
    "srun",
    "sudo",
    "env",
    "time",
    "nohup",
    "exec",
    "command",
    "nice",
    "ionice",
    "stdbuf",
    "timeout",
    "taskset",
    "setsid",
    "unbuffer",
    "singularity",
    "apptainer",
    "docker",
    "podman",
];

/// Commands of the tools.
const TOOLS: &[&str] = &["swift", "megatron", "llamafactory-cli", "lmf", "trl", "axolotl"];

/// Programs that start Python scripts and modules. A variable without a value, such as `$PYTHON`, may be one.
fn launches(name: &str) -> bool {
    let launchers =
        ["accelerate", "torchrun", "deepspeed", "uv", "mpirun", "horovodrun", "xvfb-run", "numactl", "conda", "poetry"];
    launchers.contains(&name) || name.starts_with("python") || name.starts_with('$')
}

/// Whether a training command can begin with the program `name`.
fn starts(name: &str) -> bool {
    TOOLS.contains(&name) || launches(name)
}

/// Name of a program without its folder.
pub(super) fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or_default()
}

/// Modules that start another one.
const LAUNCHERS: &[&str] = &[
    "torch.distributed.run",
    "torch.distributed.launch",
    "accelerate.commands.launch",
    "accelerate.commands.accelerate_cli",
    "deepspeed.launcher.runner",
];

fn swift(command: &str, tools: &'static [Tool]) -> Option<Program> {
    Some(match command.replace('_', "-").as_str() {
        "sft" => Program::Training(tools),
        "pt" => Program::Other(Purpose::Pretraining),
        "rlhf" => Program::Other(Purpose::Preference),
        "infer" | "deploy" | "app" | "web-ui" | "rollout" | "sample" => Program::Other(Purpose::Inference),
        "merge-lora" | "export" => Program::Other(Purpose::Merge),
        "eval" => Program::Other(Purpose::Evaluation),
        _ => return None,
    })
}

fn llama_factory(command: &str) -> Option<Program> {
    Some(match command {
        "train" => Program::Training(LLAMA_FACTORY),
        "sft" => Program::Training(V1),
        "dpo" => Program::Other(Purpose::Preference),
        "rm" => Program::Other(Purpose::Reward),
        "chat" | "webchat" | "webui" | "api" => Program::Other(Purpose::Inference),
        "export" | "merge" => Program::Other(Purpose::Merge),
        "eval" => Program::Other(Purpose::Evaluation),
        _ => return None,
    })
}

fn trl(command: &str) -> Option<Program> {
    Some(match command {
        "sft" => Program::Training(&[Tool::Trl]),
        "chat" | "vllm-serve" => Program::Other(Purpose::Inference),
        command => Program::Other(Purpose::of_name(command)?),
    })
}

fn axolotl(command: &str) -> Option<Program> {
    Some(match command.replace('_', "-").as_str() {
        "train" => Program::Training(&[Tool::Axolotl]),
        "inference" | "vllm-serve" => Program::Other(Purpose::Inference),
        "merge-lora" | "merge-sharded-fsdp-weights" => Program::Other(Purpose::Merge),
        "quantize" => Program::Other(Purpose::Quantisation),
        "evaluate" | "lm-eval" => Program::Other(Purpose::Evaluation),
        "preprocess" => Program::Other(Purpose::Preprocessing),
        _ => return None,
    })
}

/// Program of a Python script or module, and how many arguments belong to its name. `next` is the argument behind it.
fn script(name: &str, next: &str) -> (Program, usize) {
    let dotted = name.trim_end_matches(".py").replace('/', ".").to_lowercase();
    let last = dotted.rsplit('.').next().unwrap_or_default();
    let known = |found: Option<Program>| found.unwrap_or(Program::Script);
    if dotted.contains("axolotl") {
        // `axolotl.cli.train`; the module `axolotl.cli` takes the command as an argument.
        return match last {
            "cli" | "main" | "axolotl" => (known(axolotl(next)), 1),
            last => (known(axolotl(last)), 0),
        };
    }
    if dotted.contains("llamafactory.cli")
        || dotted.ends_with("llamafactory.launcher")
        || dotted.ends_with("llamafactory")
    {
        return (known(llama_factory(next)), 1);
    }
    if dotted == "trl" || dotted.ends_with("trl.cli") || dotted.ends_with("trl.cli.main") {
        return (known(trl(next)), 1);
    }
    if dotted.contains("swift.cli.") {
        let tools: &'static [Tool] =
            if dotted.contains("megatron") { &[Tool::MegatronSwift] } else { &[Tool::MsSwift] };
        // `swift/cli/main.py` takes the command as an argument.
        return if last == "main" { (known(swift(next, tools)), 1) } else { (known(swift(last, tools)), 0) };
    }
    if dotted.ends_with("src.train")
        || dotted.ends_with("src.train_bash")
        || dotted.ends_with("llamafactory.train.tuner")
    {
        return (Program::Training(LLAMA_FACTORY), 0);
    }
    match last {
        "export_model" => (Program::Other(Purpose::Merge), 0),
        "cli_demo" | "web_demo" | "api_demo" => (Program::Other(Purpose::Inference), 0),
        last if last.split('_').any(|word| word == "sft") => (Program::Training(&[Tool::Trl]), 0),
        last => (Purpose::of_name(last).map_or(Program::Script, Program::Other), 0),
    }
}

impl Command {
    /// Returns the number of processes that train, each with its own batch, from the launcher's options or else the
    /// environment. ms-swift starts one where nothing says more. None when the script does not show the number.
    pub fn processes(&self) -> Option<u64> {
        let option = |names: &[&str]| {
            let mut words = self.launcher.iter();
            while let Some(word) = words.next() {
                let word = word.replace('-', "_");
                let (name, value) =
                    word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
                if names.contains(&name.trim_start_matches('_')) {
                    return value.map(str::to_owned).or_else(|| words.next().cloned());
                }
            }
            None
        };
        let variable = |name: &str| {
            let (_, value) = self.environment.iter().rev().find(|(set, _)| set == name)?;
            Some(value.clone())
        };
        // None where the script gives no number that can be read, such as `$N` or `auto`.
        let number = |value: String| value.parse::<u64>().ok().filter(|count| *count >= 1);
        if let Some(count) = option(&["num_processes", "n"]) {
            return number(count);
        }
        let nodes = option(&["nnodes"]).or_else(|| variable("NNODES")).map_or(Some(1), number);
        if let Some(each) = option(&["nproc_per_node", "num_gpus"]).or_else(|| variable("NPROC_PER_NODE")) {
            return Some(number(each)?.saturating_mul(nodes?));
        }
        let swift = matches!(self.program, Program::Training(tools) if tools.contains(&Tool::MsSwift));
        if swift {
            return Some(1); // Without NPROC_PER_NODE ms-swift starts one process.
        }
        variable("CUDA_VISIBLE_DEVICES")
            .filter(|devices| !devices.is_empty() && devices.split(',').all(|device| device.parse::<u32>().is_ok()))
            .map(|devices| devices.split(',').count() as u64)
    }
}
