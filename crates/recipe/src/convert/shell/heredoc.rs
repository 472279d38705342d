//! Here-documents of a script: texts between `<<EOF` and `EOF`, which are data and no commands.

/// A file that a script writes from a here-document, such as `cat > FILE <<EOF`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::convert) struct WrittenFile {
    /// Path as written in the script.
    pub name: String,
    /// Text of the file. Variables are not put in.
    pub text: String,
}

/// Returns the script with empty lines in place of its here-documents, so that line numbers stay, and the files that
/// are written from them, in order. A here-document without its last line is left as it is.
pub(in crate::convert) fn without_heredocs(script: &str) -> (String, Vec<WrittenFile>) {
    let mut commands = String::new();
    let mut files = Vec::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        commands.extend([line, "\n"]);
        let Some(delimiter) = delimiter(line) else { continue };
        let body: Vec<&str> = lines.clone().take_while(|line| line.trim() != delimiter).collect();
        if body.len() == lines.clone().count() {
            continue;
        }
        lines.nth(body.len());
        commands.extend((0..=body.len()).map(|_| "\n"));
        if let Some(name) = target(line) {
            files.push(WrittenFile {
                name: name.to_owned(),
                text: body.iter().map(|line| format!("{line}\n")).collect(),
            });
        }
    }
    if !script.ends_with('\n') {
        commands.pop();
    }
    (commands, files)
}

/// The word that ends the here-document which begins in a line. None where none begins.
fn delimiter(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("<<")?;
    if before.trim_start().starts_with('#') {
        return None;
    }
    let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start().trim_start_matches(['\'', '"', '\\']);
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
    let word = &rest[..end];
    word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_').then_some(word)
}

/// The file that a line writes: behind `>`, or the first argument of `tee` that is no option.
fn target(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let name = words.iter().enumerate().find_map(|(index, word)| match word.strip_prefix('>') {
        Some("") => words.get(index + 1).and_then(|word| plain(word)),
        Some(name) => plain(name),
        None if *word == "tee" => words[index + 1..].iter().find_map(|word| plain(word)),
        None => None,
    })?;
    Some(name.trim_matches(['"', '\'']))
}

/// A word that is neither an option nor a redirection.
fn plain(word: &str) -> Option<&str> {
    (!word.is_empty() && !word.starts_with(['<', '>', '&', '-'])).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn here_documents_become_empty_lines_and_files() {
        for (script, commands, files) in [
            (
                "a\ncat > c.yaml <<EOF\nx: 1\nit's\nEOF\nb\n",
                "a\ncat > c.yaml <<EOF\n\n\n\nb\n",
                vec![("c.yaml", "x: 1\nit's\n")],
            ),
            ("cat <<'END' >\"c.yaml\"\nx: 1\nEND\n", "cat <<'END' >\"c.yaml\"\n\n\n", vec![("c.yaml", "x: 1\n")]),
            ("tee c.yaml <<-X\n\ty: 2\n\tX\n", "tee c.yaml <<-X\n\n\n", vec![("c.yaml", "\ty: 2\n")]),
            ("cat << EOF\nUsage: don't\nEOF\n", "cat << EOF\n\n\n", vec![]),
            ("a <<EOF\nb", "a <<EOF\nb", vec![]),
            ("a <<< EOF\nb\nEOF\n", "a <<< EOF\nb\nEOF\n", vec![]),
            ("a=$((1 << 2))\n# <<EOF\nb\nEOF\n", "a=$((1 << 2))\n# <<EOF\nb\nEOF\n", vec![]),
        ] {
            let (found, written) = without_heredocs(script);
            let written: Vec<(&str, &str)> = written.iter().map(|file| (&*file.name, &*file.text)).collect();
            assert_eq!((found.as_str(), written), (commands, files), "{script}");
        }
    }
}
