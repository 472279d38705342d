//! Scripts of Windows: batch files and PowerShell, rewritten for the reader of Unix shells.

use std::borrow::Cow;
use std::path::Path;

/// Returns `script` in the notation of a Unix shell where `path` ends in `.bat`, `.cmd` or `.ps1`, line by line: a
/// continued line ends in `\`, folders are divided by `/`, and `%NAME%` is `${NAME}`. Remarks become empty lines. Other
/// scripts come back unchanged.
pub(in crate::convert) fn in_unix_notation<'a>(path: &Path, script: &'a str) -> Cow<'a, str> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let continued = match ending.as_str() {
        "bat" | "cmd" => '^',
        "ps1" => '`',
        _ => return Cow::Borrowed(script),
    };
    let mut rewritten = String::new();
    for line in script.lines() {
        let line = line.trim_end().replace('\\', "/");
        let first = line.split_whitespace().next().unwrap_or_default().trim_start_matches('@');
        if !first.eq_ignore_ascii_case("rem") && !first.starts_with("::") {
            match line.strip_suffix(continued) {
                Some(line) => rewritten.extend([&with_unix_variables(line), "\\"]),
                None => rewritten.push_str(&with_unix_variables(&line)),
            }
        }
        rewritten.push('\n');
    }
    Cow::Owned(rewritten)
}

/// A line with `${NAME}` in place of `%NAME%`.
fn with_unix_variables(line: &str) -> String {
    let mut rewritten = String::new();
    let mut parts = line.split('%');
    rewritten.push_str(parts.next().unwrap_or_default());
    while let Some(part) = parts.next() {
        let is_name = !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        match parts.next() {
            Some(rest) if is_name => rewritten.extend(["${", part, "}", rest]),
            Some(rest) => rewritten.extend(["%", part, "%", rest]),
            None => rewritten.extend(["%", part]),
        }
    }
    rewritten
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continued_lines_folders_and_variables_are_rewritten() {
        for (name, script, expected) in [
            (
                "a.bat",
                "rem it's\r\nset R=4\r\nswift sft ^\r\n --r %R% --p 5%\r\n",
                "\nset R=4\nswift sft \\\n --r ${R} --p 5%\n",
            ),
            ("a.CMD", "@REM x\ntrl sft --model C:\\m\\n\n", "\ntrl sft --model C:/m/n\n"),
            ("a.ps1", "swift sft `\n --a b\n", "swift sft \\\n --a b\n"),
            ("a.sh", "swift sft ^\n", "swift sft ^\n"),
        ] {
            assert_eq!(in_unix_notation(Path::new(name), script), expected, "{name}");
        }
    }
}
