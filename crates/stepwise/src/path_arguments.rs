//! Paths among the arguments: a shell leaves `~` as it is in `--data=~/cases` and in quotes.

use std::any::TypeId;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Arg, Command};
use stepwise_config::path::{Unresolved, resolved};

/// Resolves all paths among the arguments of `command` and its subcommands, for example the home folder `~`, and refuses
/// addresses.
pub fn resolving(command: Command) -> Command {
    let is_path = |arg: &Arg| arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    // A suite is a path or the name of a built-in suite. The command that reads it tells them apart.
    let takes_path = |arg: &Arg| is_path(arg) && arg.get_id() != "suite";
    let resolve = |arg: Arg| match takes_path(&arg) {
        true => arg.value_parser(PathBufValueParser::new().try_map(|path| local(&path))),
        false => arg,
    };
    command.mut_args(resolve).mut_subcommands(resolving)
}

/// Resolves a path, and refuses an address such as `https://...`.
fn local(written: &Path) -> Result<PathBuf, Unresolved> {
    if written.to_string_lossy().contains("://") {
        return Err(Unresolved {
            problem: "this is an address, and nothing is downloaded".to_owned(),
            advice: "download it, and name the file or folder on this computer".to_owned(),
        });
    }
    resolved(written)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    #[test]
    fn paths_are_resolved_and_addresses_refused_in_the_arguments_of_every_command() {
        let home = std::env::home_dir().expect("a home folder");
        for (line, id) in [
            ("init ~/x", "file"),
            ("convert ~/x", "file"),
            ("convert x --out=~/x", "out"),
            ("train ~/x", "recipe"),
            ("train r --plan=~/x", "plan"),
            ("eval ~/x", "path"),
            ("eval r --data=~/x", "data"),
            ("eval r --cache=~/x", "cache"),
            ("compare ~/x b", "a"),
            ("compare a b --cases=~/x", "cases"),
            ("check ~/x", "path"),
            ("export ~/x out --format peft", "path"),
            ("new-model ~/x", "out"),
            ("study run ~/x", "study"),
            ("data synth ~/x", "out"),
        ] {
            let words = std::iter::once("stepwise").chain(line.split(' '));
            let found = resolving(Cli::command()).try_get_matches_from(words).expect(line);
            let mut found = &found;
            while let Some((_, below)) = found.subcommand() {
                found = below;
            }
            assert_eq!(found.get_one::<PathBuf>(id), Some(&home.join("x")), "{line}");
        }
        let refused = resolving(Cli::command()).try_get_matches_from(["stepwise", "train", "~bob/r.toml"]);
        let said = refused.expect_err("another user").to_string();
        assert!(said.contains("the home folder `~bob` of another user is not looked up -> "), "{said}");
        for line in [
            "ask --model_name_or_path m --question q --image https://example.org/a.png",
            "check s3://bucket/cases",
            "train https://example.org/r.toml",
            "eval hf://org/model",
        ] {
            let words = std::iter::once("stepwise").chain(line.split(' '));
            let refused = resolving(Cli::command()).try_get_matches_from(words).expect_err(line).to_string();
            assert!(refused.contains("this is an address, and nothing is downloaded -> download it"), "{refused}");
        }
        let kept = resolving(Cli::command()).try_get_matches_from(["stepwise", "eval", "r", "--suite", "./fast"]);
        let kept = kept.expect("valid");
        let suite = kept.subcommand().and_then(|(_, eval)| eval.get_one::<PathBuf>("suite"));
        assert_eq!(suite.map(|suite| suite.as_os_str()), Some("./fast".as_ref()), "no built-in suite");
    }
}
