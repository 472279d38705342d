//! Marks of chest X-rays that the source itself puts in doubt: the notes deny the finding or name another one. The
//! presence of such a structure counts as unknown.

use stepwise_data::case::RegionRole;

use super::classes::{CLASSES, Class, PNEUMOTHORAX};

/// Parts of notes in lower case that describe an image without findings.
const NORMAL: [&str; 8] = [
    "no thoracic abnormalit",
    "no abnormalit",
    "no significant finding",
    "no acute finding",
    "lungs clear",
    "lungs are clear",
    "normal chest",
    "unremarkable chest",
];

/// Parts of notes in lower case by which the source says that the image does not show which disease it is.
const UNSPECIFIC: [&str; 4] = ["no specific features", "not specific", "nonspecific", "non-specific"];

/// Returns those of the marked classes `marked` whose mark the notes put in doubt, each with the reason. `notes` are the
/// clinical notes in lower case. In doubt are:
///
/// - every finding where the notes describe an image without findings;
/// - the only marked finding where the notes do not mention it but name another finding;
/// - a pneumothorax that the notes do not mention, because a cavity or a bulla can look like it.
pub(super) fn doubtful(notes: &str, marked: &[&'static Class]) -> Vec<(&'static Class, &'static str)> {
    let findings = || CLASSES.iter().filter(|class| class.role == RegionRole::Finding && marked.contains(class));
    let is_single = findings().count() == 1;
    let is_normal = NORMAL.iter().any(|words| notes.contains(words));
    let reason = |class: &'static Class| {
        if is_normal {
            Some("the notes describe an image without findings")
        } else if class.mentioned(notes) {
            None
        } else if class.label == PNEUMOTHORAX {
            Some("the notes do not mention it")
        } else if is_single && CLASSES.iter().any(|other| other != class && other.named(notes)) {
            Some("the notes name another finding instead")
        } else {
            None
        }
    };
    findings().filter_map(|class| Some((class, reason(class)?))).collect()
}

/// Returns whether sentences of the notes, in lower case, put the finding `class` into other lungs than its mask does, which
/// affects the right and the left lung or not (`affected`). A sentence that names two findings and both sides leaves open
/// which finding is on which side.
pub(super) fn sides_differ(notes: &str, class: &'static Class, affected: [bool; 2]) -> bool {
    let others = |sentence: &str| {
        let findings = CLASSES.iter().filter(|other| other.role == RegionRole::Finding && *other != class);
        findings.filter(|other| other.named(sentence)).count()
    };
    class.sentences(notes).any(|sentence| {
        let says = |word: &str| sentence.split(|letter: char| !letter.is_alphabetic()).any(|other| other == word);
        let both = says("bilateral") || says("bilaterally") || says("both");
        let said = [both || says("right"), both || says("left")];
        said != [false, false] && (said != affected || (!both && said == [true, true] && others(sentence) > 0))
    })
}

/// Returns whether the notes, in lower case, say that the image has no features of one disease.
pub(super) fn is_unspecific(notes: &str) -> bool {
    UNSPECIFIC.iter().any(|words| notes.contains(words))
}

/// Returns whether the notes, in lower case, describe arrows that are drawn on the published image.
pub(super) fn has_arrows(notes: &str) -> bool {
    ["(arrow", "(white arrow", "(black arrow"].iter().any(|words| notes.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(label: &str) -> &'static Class {
        CLASSES.iter().find(|class| class.label == label).expect("known")
    }

    #[test]
    fn notes_that_deny_a_finding_or_name_another_one_put_its_mark_in_doubt() {
        let (opacity, consolidation) = (class("ground-glass opacity"), class("consolidation"));
        let (air, lung) = (class("pneumothorax"), class("left lung"));
        let of = |notes: &str, marked: &[&'static Class]| -> Vec<&str> {
            doubtful(notes, marked).into_iter().map(|(class, _)| class.label).collect()
        };
        for notes in ["no significant findings.", "both lungs clear.", "it shows no thoracic abnormalities."] {
            assert_eq!(
                of(notes, &[lung, opacity, consolidation]),
                ["ground-glass opacity", "consolidation"],
                "{notes}"
            );
        }
        assert_eq!(of("left lung is clear. hazy right lung.", &[opacity]), [""; 0]);
        assert_eq!(of("single nodular consolidation.", &[lung, opacity]), ["ground-glass opacity"]);
        // A denied finding, a finding beside the marked one, and a word for any opacity name no other finding.
        for notes in ["no clear consolidation seen.", "hazy, with consolidation.", "bilateral airspace opacity.", ""] {
            assert_eq!(of(notes, &[lung, opacity]), [""; 0], "{notes}");
        }
        assert_eq!(of("dense consolidation.", &[opacity, consolidation]), [""; 0]);
        assert_eq!(of("large cavitating mass.", &[consolidation, air]), ["pneumothorax"]);
        assert_eq!(of("small pneumothorax.", &[air]), [""; 0]);
    }

    #[test]
    fn a_side_counts_where_the_notes_name_no_other() {
        let (consolidation, opacity) = (class("consolidation"), class("ground-glass opacity"));
        let (right, left, both) = ([true, false], [false, true], [true, true]);
        let dense = "dense left consolidation and patchy consolidation of the right lower lobe.";
        assert!(sides_differ(dense, consolidation, left) && !sides_differ(dense, consolidation, both));
        assert!(sides_differ("bilateral alveolar consolidation.", consolidation, right));
        let apart = "ground-glass opacities in right upper zones and patchy consolidation in left zones";
        assert!(sides_differ(apart, opacity, both) && sides_differ(apart, consolidation, left));
        for notes in ["no consolidation on the right.", "consolidation. the right hilum is large.", "brightly lit.", ""]
        {
            assert!(!sides_differ(notes, consolidation, left), "{notes}");
        }
    }
}
