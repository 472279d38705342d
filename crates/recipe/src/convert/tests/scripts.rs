//! Scripts as they are written: programs before the command, variables with defaults, continued lines.

use super::*;

fn translated(text: &str) -> Converted {
    convert(Path::new("x.sh"), text, &Request::default()).unwrap_or_else(|error| panic!("{text}{error}"))
}

#[test]
fn programs_that_run_a_training_command_are_passed_over() {
    for before in [
        "srun --gres=gpu:8 --ntasks-per-node=1 ",
        "srun -N 2 -J swift ",
        "sudo -E ",
        "nohup ",
        "env A=1 ",
        "time nice -n 19 ",
        "timeout 3h stdbuf -oL ",
        "/usr/bin/srun --exclusive ",
        "singularity exec --nv swift.sif ",
        "then ",
    ] {
        for (command, tool, on) in [
            ("swift sft --model m", Tool::MsSwift, "1 × 16)"),
            ("/opt/bin/swift sft --model m", Tool::MsSwift, "1 × 16)"),
            (
                "python -m torch.distributed.run --nproc-per-node=4 --nnodes 2 swift/cli/sft.py --model m",
                Tool::MsSwift,
                "1 × 2 × 8 processes)",
            ),
            ("python swift/cli/main.py sft --model m", Tool::MsSwift, "1 × 16)"),
            ("python -m swift.cli.main sft --model m", Tool::MsSwift, "1 × 16)"),
            ("python -m trl sft --model_name_or_path m", Tool::Trl, "8 × 1)"),
            ("python -m trl.cli sft --model_name_or_path m", Tool::Trl, "8 × 1)"),
            ("conda run -n swift swift sft --model m", Tool::MsSwift, "1 × 16)"),
            ("llamafactory-cli train --model_name_or_path m", Tool::LlamaFactory, "8 × 1)"),
        ] {
            let found = translated(&format!("{before}{command}\n"));
            assert_eq!(found.tool, tool, "{before}{command}");
            assert!(found.notes[0].contains(on), "{before}{command}: {}", found.notes[0]);
            assert!(found.keys.iter().all(|key| key.key == "$A" || key.fate == Fate::Carried), "{:?}", found.keys);
        }
    }
}

#[test]
fn variables_take_the_words_of_their_expansion() {
    for (text, wanted) in [
        ("swift sft --model m --lora_rank ${R:=2}\n", "r = 2"),
        ("swift sft --model m --lora_rank ${R=2} --max_length 2${R}\n", "cutoff_len = 22"),
        (": ${R:=2}\nswift sft --model m --lora_rank $R\n", "r = 2"),
        (": \"${R:=${S:-2}}\"\nswift sft --model m --lora_rank $R\n", "r = 2"),
        ("R=2\nswift sft --model m --lora_rank ${R:?no rank}\n", "r = 2"),
        ("R=2\nswift sft --model m ${R:+--lora_rank 2}\n", "r = 2"),
        ("swift sft --model m ${R:+--lora_rank 2} --lora_rank 3\n", "r = 3"),
        ("swift sft --model m --lora_rank ${1:-2}\n", "r = 2"),
    ] {
        let recipe = translated(text).recipe;
        assert!(recipe.lines().any(|line| line == wanted), "{text}{recipe}");
    }
}

#[test]
fn commands_inside_of_shells_functions_and_containers_are_read() {
    for text in [
        "bash -c \"swift sft --model m --lora_rank 2\"\n",
        "srun --gres=gpu:1 bash -lc 'R=2; swift sft --model m \\\n --lora_rank $R'\n",
        "docker run --gpus all -v $PWD:/w my/swift:1 swift sft --model m --lora_rank 2\n",
        "podman exec -it box bash -c 'cd /w && swift sft --model m --lora_rank 2'\n",
        "run() { swift sft --model m --lora_rank 2; }\nrun\n",
        "function run { swift sft --model m --lora_rank 2; }\n",
        "$PYTHON -m swift.cli.sft --model m --lora_rank 2\n",
        "${LAUNCH} swift/cli/sft.py --model m --lora_rank 2\n",
    ] {
        let recipe = translated(text).recipe;
        assert!(recipe.contains("model_name_or_path = \"m\"") && recipe.contains("r = 2\n"), "{text}{recipe}");
    }
    let error = convert(Path::new("x.sh"), "a\nbash -c 'b\nswift infer --model m'\n", &Request::default());
    assert!(error.expect_err("inference").to_string().starts_with("x.sh:3: `swift infer`"));
}

#[test]
fn files_that_a_script_writes_are_read_and_other_texts_are_no_commands() {
    let text = "cat <<EOF\nUsage: don't run swift sft --model x\nEOF\ncat > my.yaml <<'END'\nmodel_name_or_path: m\n\
                stage: sft\nlora_rank: 2\nEND\nllamafactory-cli train my.yaml\n";
    let recipe = translated(text).recipe;
    assert!(recipe.contains("model_name_or_path = \"m\"") && recipe.contains("r = 2\n"), "{recipe}");
}

#[test]
fn scripts_of_windows_are_read() {
    for (name, text) in [
        ("x.bat", "@echo off\r\nset R=2\r\nswift sft ^\r\n  --model m ^\r\n  --lora_rank %R%\r\n"),
        ("x.ps1", "swift sft `\n  --model m `\n  --lora_rank 2\n"),
    ] {
        let recipe = convert(Path::new(name), text, &Request::default()).expect(name).recipe;
        assert!(recipe.contains("model_name_or_path = \"m\"") && recipe.contains("r = 2\n"), "{name}{recipe}");
    }
}

/// A number of processes that the script does not show is not taken for one process.
#[test]
fn processes_that_are_not_known_are_left_to_the_user() {
    for text in [
        "NPROC_PER_NODE=$N swift sft --model m --gradient_accumulation_steps 2\n",
        "NNODES=$N NPROC_PER_NODE=2 swift sft --model m --gradient_accumulation_steps 2\n",
        "torchrun --nproc_per_node gpu swift/cli/sft.py --model m --gradient_accumulation_steps 2\n",
        "accelerate launch --num_processes $N sft.py --model_name_or_path m\n",
    ] {
        let notes = translated(text).notes;
        assert!(notes.iter().any(|note| note.contains("for N devices")), "{text}{notes:?}");
    }
}

#[test]
fn a_blank_behind_a_backslash_is_named_with_its_line() {
    for (text, line) in [
        ("swift sft \\\n--model a \\ \n--dataset x \\\n--lora_rank 16\n", 2),
        ("export A=1\nswift sft \\\t\n--model a\n", 2),
        ("trl sft --model_name_or_path m \\ # the base\n--lora_r 16\n", 1),
        ("accelerate launch sft.py \\\r\n--model_name_or_path m \\ \r\n--lora_r 16\r\n", 2),
        ("axolotl train \\\u{a0}\nc.yml\n", 1),
    ] {
        let error = convert(Path::new("x.sh"), text, &with_files()).expect_err(text).to_string();
        assert!(error.starts_with(&format!("x.sh:{line}: ")) && error.contains("blank behind the `\\`"), "{error}");
    }
    // Other commands of the script may hold what they like, and nothing follows the last line.
    translated("echo a \\ \nswift sft --model m \\\n--lora_rank 2 \\ ");
    translated("swift sft --model my\\ model \\\n--lora_rank 2\n");
}
