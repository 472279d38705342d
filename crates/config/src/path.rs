//! Paths as users write them in files and on the command line, and as printed commands show them.

use std::path::{Component, Path, PathBuf};
use std::{env, error, fmt};

/// Error of [`resolved`]: the home folder that `~` stands for is not known or belongs to another user. It is displayed
/// as `problem -> advice`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} -> {}", self.problem, self.advice)
    }
}

impl error::Error for Unresolved {}

/// Resolves a path that a user wrote. A leading `~` becomes the home folder, as in a shell; `./` at the start, doubled
/// slashes and a slash at the end are dropped, so that one folder has one name. Addresses with `://` stay as they are.
///
/// # Errors
/// When the path begins with `~` and another name, or the home folder is not known.
pub fn resolved(written: &Path) -> Result<PathBuf, Unresolved> {
    resolved_in(written, env::home_dir())
}

fn resolved_in(written: &Path, home: Option<PathBuf>) -> Result<PathBuf, Unresolved> {
    if written.to_string_lossy().contains("://") {
        return Ok(written.to_owned());
    }
    let rest = match written.components().next() {
        Some(Component::Normal(first)) if first == "~" => {
            let home = home.filter(|home| home.is_absolute()).ok_or_else(|| Unresolved {
                problem: "`~` stands for the home folder, and `HOME` is not set".to_owned(),
                advice: "write the whole path".to_owned(),
            })?;
            return Ok(home.join(written.components().skip(1).collect::<PathBuf>()).components().collect());
        }
        Some(Component::Normal(first)) if first.to_string_lossy().starts_with('~') => {
            return Err(Unresolved {
                problem: format!("the home folder `{}` of another user is not looked up", first.to_string_lossy()),
                advice: format!("write the whole path, or `./{}` for a file of this name", written.display()),
            });
        }
        Some(Component::CurDir) => written.components().skip(1).collect::<PathBuf>(),
        _ => written.components().collect(),
    };
    // Without `./`, a file of the name `~` would be read as the home folder the next time.
    let is_home = rest.to_string_lossy().starts_with('~');
    Ok(if rest.as_os_str().is_empty() || is_home { written.components().collect() } else { rest })
}

/// Returns a path quoted for a command line that the program prints, so that the shell passes it on unchanged. A path
/// that begins with `-` gets `./` in front, because it would be read as an option; bytes that are not UTF-8 are
/// replaced.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    // Otherwise a name such as `-x` would be read as an option.
    quoted_word(&if text.starts_with('-') { format!("./{text}") } else { text.into_owned() })
}

/// Returns a word quoted for a POSIX shell; a word that needs no quotes ([`is_plain`]) is returned as it is.
#[must_use]
pub fn quoted_word(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Returns whether a word needs no quotes in a shell, in YAML and on an `#SBATCH` line: it is not empty and consists of
/// ASCII letters, digits and `-_./:=+,@%`.
#[must_use]
pub fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Result<String, String> {
        let resolved = resolved_in(Path::new(written), Some("/home/ada".into()));
        resolved.map(|path| path.display().to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_tilde_is_the_home_folder_at_the_start_only() {
        for (written, expected) in [
            ("~", "/home/ada"),
            ("~/", "/home/ada"),
            ("~/models/a b", "/home/ada/models/a b"),
            ("~//x/./y", "/home/ada/x/y"),
            ("a/~/b", "a/~/b"),
            ("./~", "./~"),
            ("./~x/y", "./~x/y"),
            ("x~", "x~"),
            ("/~/x", "/~/x"),
        ] {
            assert_eq!(read(written), Ok(expected.to_owned()), "{written}");
        }
        let said = read("~bob/x").expect_err("another user");
        assert!(said.contains("`~bob`") && said.contains(" -> ") && said.contains("`./~bob/x`"), "{said}");
        for home in [None, Some("".into()), Some("relative".into())] {
            let said = resolved_in(Path::new("~/x"), home).expect_err("no home").to_string();
            assert!(said.contains("`HOME` is not set -> "), "{said}");
        }
    }

    #[test]
    fn one_folder_has_one_name() {
        for (written, expected) in [
            ("./run", "run"),
            ("././run/./best/", "run/best"),
            (".", "."),
            ("./", "."),
            ("../run", "../run"),
            ("./../run", "../run"),
            ("/a//b/", "/a/b"),
            (".hidden", ".hidden"),
            ("", ""),
            ("https://host/a/b", "https://host/a/b"),
        ] {
            assert_eq!(read(written), Ok(expected.to_owned()), "{written}");
            assert_eq!(read(expected), Ok(expected.to_owned()), "the same when it is read again");
        }
    }

    #[test]
    fn words_with_blanks_and_quotes_reach_the_program_whole() {
        for (path, expected) in [
            ("recipes/study-order.toml", "recipes/study-order.toml"),
            ("my study's.toml", "'my study'\\''s.toml'"),
            ("", "''"),
            ("a$b", "'a$b'"),
            ("-x y", "'./-x y'"),
            ("größe", "'größe'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
        assert_eq!(quoted_word("-x"), "-x");
    }
}
