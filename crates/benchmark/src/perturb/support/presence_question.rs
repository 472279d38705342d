//! How the words of a question treat the presence of its subject: asked for, denied, or taken for granted.

use crate::score::fold;

/// Words by which a yes/no question asks for the absence of its subject; "free" counts before "of" alone.
const NEGATIONS: [&str; 10] =
    ["absence", "absent", "excluded", "lack", "lacking", "lacks", "missing", "no", "not", "without"];

/// Words that say nothing about a subject. A yes/no question with other words beside its subject, such as "Is there a
/// pneumothorax on the left?", can have the answer no although the subject is present.
const FRAME: [&str; 60] = [
    "a",
    "also",
    "an",
    "any",
    "anywhere",
    "appear",
    "appears",
    "are",
    "at",
    "be",
    "can",
    "case",
    "contain",
    "contains",
    "ct",
    "demonstrate",
    "detected",
    "do",
    "does",
    "evidence",
    "evident",
    "film",
    "free",
    "have",
    "here",
    "identified",
    "image",
    "images",
    "in",
    "is",
    "it",
    "mri",
    "noted",
    "of",
    "on",
    "or",
    "patient",
    "photograph",
    "picture",
    "present",
    "presence",
    "radiograph",
    "ray",
    "scan",
    "see",
    "seen",
    "show",
    "shown",
    "shows",
    "sign",
    "signs",
    "slice",
    "slide",
    "smear",
    "study",
    "the",
    "there",
    "this",
    "view",
    "visible",
];

/// Words of questions that leave open whether their subject is present.
const CONDITIONALS: [&str; 6] = ["any", "if", "otherwise", "unless", "whether", "without"];

/// How a yes/no question asks about its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whether the question asks for the absence of its subject, as in "Is the lung free of nodules?".
    pub is_negated: bool,
    /// Whether the question consists of its subject and of words that say nothing about it, so that both answers decide
    /// whether the subject is present.
    pub is_plain: bool,
}

impl Asked {
    /// Reads how `question` asks about `name`, which is normalised by [`fold`].
    #[must_use]
    pub fn about(name: &str, question: &str) -> Self {
        let padded = format!(" {} ", fold(question));
        let plural = padded.replacen(&format!(" {name}s "), " ", 1);
        let rest = plural.replacen(&format!(" {name} "), " ", 1).replace(" x ray ", " ");
        let says_nothing = |word: &str| word.is_empty() || FRAME.contains(&word) || NEGATIONS.contains(&word);
        Self { is_negated: denies(&rest), is_plain: rest.split(' ').all(says_nothing) }
    }
}

/// Returns whether a yes/no question about presence asks for absence, as in "Is the lung free of nodules?". Its answer yes
/// then says that something is absent.
#[must_use]
pub fn denies(question: &str) -> bool {
    let padded = format!(" {} ", fold(question)).replace(" or not ", " ");
    padded.contains(" free of ") || padded.split(' ').any(|word| NEGATIONS.contains(&word))
}

/// Returns the normalised subject of a plain yes/no question about presence: the words between those that say nothing about
/// a subject, such as "pneumothorax" in "Does this image show a pneumothorax?". None where such words, or words of absence,
/// stand within, as in "Is there a pneumothorax on the left?", and where nothing is left.
#[must_use]
pub fn plain_subject(question: &str) -> Option<String> {
    let folded = fold(question).replace("x ray", "radiograph");
    let words: Vec<&str> = folded.split(' ').collect();
    let says_nothing = |place: usize| {
        // "Free air" is a subject, "free of" is not.
        let is_of_subject = words[place] == "free" && words.get(place + 1) != Some(&"of");
        (FRAME.contains(&words[place]) || NEGATIONS.contains(&words[place])) && !is_of_subject
    };
    let first = (0..words.len()).find(|place| !says_nothing(*place))?;
    let last = (0..words.len()).rfind(|place| !says_nothing(*place))?;
    (first..=last).all(|place| !says_nothing(place)).then(|| words[first..=last].join(" "))
}

/// Returns whether `question` takes the presence of the normalised `name` for granted: the name, or its plural with "s",
/// stands with "the", and the question has no condition such as "if".
#[must_use]
pub fn takes_for_granted(question: &str, name: &str) -> bool {
    let padded = format!(" {} ", fold(question));
    let is_definite = [" ", "s "].iter().any(|end| padded.contains(&format!(" the {name}{end}")));
    is_definite && !padded.split(' ').any(|word| CONDITIONALS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_and_qualified_questions_are_told_from_plain_ones() {
        let asked = |question: &str| {
            let Asked { is_negated, is_plain } = Asked::about("nodule", question);
            (is_negated, is_plain)
        };
        for question in
            ["Is there a nodule?", "Does this image show nodules or not?", "Can a nodule be seen on this X-ray?"]
        {
            assert_eq!(asked(question), (false, true), "{question}");
        }
        for question in ["Is the image free of nodules?", "Is the nodule absent?", "Does the scan show no nodule?"] {
            assert_eq!(asked(question), (true, true), "{question}");
        }
        assert_eq!(asked("Is there a nodule on the left?"), (false, false));
        assert_eq!(Asked::about("free air", "Is there free air?"), Asked { is_negated: false, is_plain: true });
    }

    #[test]
    fn the_subject_of_a_plain_question_is_what_its_frame_leaves() {
        for (question, subject) in [
            ("Does this image show a pneumothorax?", Some("pneumothorax")),
            ("Is this X-ray free of ground-glass opacity?", Some("ground glass opacity")),
            ("Is there evidence of free air?", Some("free air")),
            ("Is a pacemaker visible here or not?", Some("pacemaker")),
            ("Is there a pneumothorax on the left?", None),
            ("Is the lung free of nodules?", None),
            ("Is it there?", None),
        ] {
            assert_eq!(plain_subject(question).as_deref(), subject, "{question}");
        }
    }

    #[test]
    fn only_definite_questions_without_a_condition_take_their_subject_for_granted() {
        for question in ["Which lung does the nodule affect?", "How are the Nodules spread?"] {
            assert!(takes_for_granted(question, "nodule"), "{question}");
        }
        for question in ["How large is a nodule?", "If the nodule is large, what now?", "Which lung is it?"] {
            assert!(!takes_for_granted(question, "nodule"), "{question}");
        }
    }
}
